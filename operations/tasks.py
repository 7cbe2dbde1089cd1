"""Tasks of the worker that span several apps."""

from contextlib import ExitStack
from functools import partial

from django.utils import timezone

from inbound_admin.lib import jobs, lanes
from inbound_admin.lib.lanes import WorkLane
from operations.alerts import services as alerts_services
from operations.batches import services as batches_services
from operations.domain_removal import services as domain_removal_services
from operations.drift import services as drift_services
from operations.identity_drift import services as identity_drift_services
from operations.jobs import BATCHES, DRIFT_CHECK, LEGACY_IMPORT, MIGRATE, REMOVE, URGENT_BATCHES, queue_removals
from operations.legacy_import import services as legacy_import_services
from operations.migration_steps import services as migration_steps_services
from operations.reconciler import services as reconciler_services
from operations.tenant_drift import services as tenant_drift_services

RECHECK_SECONDS = 5


@jobs.task(MIGRATE, retry=jobs.RetryUntilAwsAnswers())
def migrate() -> None:
    migration_steps_services.work()


@jobs.task(DRIFT_CHECK, retry=jobs.RetryUntilAwsAnswers())
def check_drift() -> None:
    with ExitStack() as both:  # if one raises, the other is still done
        both.callback(identity_drift_services.work)
        both.callback(tenant_drift_services.work)


@jobs.task(BATCHES, retry=jobs.RetryUntilAwsAnswers())
def work_on_batches() -> None:
    batches_services.work()


@jobs.task(URGENT_BATCHES, retry=jobs.RetryUntilAwsAnswers())
def work_on_urgent_batches() -> None:
    batches_services.work_urgent()


@jobs.task(REMOVE, retry=jobs.RetryUntilAwsAnswers())
def remove() -> None:
    if not domain_removal_services.work():
        queue_removals(in_seconds=RECHECK_SECONDS)


@jobs.task(LEGACY_IMPORT, retry=jobs.RetryUntilAwsAnswers())
def legacy_import() -> None:
    legacy_import_services.work()


@jobs.periodic("operations.sweep", cron="* * * * *")
def sweep(timestamp: int) -> None:
    """Every minute, queue unfinished work. Each kind has a lock, so nothing runs twice at the same time."""
    with ExitStack() as every:  # if one raises, the others are still done
        every.callback(tenant_drift_services.queue_if_unlisted)
        every.callback(drift_services.import_rule_drift)
        every.callback(partial(reconciler_services.queue_unfinished, now=timezone.now()))


@jobs.periodic("operations.look_each_night", cron="47 1 * * *")
def check_drift_nightly(timestamp: int) -> None:
    """Every night, check whether tenants, identities and rules in SES match our rows.

    This may take hours, so it runs in the background lane.
    """
    with lanes.within(WorkLane.BACKGROUND):
        drift_services.request_check()


@jobs.periodic("operations.watch", cron="*/5 * * * *")
def watch(timestamp: int) -> None:
    """Every five minutes, check whether SES answers and whether drift waits for a decision."""
    alerts_services.watch(now=timezone.now())
