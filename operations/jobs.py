"""Queues the jobs of this app. A job has no arguments: the worker reads what to do from the rows."""

from audit.services import Subject
from inbound_admin.lib import jobs
from operations.models import Batch, Difference, LegacyImport, Migration

MIGRATE = "operations.migrate"
DRIFT_CHECK = "operations.look"
REMOVE = "operations.remove"
LEGACY_IMPORT = "operations.move_in"
BATCHES = "operations.bulk"
URGENT_BATCHES = "operations.urgent_bulk"
BATCHES_LOCK = "bulk"
URGENT_BATCHES_LOCK = "urgent bulk"
MIGRATE_LOCK = "migrations"
DRIFT_CHECK_LOCK = "drift"
REMOVE_LOCK = "removals"
LEGACY_IMPORT_LOCK = "legacy-import"


def queue_migrations(*, in_seconds: int = 0, unless_running: bool = False) -> None:
    jobs.queue(MIGRATE, lock=MIGRATE_LOCK, in_seconds=in_seconds, unless_running=unless_running)


def queue_drift_check() -> None:
    """Check for drift and apply decisions. A job that is already queued will see them."""
    jobs.queue(DRIFT_CHECK, lock=DRIFT_CHECK_LOCK, unless_running=True)


def queue_removals(*, in_seconds: int = 0, unless_running: bool = False) -> None:
    jobs.queue(REMOVE, lock=REMOVE_LOCK, in_seconds=in_seconds, unless_running=unless_running)


def queue_legacy_import(*, unless_running: bool = False) -> None:
    jobs.queue(LEGACY_IMPORT, lock=LEGACY_IMPORT_LOCK, unless_running=unless_running)


def queue_batches(*, unless_running: bool = False) -> None:
    jobs.queue(BATCHES, lock=BATCHES_LOCK, unless_running=unless_running)


def queue_urgent_batches(*, unless_running: bool = False) -> None:
    jobs.queue(URGENT_BATCHES, lock=URGENT_BATCHES_LOCK, unless_running=unless_running)


def migration_subject(migration: Migration) -> Subject:
    """Return the change log's subject for a migration."""
    return Subject("migration", migration.pk, str(migration))


def difference_subject(difference: Difference) -> Subject:
    return Subject("difference", difference.pk, difference.subject[:254], difference.customer_id or "")


def batch_subject(batch: Batch) -> Subject:
    return Subject("bulk", batch.pk, str(batch))


def legacy_import_subject(legacy_import: LegacyImport) -> Subject:
    return Subject("moving_in", legacy_import.pk, legacy_import.name)
