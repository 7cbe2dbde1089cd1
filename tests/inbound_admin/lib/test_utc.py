"""Times that are named UTC are UTC, whatever the setting TIME_ZONE is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from django.forms import Form
from django.utils import timezone as django_timezone

from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Stage
from domains.overrides import services as overrides_services
from domains.overrides.views import HoldForm, OverrideForm
from inbound_admin.lib.moments import minute_in_utc
from notifications.alerts.services import mute
from operations.batches.core import BatchKind
from operations.domain_actions.views import WordsForm
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.notifications.factories import raise_alert

KATHMANDU = ZoneInfo("Asia/Kathmandu")


@pytest.fixture(autouse=True)
def far_away() -> Iterator[None]:
    with django_timezone.override(KATHMANDU):
        yield


@pytest.mark.django_db
@pytest.mark.parametrize(
    "form",
    [
        HoldForm({"until": "2126-05-04T12:00"}),
        OverrideForm({"until": "2126-05-04T12:00"}),
        WordsForm({"until": "2126-05-04T12:00"}, kind=BatchKind.HOLD, number=2),
    ],
)
def test_a_form_reads_the_time_as_utc(form: Form) -> None:
    form.is_valid()
    assert form.cleaned_data["until"] == datetime(2126, 5, 4, 12, tzinfo=UTC)
    assert "In UTC" in str(form.fields["until"].help_text) or "in UTC" in str(form.fields["until"].help_text)


def test_a_bulk_hold_until_a_past_time_is_refused_before_its_preview() -> None:
    past = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M}"
    form = WordsForm({"until": past, "because": "Abuse"}, kind=BatchKind.HOLD, number=2)
    assert form.errors["until"] == [overrides_services.PAST]
    assert "until" not in WordsForm({"because": "Abuse"}, kind=BatchKind.HOLD, number=2).errors


def test_a_sentence_has_the_time_in_utc() -> None:
    moment = datetime(2026, 5, 4, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    assert minute_in_utc(moment) == "3 May 2026, 20:30 UTC"


@pytest.mark.django_db
def test_the_change_log_has_the_end_of_a_hold_override_and_mute_in_utc() -> None:
    olga, customer = make_staff(Role.OPERATOR), make_customer()
    alice, domain = make_member(customer), make_domain(customer=customer, stage=Stage.READY)
    until = (django_timezone.now() + timedelta(days=3)).astimezone(KATHMANDU)
    overrides_services.override_state(domain=domain, state="verified", because="a", until=until, actor=olga)
    overrides_services.hold(domain=domain, because="a", until=until, actor=olga)
    mute(alert=raise_alert(customer.id), until=until, actor=alice)
    logged = {change.what: change.after["until"] for change in Change.objects.all() if "until" in (change.after or {})}
    shown = f"{until.astimezone(UTC):%-d %B %Y, %H:%M} UTC"
    assert logged == {
        "domain.state_overridden": shown,
        "domain.held": shown,
        "alert.muted": f"{until.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }
