"""Reads from SES what concerns all customers of a migration: other tenants' identities, and those below domains."""

from datetime import timedelta

from django.utils import timezone

from domains.identity import services as identity_services
from domains.models.domains import Domain
from operations.models import UNFINISHED, Migration, MigrationItem, MigrationState
from operations.tenant_migration.core import Chosen
from tenants.inventory.services import identities_in_tenants, tenants_in_ses

LIST_LASTS = timedelta(hours=1)  # then SES's identities are listed again, one call for each thousand


def read_tenants(migration: Migration) -> None:
    """Read which tenant has each identity in one list, if that needs fewer calls. Raises AwsProblem."""
    if migration.taken is not None or migration.chosen == Chosen.CUSTOMER or migration.state != MigrationState.RUNNING:
        return
    customers = MigrationItem.objects.filter(migration=migration, state__in=UNFINISHED).values("customer")
    identities = Domain.objects.filter(customer__in=customers, region=migration.region).count()
    there = tenants_in_ses()
    if len(there) >= identities:
        return
    migration.taken = identities_in_tenants(there)
    Migration.objects.filter(pk=migration.pk).update(taken=migration.taken)


def taken_of(item: MigrationItem) -> dict[str, str] | None:
    """Return the list of other tenants' identities, None if it wasn't read, or is older than this attempt."""
    taken: dict[str, str] | None = item.migration.taken
    return None if item.is_retried else taken


def is_listed(migration: Migration) -> bool:
    at = migration.identities_read_at
    return at is not None and at > timezone.now() - LIST_LASTS


def read_identities(migration: Migration) -> None:
    """List SES's identities, for all customers who are migrated within the hour. Raises AwsProblem."""
    if not is_listed(migration):
        began = timezone.now()
        identity_services.read_sub_identities()
        migration.identities_read_at = began
        Migration.objects.filter(pk=migration.pk).update(identities_read_at=began)
