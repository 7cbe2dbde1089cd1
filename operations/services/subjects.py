from changes.services import Subject
from operations.models import Difference, Migration


def migration_subject(migration: Migration) -> Subject:
    """What the change log calls a migration."""
    return Subject("migration", migration.pk, str(migration))


def difference_subject(difference: Difference) -> Subject:
    return Subject("difference", difference.pk, difference.subject[:254], difference.customer_id or "")
