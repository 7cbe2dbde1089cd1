"""Work for the worker on what spans the apps. The jobs name nothing: what is to be done stands in the rows."""

from audit.services import Subject
from inbound_admin.lib import jobs
from operations.models import Batch, Difference, Migration, MovingIn

MIGRATE = "operations.migrate"
LOOK = "operations.look"
REMOVE = "operations.remove"
MOVE_IN = "operations.move_in"
BATCHES = "operations.bulk"
URGENT_BATCHES = "operations.urgent_bulk"
BATCHES_LOCK = "bulk"
URGENT_BATCHES_LOCK = "urgent bulk"
MIGRATE_LOCK = "migrations"
LOOK_LOCK = "drift"
REMOVE_LOCK = "removals"
MOVE_IN_LOCK = "legacy-import"


def migrate_soon(*, in_seconds: int = 0, unless_running: bool = False) -> None:
    jobs.queue(MIGRATE, lock=MIGRATE_LOCK, in_seconds=in_seconds, unless_running=unless_running)


def look_soon() -> None:
    """For differences, and carry out what was decided over them. A job that waits already will see them."""
    jobs.queue(LOOK, lock=LOOK_LOCK, unless_running=True)


def remove_soon(*, in_seconds: int = 0, unless_running: bool = False) -> None:
    jobs.queue(REMOVE, lock=REMOVE_LOCK, in_seconds=in_seconds, unless_running=unless_running)


def move_in_soon(*, unless_running: bool = False) -> None:
    jobs.queue(MOVE_IN, lock=MOVE_IN_LOCK, unless_running=unless_running)


def batches_soon(*, unless_running: bool = False) -> None:
    jobs.queue(BATCHES, lock=BATCHES_LOCK, unless_running=unless_running)


def urgent_batches_soon(*, unless_running: bool = False) -> None:
    jobs.queue(URGENT_BATCHES, lock=URGENT_BATCHES_LOCK, unless_running=unless_running)


def migration_subject(migration: Migration) -> Subject:
    """What the change log calls a migration."""
    return Subject("migration", migration.pk, str(migration))


def difference_subject(difference: Difference) -> Subject:
    return Subject("difference", difference.pk, difference.subject[:254], difference.customer_id or "")


def batch_subject(batch: Batch) -> Subject:
    return Subject("bulk", batch.pk, str(batch))


def moving_in_subject(moving_in: MovingIn) -> Subject:
    return Subject("moving_in", moving_in.pk, moving_in.name)
