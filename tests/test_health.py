"""`/healthz`: 200 when all of it is well, and otherwise 503 with the one that is not."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from inbound_admin import health
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy
from sandbox.process import Sandbox
from tenants import jobs as tenants_jobs
from tests.tenants.factories import make_tenant

WELL = {"web": "ok", "database": "ok", "disk": "ok", "worker": "ok", "aws": "ok", "queue": "ok"}


@pytest.fixture(autouse=True)
def written_never() -> Iterator[None]:
    """Each test makes its own attempt to write."""
    health._written.at = float("-inf")
    yield
    health._written.at = float("-inf")


def ask() -> tuple[int, dict[str, str]]:
    answer = Client().get("/healthz")
    found = answer.json()
    assert found.pop("took_ms").isdigit()
    return answer.status_code, found


def worker_was_seen(*, seconds_ago: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT worker_id FROM procrastinate_register_worker_v1()")
        (worker,) = cursor.fetchone()
        sql = "UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %s) WHERE id = %s"
        cursor.execute(sql, [seconds_ago, worker])


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.django_db
def test_all_is_well_where_all_four_answer(sandbox: Sandbox) -> None:
    worker_was_seen(seconds_ago=5)
    assert ask() == (200, WELL)


@pytest.mark.django_db
def test_a_machine_needs_no_sign_in_and_no_cache_keeps_the_answer(sandbox: Sandbox) -> None:
    answer = Client().get("/healthz")
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_worker_that_never_started_is_named(sandbox: Sandbox) -> None:
    assert ask() == (503, WELL | {"worker": "no worker has started"})


@pytest.mark.django_db
def test_a_worker_that_fell_silent_is_named_with_how_long(sandbox: Sandbox) -> None:
    worker_was_seen(seconds_ago=90)
    assert ask() == (503, WELL | {"worker": "no heartbeat from the worker for 90 s"})


@pytest.mark.django_db
def test_one_worker_that_is_well_is_enough(sandbox: Sandbox) -> None:
    worker_was_seen(seconds_ago=5)
    worker_was_seen(seconds_ago=9000)
    assert ask() == (200, WELL)


@pytest.mark.django_db
def test_an_amazon_that_asks_us_to_slow_down_answers(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled() -> str:
        raise AwsBusy("Amazon asks us to slow down.")

    monkeypatch.setattr(aws, "ask_account_id", throttled)
    worker_was_seen(seconds_ago=5)
    assert ask() == (200, WELL)


@pytest.mark.django_db
def test_an_amazon_that_does_not_answer_is_named(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{closed_port()}"
    worker_was_seen(seconds_ago=5)
    assert ask() == (503, WELL | {"aws": "AWS isn't responding or rejects our credentials"})


@pytest.mark.django_db
def test_amazon_is_asked_once_in_a_while_however_often_the_page_is(sandbox: Sandbox) -> None:
    for _ in range(3):
        ask()
    assert sandbox.control.call_counts() == {"GetCallerIdentity": 1}


@pytest.mark.django_db
def test_an_urgent_job_that_waits_is_said_and_takes_no_web_process_away(sandbox: Sandbox) -> None:
    worker_was_seen(seconds_ago=5)
    tenants_jobs.queue_status(make_tenant())
    assert ask() == (200, WELL)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '75 seconds'")
    status, found = ask()
    assert status == 200
    assert found["queue"] == "degraded: the oldest job of urgent has waited 75 s"


@pytest.fixture
def no_database(transactional_db: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        connection.close()
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", str(closed_port()))
        yield
    connection.close()


def test_a_database_that_does_not_answer_is_named(sandbox: Sandbox, no_database: None) -> None:
    status, found = ask()
    assert status == 503
    assert found["web"] == "ok"
    assert found["database"] == "the database didn't respond"


@pytest.fixture
def full_disk(db: None) -> Iterator[Path]:
    """A disk of its own, of 256 kB, that PostgreSQL's user may write to, and that has no room left."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="inbound-admin-disk-", dir="/dev/shm"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "tmpfs", str(folder)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    try:
        if mounted.returncode != 0:
            pytest.skip("nothing can be mounted here")
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)  # noqa: S607
        shutil.rmtree(folder)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert shutil.disk_usage(folder).free == 0


def test_a_full_disk_of_the_database_is_named_by_both(
    full_disk: Path, sandbox: Sandbox, other_connection: "psycopg.Connection[Any]"
) -> None:
    worker_was_seen(seconds_ago=5)
    place = full_disk / "tables"
    place.mkdir(mode=0o700)
    shutil.chown(place, "nobody")
    other_connection.execute(f"CREATE TABLESPACE tiny LOCATION '{place}'".encode())
    try:
        fill(full_disk)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL temp_tablespaces = tiny")
        assert ask() == (503, WELL | {"database": "the disk of the database is full"})
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "the disk of the database is full")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL temp_tablespaces = ''")
        health._written.at = float("-inf")
        assert ask() == (200, WELL)
    finally:
        other_connection.execute(b"DROP TABLESPACE tiny")


@pytest.mark.django_db
def test_a_database_that_is_read_only_is_named(sandbox: Sandbox) -> None:
    worker_was_seen(seconds_ago=5)
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "the database is read-only")


@pytest.mark.django_db
def test_a_full_disk_of_the_web_is_named_by_both(full_disk: Path, sandbox: Sandbox, settings: Settings) -> None:
    worker_was_seen(seconds_ago=5)
    settings.PROMETHEUS_MULTIPROC_DIR = str(full_disk)
    assert health._disk() == "ok"
    fill(full_disk)
    said = "cannot write to the PROMETHEUS_MULTIPROC_DIR: No space left on device"
    assert ask() == (503, WELL | {"disk": said})
    assert Client().get("/readyz").status_code == 503


@pytest.mark.django_db
def test_the_database_is_written_to_once_in_a_while_however_often_it_is_asked(
    client: Client,
) -> None:
    client.get("/readyz")
    with connection.execute_wrapper(refuse_tables):
        assert client.get("/readyz").json()["database"] == "ok"


def refuse_tables(execute: Any, sql: str, *rest: Any) -> Any:
    assert "TABLE" not in sql
    return execute(sql, *rest)
