"""Work for the worker, queued in the transaction that makes it necessary. Named by string: tasks stand above us."""

from asgiref.sync import async_to_sync
from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from domains.models import Domain

SET_UP = "domains.set_up"
DELETE = "domains.delete"
CONFIGURE = "domains.configure"
CHECK_DUE = "domains.check_due"


def set_up_soon(domain: Domain) -> None:
    _queue(SET_UP, key=domain.id, domain_id=domain.id)


def set_up_later(domain: Domain, *, seconds: int) -> None:
    _queue(SET_UP, key=domain.id, in_seconds=seconds, domain_id=domain.id)


def configure_soon(domain: Domain) -> None:
    _queue(CONFIGURE, key=domain.id, domain_id=domain.id)


def delete_soon(domain: Domain) -> None:
    _queue(DELETE, key=domain.id, domain_id=domain.id)


def check_soon() -> None:
    """One look at all that is due."""
    _queue(CHECK_DUE, key="all")


def take_up_stalled() -> int:
    """Jobs whose worker died go back into the queue, since nobody else frees them or their domain; how many."""
    stalled = list(async_to_sync(app.job_manager.get_stalled_jobs)())
    for job in stalled:
        async_to_sync(app.job_manager.retry_job)(job)
    return len(stalled)


def _queue(task: str, *, key: str, in_seconds: int = 0, **arguments: str) -> None:
    """At most one such job waits, and at most one of a domain runs: asking twice is asking once."""
    later = {"seconds": in_seconds} if in_seconds else None
    job = app.configure_task(task, queueing_lock=f"{task} {key}", lock=f"domain {key}", schedule_in=later)
    try:
        with transaction.atomic():
            job.defer(**arguments)
    except AlreadyEnqueued:
        return
