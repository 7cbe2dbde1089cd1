"""Runs the worker in this process: all due jobs, one after the other, and simulated minutes.

Jobs are fetched, finished and rescheduled by Procrastinate's own queries and each task's own retry rule.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import time_machine
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from inbound_admin.lib import jobs, lanes

MINUTES = (2, 5, 40, 160)  # minutes after which everything automatic must have continued
SWEEPS = ("operations.sweep", "domains.sweep", "receipt_rules.sweep")


def work() -> None:
    """Run until no job is due. Scheduled tasks are left to `settle`, so each run makes the same calls."""
    _make_due()
    manager = jobs.IN_TRANSACTION
    worker = async_to_sync(manager.register_worker)()
    while job := async_to_sync(manager.fetch_job)(None, worker):
        _carry_out(manager, job)


def _carry_out(manager: JobManager, job: Job) -> None:
    """Run a job. A lost database ends the process, as it ends the worker."""
    task = app.tasks[job.task_name]
    given: Any = job.task_kwargs
    arguments = json.loads(given) if isinstance(given, str) else given  # as returned by Django's connection
    try:
        with lanes.within(lanes.lane_of_queue(job.queue)):
            task.func(**arguments)
    except (AssertionError, OperationalError):  # AssertionError: a page was wrong
        raise
    except Exception as problem:  # noqa: BLE001  # as Procrastinate's worker takes it
        again = task.get_retry_exception(exception=problem, job=job)
        if again:
            async_to_sync(manager.retry_job)(job, retry_at=again.retry_decision.retry_at)
        else:
            async_to_sync(manager.finish_job)(job, status=Status.FAILED, delete_job=False)
    else:
        async_to_sync(manager.finish_job)(job, status=Status.SUCCEEDED, delete_job=False)


def settle(is_over: Callable[[], bool]) -> None:
    """Simulate minutes: dead workers are detected, sweeps queue unfinished work, retries become due."""
    now = timezone.now()
    for minutes in MINUTES:
        with time_machine.travel(now + timedelta(minutes=minutes), tick=True):
            _pass_a_minute()
            work()
            if is_over() and not ProcrastinateJob.objects.filter(status__in=("todo", "doing")).exists():
                return


def _pass_a_minute() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    jobs.recover_stalled()
    for name in SWEEPS:
        app.tasks[name].func(timestamp=0)


def _make_due() -> None:
    """Make jobs due that are scheduled within minutes."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")


def failed_jobs() -> list[str]:
    """Return failed jobs, which nobody retries: an unexpected error."""
    return list(ProcrastinateJob.objects.filter(status="failed").values_list("task_name", flat=True))
