"""Queues jobs for the worker: in the transaction that makes them necessary, and once however often they are requested.

It does not use Procrastinate's own `queueing_lock`: a job to be retried while another of its kind waits would violate
it, and stay "running" for ever.
"""

from datetime import timedelta

from asgiref.sync import async_to_sync
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker
from procrastinate.jobs import Status

WORKER_SILENT_AFTER = timedelta(seconds=60)  # then a worker is not called alive
SILENT_AFTER_SECONDS = 30  # three heartbeats of a worker


def queue(task: str, *, lock: str, in_seconds: int = 0, unless_running: bool = False, **arguments: str) -> None:
    """Queue the task named, unless one waits already; of one lock one job runs at a time.

    `unless_running` is for what repairs: a job that runs will do it. A person's new wish must wait for the next one.
    """
    states = ("todo", "doing") if unless_running else ("todo",)
    if not in_seconds and not unless_running:
        _bring_forward(lock)
    if ProcrastinateJob.objects.filter(task_name=task, lock=lock, status__in=states).exists():
        return
    later = {"seconds": in_seconds} if in_seconds else None
    app.configure_task(task, lock=lock, schedule_in=later).defer(**arguments)


def _bring_forward(lock: str) -> None:
    """A job that waits for its time holds back all later ones of its lock: when something new is asked, it goes now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE lock = %s AND status = 'todo'"
            " AND scheduled_at > clock_timestamp()",
            [lock],
        )


def worker_silent_for() -> timedelta | None:
    """Since the last sign of life of any worker; None: none has ever started."""
    last = ProcrastinateWorker.objects.order_by("-last_heartbeat").values_list("last_heartbeat", flat=True).first()
    return None if last is None else timezone.now() - last


def recover_stalled() -> int:
    """Jobs whose worker gives no sign of life are done again, since nobody else frees their locks; how many."""
    stalled = list(async_to_sync(app.job_manager.get_stalled_jobs)(seconds_since_heartbeat=SILENT_AFTER_SECONDS))
    for job in stalled:
        waiting = ProcrastinateJob.objects.filter(status="todo", queueing_lock=job.queueing_lock)
        if job.queueing_lock and waiting.exists():  # a periodic one: the next does the same
            async_to_sync(app.job_manager.finish_job)(job, status=Status.FAILED, delete_job=False)
        else:
            async_to_sync(app.job_manager.retry_job)(job, retry_at=timezone.now())
    return len(stalled)
