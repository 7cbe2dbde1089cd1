"""State that must not depend on faults: our rows, SES's state and the change log, without values of the single run."""

import re
from collections.abc import Iterator
from typing import Any

from django.db import connection, models

ID = re.compile(
    r"\b[a-z]{2,8}_[0-9a-z]{16,}\b|-[0-9a-hjkmnp-tv-z]{8}\b|tn-[0-9a-z]+"
    r"|\b[a-z2-7]{32}\b|[A-Za-z0-9+/]{43}="  # SES tokens, which depend on the domain's name
    r"|\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d"  # a migration is named after its minute
)
# Columns that differ in each run, or that a fault may change: number of attempts, times of reads.
OF_THE_RUN = set(
    "id claim_token token digest touched deletion_bulk_id bulk_id object_id sealed_url sealed_config secret "
    "old_secret body verification_token message_id soa_serial ses_id summary outcome last_dns_check".split()
)
MOMENTS = set(
    "verified_at proven_at status_told_at status_proven_at associated_at ended_at routes_removed_at settled_at".split()
)
KEPT = ("BooleanField", "CharField", "TextField", "DateTimeField")


def rows() -> list[str]:
    """Return each row of each table that workflows write, as text."""
    return sorted(text for model in _tables() for text in _rows_of(model))


def _tables() -> tuple[type[models.Model], ...]:
    from accounts.models.people import Customer
    from domains.models.domains import Domain
    from notifications.models.webhooks import Delivery
    from operations.models import (
        BatchItem,
        DomainRemoval,
        LegacyImport,
        LegacyImportRow,
        Migration,
        MigrationItem,
        MigrationStep,
    )
    from receipt_rules.models.addresses import Address, CatchAll
    from receipt_rules.models.endpoints import Endpoint
    from receipt_rules.models.runs import PendingChange, Run
    from tenants.models.tenants import Tenant, TenantResource

    domains = (Customer, Domain, DomainRemoval, Address, CatchAll, Endpoint, PendingChange, Run)
    tenants = (Tenant, TenantResource, Migration, MigrationItem, MigrationStep)
    return (*domains, *tenants, BatchItem, LegacyImport, LegacyImportRow, Delivery)


def _rows_of(model: type[models.Model]) -> Iterator[str]:
    columns = [each for each in model._meta.concrete_fields if _is_kept(each)]
    for row in model._default_manager.all():
        values = {each.name: _value(getattr(row, each.attname)) for each in columns}
        yield f"{model.__name__} {values}"


def _is_kept(field: Any) -> bool:
    kind = field.get_internal_type()
    return kind in KEPT and field.name not in OF_THE_RUN and (kind != "DateTimeField" or field.name in MOMENTS)


def _value(value: Any) -> Any:
    if hasattr(value, "year"):
        return True
    return plain(value) if isinstance(value, str) else value


def plain(text: str) -> str:
    """Remove what differs in each run."""
    return ID.sub("ID", text)


def changes() -> list[str]:
    """Return each entry of the change log once. Raises AssertionError if a request was logged twice."""
    from audit.models import Change

    lines = []
    for change in Change.objects.all():
        assert len(set(change.aws_request_ids)) == len(change.aws_request_ids)
        lines.append(plain(f"{change.what} {change.object_name} by {change.actor_kind}"))
    return sorted(lines)


def amazon() -> list[str]:
    """Read AWS's state directly, by calls that no fault hits."""
    from inbound_admin.lib import aws
    from tests.domains.factories import identity_at_ses
    from tests.faults.test_tenants import tenants_in_ses
    from tests.receipt_rules.factories import live

    client = aws.client("sesv2")
    names = sorted(row["IdentityName"] for row in client.list_email_identities()["EmailIdentities"])
    identities = [f"identity {name}: {plain(str(identity_at_ses(name)))}" for name in names]
    sets = [f"set {plain(name)}" for name in client.list_configuration_sets()["ConfigurationSets"]]
    rules = [f"rule {rule}" for rule in live().rules]
    return sorted(map(plain, [*identities, *sets, *rules, *map(str, tenants_in_ses())]))


def empty_tables() -> None:
    """Delete every row except those that `migrate` wrote."""
    kept = ("django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name not in kept]
        names = ", ".join(map(connection.ops.quote_name, tables))
        cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
