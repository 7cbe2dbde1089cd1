"""What stood in clear before is encrypted or scrubbed when a deployment is brought up to date."""

from importlib import import_module

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import connection

from audit.models import ActorKind, Change
from inbound_admin.lib import sealed
from inbound_admin.lib.redaction import CHANGED, MASK
from operations.legacy_import.core import RowKind
from operations.models import MovingIn, MovingInRow
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def _change(before: dict[str, object], after: dict[str, object], object_type: str = "endpoint") -> Change:
    named = {"object_type": object_type, "object_id": "ep_1", "object_name": "Desk", "what": "endpoint.changed"}
    return Change.objects.create(actor_kind=ActorKind.WORKER, before=before, after=after, **named)


def test_the_change_log_is_scrubbed_of_endpoints_long_removed() -> None:
    row = _change({"config_headers": {"X-Key": "old"}, "name": "Desk"}, {"config_headers": {"X-Key": "new"}})
    removed = _change({"config_url": "https://a.example/?token=x", "config_verification_token": "v"}, {})
    import_module("receipt_rules.migrations.0005_sealed_config").scrub(apps, None)
    row.refresh_from_db()
    removed.refresh_from_db()
    assert row.before == {"config_headers": {"X-Key": MASK}, "name": "Desk"}
    assert row.after == {"config_headers": {"X-Key": CHANGED}}
    assert removed.before == {"config_url": f"https://a.example/?token={MASK}", "config_verification_token": MASK}


def test_factors_and_rows_that_move_in_are_sealed_once() -> None:
    factor = Authenticator.objects.create(user=make_user(), type="totp", data={"secret": "JBSWY3DP"})
    moving = MovingIn.objects.create(region="eu-west-1", name="old.json", because="Contract 12")
    row = MovingInRow.objects.create(
        moving_in=moving, number=1, kind=RowKind.ENDPOINT, values={"config": {"headers": {"X": "y"}}, "type": "webhook"}
    )
    for _ in range(2):
        import_module("tenants.migrations.0009_sealed_factors").seal_all(apps, None)
        import_module("operations.migrations.0007_sealed_moving_in").seal(apps, None)
    factor.refresh_from_db()
    row.refresh_from_db()
    assert sealed.unseal(factor.data["secret"]) == "JBSWY3DP"
    assert sealed.unseal_values(row.values["config"]) == {"headers": {"X": "y"}}


def test_no_table_has_a_column_for_settings_in_clear() -> None:
    with connection.cursor() as cursor:
        columns = {
            table: {column.name for column in connection.introspection.get_table_description(cursor, table)}
            for table in ("receipt_rules_endpoint", "notifications_webhooktarget")
        }
    assert "config" not in columns["receipt_rules_endpoint"]
    assert "url" not in columns["notifications_webhooktarget"]
