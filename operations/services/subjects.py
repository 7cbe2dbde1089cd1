from changes.services import Subject
from operations.models import Difference, Migration, MovingIn


def migration_subject(migration: Migration) -> Subject:
    """What the change log calls a migration."""
    return Subject("migration", migration.pk, str(migration))


def difference_subject(difference: Difference) -> Subject:
    return Subject("difference", difference.pk, difference.subject[:254], difference.customer_id or "")


def moving_in_subject(moving_in: MovingIn) -> Subject:
    return Subject("moving_in", moving_in.pk, moving_in.name)
