"""`manage.py worker`: the slots that it reserves for each lane, and that one for some lanes does not run others'
jobs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from domains import jobs as domains_jobs
from inbound_admin.lib import jobs
from inbound_admin.lib.lanes import WorkLane
from inbound_admin.management.commands.worker import _cause_of, slots_for, threads_for
from sandbox.process import Sandbox
from tests.browser.worker import running_worker
from tests.domains.factories import make_domain
from tests.factories import make_customer
from tests.soak.test_worker_killed import until

ROOT = Path(__file__).resolve().parents[1]
REST = (WorkLane.BACKGROUND, WorkLane.LOOKS, WorkLane.PEOPLE)


def reserved(*lanes: WorkLane) -> list[tuple[str, tuple[WorkLane, ...]]]:
    return [(each.name, each.lanes) for each in slots_for(lanes)]


def test_urgent_jobs_have_their_own_slot_and_can_use_all_but_the_checks() -> None:
    assert reserved() == [
        ("urgent", (WorkLane.URGENT,)),
        ("people", (WorkLane.URGENT, WorkLane.PEOPLE)),
        ("looks", (WorkLane.LOOKS,)),
        ("any", ()),
    ]


def test_a_worker_for_some_lanes_reserves_no_slot_for_others() -> None:
    assert reserved(WorkLane.URGENT) == [("urgent", (WorkLane.URGENT,)), ("any", (WorkLane.URGENT,))]
    assert reserved(*REST) == [("people", (WorkLane.PEOPLE,)), ("looks", (WorkLane.LOOKS,)), ("any", REST)]


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    params = connection.get_connection_params()
    url = f"postgres://{params['user']}@/{params['dbname']}?host={params['host']}"
    if params.get("port"):
        url += f"&port={params['port']}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker", "--shutdown-graceful-timeout", "2", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "SANDBOX": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def state_of(task: str) -> str:
    return str(ProcrastinateJob.objects.get(task_name=task).status)


@pytest.mark.django_db(transaction=True)
def test_a_worker_for_urgent_jobs_leaves_background_jobs_to_others() -> None:
    jobs.queue("operations.migrate", lock="migrate")
    jobs.queue("operations.urgent_bulk", lock="urgent")
    with running("--lanes", "urgent") as worker:
        ends = time.monotonic() + 30
        while state_of("operations.urgent_bulk") == "todo" and worker.poll() is None and time.monotonic() < ends:
            time.sleep(0.2)
        worker.terminate()
        assert worker.wait(timeout=20) == 0
    assert state_of("operations.urgent_bulk") == "succeeded"
    assert state_of("operations.migrate") == "todo"


def test_each_slot_has_a_thread() -> None:
    places = slots_for()
    assert threads_for(places) >= sum(each.jobs for each in places)


@pytest.mark.django_db(transaction=True)
def test_an_urgent_job_starts_while_all_other_slots_wait_for_ses(sandbox: Sandbox) -> None:
    customer = make_customer()
    for number in range(8):
        domains_jobs.queue_set_up(make_domain(f"shop{number}.com", customer=customer))
    with running_worker(sandbox, calls_per_second=0.01) as worker:
        set_ups = ProcrastinateJob.objects.filter(task_name="domains.set_up", status="doing")
        until(lambda: set_ups.count() >= 6, 30)
        jobs.queue("operations.urgent_bulk", lock="urgent")
        until(lambda: state_of("operations.urgent_bulk") == "succeeded", 20)
        worker.kill()


@pytest.mark.django_db(transaction=True)
def test_a_stalled_pause_job_is_retried_within_seconds_by_any_worker() -> None:
    """This is long before the periodic rescue and the thirty seconds for other jobs."""
    jobs.queue("tenants.status", lock="status", tenant_id="tenant_gone")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '16 seconds') RETURNING id"
        )
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [cursor.fetchone()[0]])
    with running("--lanes", "urgent") as worker:
        until(lambda: state_of("tenants.status") == "succeeded", 25)
        worker.terminate()
        assert worker.wait(timeout=20) == 0


def test_the_log_has_the_cause_and_not_only_that_it_was_the_database() -> None:
    cause = psycopg.errors.UndefinedTable('relation "procrastinate_jobs" does not exist\nLINE 1: SELECT')
    problem = ConnectorException("\n    Database error.\n    ")
    problem.__cause__ = cause
    assert _cause_of(problem) == 'UndefinedTable: relation "procrastinate_jobs" does not exist'


@pytest.mark.django_db
@pytest.mark.parametrize("command", [("worker",), ("procrastinate", "worker")])
def test_a_worker_of_a_database_that_is_not_migrated_says_what_to_do(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbound_admin.management.commands.worker.missing_migrations", lambda: 3)
    with pytest.raises(CommandError, match=r"^3 migrations are not applied\. Run manage\.py migrate"):
        call_command(*command)
