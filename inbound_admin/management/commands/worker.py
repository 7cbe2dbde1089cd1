"""`manage.py worker`: runs queued jobs, with reserved slots for lanes that must not wait for others.

It is one process with several Procrastinate workers. `manage.py procrastinate worker` does the same work in the same
order, but then an urgent job waits until a running one has finished.

With `--lanes` it runs only jobs of those lanes, so urgent work can have a process of its own, which a large job of
another lane cannot take down. The running workers must serve all four lanes together.
"""

import argparse
import asyncio
import gc
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from inbound_admin.lib import aws, jobs
from inbound_admin.lib.database import first_line, missing_migrations
from inbound_admin.lib.errors import AwsProblem
from inbound_admin.lib.lanes import WorkLane

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Slots:
    """A number of concurrent jobs, only of these lanes (none: all), and the interval of polling."""

    name: str
    lanes: tuple[WorkLane, ...]
    jobs: int
    looks_every: float = 1.0  # seconds


TAKES_UP_EVERY = 5.0  # seconds
SPARE_THREADS = 2  # for name resolution and the like
RESERVED = (
    Slots("urgent", (WorkLane.URGENT,), 2),
    Slots("people", (WorkLane.URGENT, WorkLane.PEOPLE), 2),
    Slots("looks", (WorkLane.LOOKS,), 1),
)


class LanesJobManager(JobManager):
    """Fetch again if two workers took a job of one lock at the same moment; Procrastinate's own manager would stop.

    This happens if jobs of one lock have several priorities, since each worker sees another one as the first.
    """

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        try:
            return await super().fetch_job(queues, worker_id)
        except UniqueViolation:
            log.info("another worker was first", queues=queues)
            return None


class Command(BaseCommand):
    help = "Run queued jobs: urgent, interactive and background lanes, each with reserved slots."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default="worker", help="Name shown in the log.")
        parser.add_argument(
            "--shutdown-graceful-timeout",
            type=float,
            default=None,
            help="Seconds to wait for running jobs before stopping.",
        )
        parser.add_argument(
            "--lanes",
            nargs="+",
            choices=[lane.queue for lane in WorkLane],
            default=[],
            help="Only work of these lanes; start other workers for the others. Default: all.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_to_start()
        gc.collect()
        gc.freeze()  # of what stays: else half of a customer's change at a large region is spent looking for garbage
        assert isinstance(app.connector, DjangoConnector)  # noqa: S101 - the Django app has no other  # nosec B101
        places = slots_for([lane for lane in WorkLane if lane.queue in options["lanes"]])
        with app.replace_connector(app.connector.get_worker_connector()) as replaced:
            replaced.job_manager = LanesJobManager(replaced.connector)
            ended = asyncio.run(_run(replaced, places, options["name"], options["shutdown_graceful_timeout"]))
        if ended:
            raise CommandError(f"The worker part for {', '.join(ended)} ended unexpectedly, so the worker stops.")


def refuse_to_start() -> None:
    """Raise CommandError where jobs would be taken that this worker can't do, or would end without their work.

    An AWS that doesn't answer is no reason: jobs wait for it.
    """
    try:
        missing = missing_migrations()
        problem = aws.elsewhere() if not missing else ""
    except DatabaseError as error:
        raise CommandError(f"The database doesn't respond. Check DATABASE_URL. {first_line(error)}") from error
    except AwsProblem as unknown:
        log.warning("couldn't check which AWS account this is", problem=unknown.in_full)
        return
    if missing:
        raise CommandError(f"{missing} migrations are not applied. Run manage.py migrate, then start the worker.")
    if problem:
        raise CommandError(
            f"{problem} This worker would do jobs of the database there, so it doesn't start. Correct AWS_REGION or "
            "the credentials, or run manage.py aws_account if the deployment moved."
        )


def slots_for(lanes: Sequence[WorkLane] = ()) -> tuple[Slots, ...]:
    """Return the slots of a worker for these lanes (none: all): those reserved for one lane, and those for any."""
    served = tuple(lanes) or tuple(WorkLane)
    reserved = [
        replace(each, lanes=tuple(lane for lane in each.lanes if lane in served))
        for each in RESERVED
        if each.lanes[-1] in served  # the lane that the slots are for; lanes before it may use them
    ]
    return (*reserved, Slots("any", tuple(lanes), settings.WORKER_JOBS, looks_every=5.0))


def threads_for(places: Sequence[Slots]) -> int:
    """Return one thread for each job, so that a free slot can start one.

    By default, all share four more than the cores.
    """
    return sum(each.jobs for each in places) + SPARE_THREADS


async def _run(app: App, places: Sequence[Slots], name: str, grace: float | None) -> list[str]:
    """Run until a signal, and return an empty list. A part that ends earlier is returned, and ends the others."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(threads_for(places), thread_name_prefix="job"))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with app.open_async():
        parts = {asyncio.create_task(_part(app, each, name, grace), name=each.name) for each in places}
        parts.add(asyncio.create_task(_take_up_soon(app), name="rescue"))
        waits = asyncio.create_task(stopped.wait())
        over, _ = await asyncio.wait({*parts, waits}, return_when=asyncio.FIRST_COMPLETED)
        for each in (*parts, waits):
            each.cancel()
        outcomes = await asyncio.gather(*parts, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            log.error("a part of the worker failed", problem=_cause_of(outcome))
    return sorted(part.get_name() for part in over if part is not waits)


def _cause_of(problem: BaseException) -> str:
    """Return the innermost cause: Procrastinate's own error only says that it is one of the database."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return f"{type(problem).__name__}: {first_line(problem)}"


async def _take_up_soon(app: App) -> None:
    """What was urgent and begun by a worker that died, a pause above all, does not wait for the clock's minute."""
    while True:
        await asyncio.sleep(TAKES_UP_EVERY)
        try:
            found = await app.connector.execute_query_all_async(jobs.TAKE_UP, **jobs.TAKE_UP_SOON)
        except ConnectorException as problem:  # the parts end over it, or the database is back next time
            log.warning("couldn't check for jobs of dead workers", problem=_cause_of(problem))
            continue
        if found:
            log.warning(
                "jobs of a dead worker were taken up", jobs=[f"{each['task_name']} {each['id']}" for each in found]
            )


async def _part(app: App, places: Slots, name: str, grace: float | None) -> None:
    options: dict[str, Any] = {} if grace is None else {"shutdown_graceful_timeout": grace}
    if places.lanes:
        options["queues"] = [lane.queue for lane in places.lanes]
    await app.run_worker_async(
        name=f"{name}-{places.name}",
        concurrency=places.jobs,
        fetch_job_polling_interval=places.looks_every,
        update_heartbeat_interval=jobs.HEARTBEAT_SECONDS,
        install_signal_handlers=False,
        **options,
    )
