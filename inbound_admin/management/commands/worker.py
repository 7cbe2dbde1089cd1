"""`manage.py worker`: does what is queued, with places of its own for the lanes that must not wait for the others.

It is one process that holds several of Procrastinate's workers. `manage.py procrastinate worker` does the same work in
the same order, but an urgent job then waits until one that runs is over.

With `--lanes` it does the work of those lanes alone, so that urgent work can have a process of its own, which a large
job of another lane cannot take down. All four lanes together must be served by the workers that run.
"""

import argparse
import asyncio
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from inbound_admin.lib import jobs
from inbound_admin.lib.lanes import WorkLane

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Places:
    """So many jobs at once, of these lanes alone (none named: all); how often it looks for what it was not told of."""

    name: str
    lanes: tuple[WorkLane, ...]
    jobs: int
    looks_every: float = 1.0  # seconds


TAKES_UP_EVERY = 5.0  # seconds
SPARE_THREADS = 2  # of names that are looked up, and the like
RESERVED = (
    Places("urgent", (WorkLane.URGENT,), 2),
    Places("people", (WorkLane.URGENT, WorkLane.PEOPLE), 2),
    Places("looks", (WorkLane.LOOKS,), 1),
)


class LanesJobManager(JobManager):
    """Two workers may take a job of the same lock at the same moment; Procrastinate's ends over that, ours asks again.

    It happens where jobs of one lock have several priorities: each worker sees another one as the first.
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
        assert isinstance(app.connector, DjangoConnector)  # noqa: S101 - the Django app has no other  # nosec B101
        places = places_of([lane for lane in WorkLane if lane.queue in options["lanes"]])
        with app.replace_connector(app.connector.get_worker_connector()) as replaced:
            replaced.job_manager = LanesJobManager(replaced.connector)
            ended = asyncio.run(_run(replaced, places, options["name"], options["shutdown_graceful_timeout"]))
        if ended:
            raise CommandError(f"The worker part for {', '.join(ended)} ended unexpectedly, so the worker stops.")


def places_of(lanes: Sequence[WorkLane] = ()) -> tuple[Places, ...]:
    """Of a worker for these lanes, none named for all: the places reserved for one of them, and those for any."""
    served = tuple(lanes) or tuple(WorkLane)
    reserved = [
        replace(each, lanes=tuple(lane for lane in each.lanes if lane in served))
        for each in RESERVED
        if each.lanes[-1] in served  # the lane that the places are for; those before it may use them
    ]
    return (*reserved, Places("any", tuple(lanes), settings.WORKER_JOBS, looks_every=5.0))


def threads_of(places: Sequence[Places]) -> int:
    """One for each job, so that a free place can begin one: by default there are four more than cores, for all."""
    return sum(each.jobs for each in places) + SPARE_THREADS


async def _run(app: App, places: Sequence[Places], name: str, grace: float | None) -> list[str]:
    """Until a signal: then the list is empty. A part that ends earlier is named, and takes the others along."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(threads_of(places), thread_name_prefix="job"))
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
            log.error("a part of the worker failed", problem=repr(outcome))
    return sorted(part.get_name() for part in over if part is not waits)


async def _take_up_soon(app: App) -> None:
    """What was urgent and begun by a worker that died, a pause above all, does not wait for the clock's minute."""
    while True:
        await asyncio.sleep(TAKES_UP_EVERY)
        try:
            found = await app.connector.execute_query_all_async(jobs.TAKE_UP, **jobs.TAKE_UP_SOON)
        except ConnectorException as problem:  # the parts end over it, or the database is back next time
            log.warning("couldn't check for jobs of dead workers", problem=repr(problem))
            continue
        if found:
            log.warning(
                "jobs of a dead worker were taken up", jobs=[f"{each['task_name']} {each['id']}" for each in found]
            )


async def _part(app: App, places: Places, name: str, grace: float | None) -> None:
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
