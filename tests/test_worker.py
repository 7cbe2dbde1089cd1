"""`manage.py worker`: the places that it keeps for each lane, and that one for some lanes leaves the others alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from inbound_admin.lib import jobs
from inbound_admin.lib.lanes import WorkLane
from inbound_admin.management.commands.worker import places_of

ROOT = Path(__file__).resolve().parents[1]
REST = (WorkLane.BACKGROUND, WorkLane.LOOKS, WorkLane.PEOPLE)


def kept(*lanes: WorkLane) -> list[tuple[str, tuple[WorkLane, ...]]]:
    return [(each.name, each.lanes) for each in places_of(lanes)]


def test_without_a_choice_urgent_work_has_places_of_its_own_and_may_use_all_others_but_the_clocks() -> None:
    assert kept() == [
        ("urgent", (WorkLane.URGENT,)),
        ("people", (WorkLane.URGENT, WorkLane.PEOPLE)),
        ("looks", (WorkLane.LOOKS,)),
        ("any", ()),
    ]


def test_a_worker_for_some_lanes_keeps_no_place_for_another() -> None:
    assert kept(WorkLane.URGENT) == [("urgent", (WorkLane.URGENT,)), ("any", (WorkLane.URGENT,))]
    assert kept(*REST) == [("people", (WorkLane.PEOPLE,)), ("looks", (WorkLane.LOOKS,)), ("any", REST)]


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    told = connection.get_connection_params()
    url = f"postgres://{told['user']}@/{told['dbname']}?host={told['host']}"
    if told.get("port"):
        url += f"&port={told['port']}"
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
def test_a_worker_for_urgent_work_does_that_and_leaves_the_background_to_others() -> None:
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
