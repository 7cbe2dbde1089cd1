"""Lists SES's identities, for all customers of a migration: those below their domains count as well."""

from datetime import timedelta

from django.utils import timezone

from domains.identity import services as identity_services
from operations.models import Migration

LIST_LASTS = timedelta(hours=1)  # then SES's identities are listed again, one call for each thousand


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
