"""Queues jobs for the worker: in the transaction that makes them necessary, and once however often they are requested.

Each job goes into the queue of its lane (`lib.lanes`), with the lane's priority. It does not use Procrastinate's own
`queueing_lock`: a job to be retried while another of its kind waits would violate it, and stay "running" for ever.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.tasks import Task

from inbound_admin.lib import bulk, lanes
from inbound_admin.lib.errors import AwsProblem
from inbound_admin.lib.lanes import WorkLane

BEHIND_ALL = (True, 2**63)
WORKER_SILENT_AFTER = timedelta(seconds=60)  # after it, a worker doesn't count as alive
HEARTBEAT_SECONDS = 5.0
SILENT_AFTER_SECONDS = 30  # six heartbeats of a worker
SOON_SILENT_AFTER_SECONDS = 15  # three, for `lanes.TAKEN_UP_SOON`
SECONDS_OF_A_CALL = 1.0  # without a rate limit
# After it, staff and health checks are notified. Bulk work may take hours.
LATE_AFTER = {WorkLane.URGENT: 30, WorkLane.PEOPLE: 300, WorkLane.LOOKS: 1800}  # seconds
LONGEST_WAIT_SECONDS = 600
BULK_ID = "bulk_id"  # of a job's arguments
OLDEST = """
    SELECT first.queue_name, EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(job.scheduled_at, asked.at))
    FROM (
        SELECT queue_name, min(id) AS id FROM procrastinate_jobs
        WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp()) GROUP BY queue_name
    ) AS first
    JOIN procrastinate_jobs AS job ON job.id = first.id
    LEFT JOIN LATERAL (SELECT min(at) AS at FROM procrastinate_events WHERE job_id = job.id) AS asked ON true
"""
WAITING = """
    SELECT queue_name, task_name, status = 'doing', min(id), count(*) FROM procrastinate_jobs
    WHERE status = 'doing' OR (status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp()))
    GROUP BY 1, 2, 3
"""
# One statement, so that each job is taken up once, however many look. A job by the clock fails where the next waits,
# which does the same.
TAKE_UP = """
    UPDATE procrastinate_jobs AS job SET attempts = attempts + 1, scheduled_at = now(), status = CASE
        WHEN queueing_lock IS NOT NULL AND EXISTS (
            SELECT FROM procrastinate_jobs AS next WHERE next.queueing_lock = job.queueing_lock AND next.status = 'todo'
        ) THEN 'failed'::procrastinate_job_status ELSE 'todo'::procrastinate_job_status END
    WHERE id IN (
        SELECT stalled.id FROM procrastinate_jobs AS stalled
        WHERE stalled.status = 'doing' AND (%(tasks)s::varchar[] IS NULL OR stalled.task_name = ANY(%(tasks)s))
            AND NOT EXISTS (
                SELECT FROM procrastinate_workers AS worker WHERE worker.id = stalled.worker_id
                    AND worker.last_heartbeat >= now() - %(seconds)s * interval '1 second'
            )
        FOR UPDATE SKIP LOCKED
    ) AND status = 'doing'
    RETURNING id, task_name
"""
TAKE_UP_SOON: dict[str, Any] = {"tasks": sorted(lanes.TAKEN_UP_SOON), "seconds": SOON_SILENT_AFTER_SECONDS}

# Others may lock the row the same way, and change its time, lane and arguments: only a worker's FOR UPDATE is excluded.
KEEP_WAITING = """
    SELECT FROM procrastinate_jobs WHERE task_name = %(task)s AND lock = %(lock)s AND status = 'todo'
    LIMIT 1 FOR KEY SHARE SKIP LOCKED
"""

# Inside the worker the app's own connector has other connections, which know nothing of Django's open transaction.
IN_TRANSACTION = JobManager(DjangoConnector())

P = ParamSpec("P")
R = TypeVar("R")


class RetryOn(BaseRetryStrategy):
    """Retry after the given errors without a limit. An outage may take hours, and giving up would only hide it."""

    def __init__(self, *errors: type[BaseException], longest_wait_seconds: int = LONGEST_WAIT_SECONDS) -> None:
        self._errors, self._longest = errors, longest_wait_seconds

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, self._errors):
            return None
        return RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 10), self._longest)})


class OrDatabaseDown(BaseRetryStrategy):
    """Apply the task's own strategy, and also retry if the database was down, since an interrupted job isn't done."""

    def __init__(self, own: BaseRetryStrategy | None) -> None:
        self._rules = (*([own] if own else []), RetryOn(OperationalError, InterfaceError))

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        found = (rule.get_retry_decision(exception=exception, job=job) for rule in self._rules)
        return next((each for each in found if each), None)


class RetryUntilAwsAnswers(RetryOn):
    """Retry until SES answers. Meanwhile, the page shows why it waits."""

    def __init__(self, longest_wait_seconds: int = LONGEST_WAIT_SECONDS) -> None:
        super().__init__(AwsProblem, longest_wait_seconds=longest_wait_seconds)


def task(name: str, *, retry: BaseRetryStrategy | None = None) -> Callable[[Callable[P, R]], "Task[P, R, P]"]:
    """Declare a task in its lane. Jobs queued by a bulk action have its ID in the argument BULK_ID."""
    lane, rule = lanes.TASKS[name], OrDatabaseDown(retry)

    def declare(function: Callable[P, R]) -> "Task[P, R, P]":
        @wraps(function)
        def of_bulk(*args: P.args, **arguments: P.kwargs) -> R:
            with bulk.within(str(arguments.pop(BULK_ID, bulk.current()))):
                return function(*args, **arguments)

        return app.task(name=name, retry=rule, queue=lane.queue, priority=lane)(of_bulk)

    return declare


def periodic(
    name: str, *, cron: str, retry: BaseRetryStrategy | bool = False
) -> Callable[[Callable[P, R]], "Task[P, R, P]"]:
    """Declare a scheduled task. It never runs concurrently and is never queued twice."""
    lane = lanes.TASKS[name]

    def declare(function: Callable[P, R]) -> "Task[P, R, P]":
        declared: Any = app.task(
            name=name, retry=retry, queue=lane.queue, priority=lane, lock=name, queueing_lock=name
        )(function)
        app.periodic(cron=cron)(declared)
        return cast("Task[P, R, P]", declared)

    return declare


def queue(
    task: str,
    *,
    lock: str,
    in_seconds: int = 0,
    unless_running: bool = False,
    lane: WorkLane | None = None,
    **arguments: str,
) -> None:
    """Queue a job of the task, unless one with this lock waits already. One job of a lock runs at a time.

    `unless_running` is for repairs, which a running job does too; a person's new request needs the next job. A waiting
    job is moved up to a higher lane for people and urgent work: a sweep that finds a thousand setups of a bulk import
    leaves them in the background. `lane` overrides the table of `lib.lanes`.
    """
    lane = lanes.lane_of(task) if lane is None else lane
    if not in_seconds and not unless_running:
        _bring_forward(lock)
    if lane >= WorkLane.PEOPLE:
        _move_up(task, lock, lane)
    if arguments and not unless_running:
        _note_bulk(task, lock)
    if _is_queued_or_running(task, lock) if unless_running else _keep_waiting(task, lock):
        return
    if arguments and bulk.current():  # about one object: a job about many may do what others asked for
        arguments[BULK_ID] = bulk.current()
    later = {"seconds": in_seconds} if in_seconds else None
    asked = app.configure_task(task, lock=lock, schedule_in=later, queue=lane.queue, priority=lane)
    IN_TRANSACTION.defer_job(asked.make_new_job(**arguments))


def _is_queued_or_running(task: str, lock: str) -> bool:
    return ProcrastinateJob.objects.filter(task_name=task, lock=lock, status__in=("todo", "doing")).exists()


def _keep_waiting(task: str, lock: str) -> bool:
    """Keep a waiting job from starting until this transaction ends, and return whether there is one.

    A job that starts earlier doesn't see what the transaction stores. One that a worker is starting right now is
    passed over, so another is queued. Workers pass over the locked row too, so nobody waits.
    """
    with connection.cursor() as cursor:
        cursor.execute(KEEP_WAITING, {"task": task, "lock": lock})
        return cursor.fetchone() is not None


def _note_bulk(task: str, lock: str) -> None:
    """Set the bulk ID of a queued job to that of the newest request."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET args = CASE WHEN %s = '' THEN args - %s"
            " ELSE args || jsonb_build_object(%s::text, %s::text) END"
            " WHERE lock = %s AND task_name = %s AND status = 'todo' AND COALESCE(args ->> %s, '') <> %s",
            [bulk.current(), BULK_ID, BULK_ID, bulk.current(), lock, task, BULK_ID, bulk.current()],
        )


def _bring_forward(lock: str) -> None:
    """Run a scheduled job now, because it blocks all later jobs of its lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE lock = %s AND status = 'todo'"
            " AND scheduled_at > clock_timestamp()",
            [lock],
        )


def _move_up(task: str, lock: str, lane: WorkLane) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET queue_name = %s, priority = %s WHERE lock = %s AND task_name = %s"
            " AND status = 'todo' AND priority < %s",
            [lane.queue, lane, lock, task, lane],
        )


def is_waited_for(lock: str, *, above: WorkLane | None = None) -> bool:
    """Whether another job waits for the lock, if named in a higher lane."""
    of_lock = ProcrastinateJob.objects.filter(lock=lock)
    waiting = of_lock.filter(status="todo").exclude(scheduled_at__gt=timezone.now())
    if above is not None:
        waiting = waiting.filter(priority__gt=above)
    return waiting.exists() and of_lock.filter(status="doing").exists()


def next_attempt(lock: str) -> datetime | None:
    """Return when the next job of the lock is due; None if none waits for a later time."""
    waiting = ProcrastinateJob.objects.filter(lock=lock, status="todo", scheduled_at__gt=timezone.now())
    return waiting.order_by("scheduled_at").values_list("scheduled_at", flat=True).first()


def oldest_waiting() -> dict[WorkLane, float]:
    """Return the age in seconds of the oldest due job in each lane; 0 if none."""
    ages = dict.fromkeys(sorted(WorkLane, reverse=True), 0.0)
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        for queue_name, age in cursor.fetchall():
            lane = lanes.lane_of_queue(queue_name)
            ages[lane] = max(ages[lane], float(age or 0))
    return ages


def late_lanes() -> dict[WorkLane, int]:
    """Return the lanes whose oldest job has waited too long, with the seconds."""
    return {lane: round(age) for lane, age in oldest_waiting().items() if lane in LATE_AFTER and age > LATE_AFTER[lane]}


def seconds_left(*, task: str, calls: int) -> int:
    """Return seconds until this task's job has made so many more calls, with all other queued work."""
    if calls <= 0:
        return 0
    own, others, ahead = lanes.TASKS[task], dict.fromkeys(WorkLane, 0), 0
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        rows = cursor.fetchall()
    first = min(((not doing, job_id) for _, name, doing, job_id, _ in rows if name == task), default=BEHIND_ALL)
    for queue_name, name, doing, job_id, number in rows:
        lane = lanes.lane_of_queue(queue_name)
        if name == task:
            continue
        # A long job's remaining calls are unknown: assume as many as ours.
        found = (calls if name in lanes.LONG and doing else lanes.calls_of(name)) * number
        others[lane] += found
        ahead += found if lane is own and (not doing, job_id) < first else 0
    others[own] -= ahead
    turns = ahead + lanes.turns_needed(calls, own, others, settings.WORKER_JOBS)
    pace = settings.AWS_CALLS_PER_SECOND
    return round(turns * (1 / pace if pace > 0 else SECONDS_OF_A_CALL))


def worker_silent_for() -> timedelta | None:
    """Return the time since the last heartbeat of any worker, or None if none has started."""
    last = ProcrastinateWorker.objects.order_by("-last_heartbeat").values_list("last_heartbeat", flat=True).first()
    return None if last is None else timezone.now() - last


def recover_stalled() -> int:
    """Requeue jobs of workers without a heartbeat and return how many."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_UP, {"tasks": None, "seconds": SILENT_AFTER_SECONDS})
        return len(cursor.fetchall())
