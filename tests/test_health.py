"""`/healthz`: 200 if every part is healthy, otherwise 503 with the part that is not."""

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

HEALTHY = {"web": "ok", "database": "ok", "disk": "ok", "worker": "ok", "aws": "ok", "function": "ok", "queue": "ok"}


@pytest.fixture(autouse=True)
def reset_last_write() -> Iterator[None]:
    """Reset the time of the last write, so that each test writes."""
    health._written.at = float("-inf")
    yield
    health._written.at = float("-inf")


def ask() -> tuple[int, dict[str, str]]:
    answer = Client().get("/healthz")
    found = answer.json()
    assert found.pop("took_ms").isdigit()
    return answer.status_code, found


def record_heartbeat(*, seconds_ago: int) -> None:
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
def test_it_is_200_if_every_part_is_healthy(sandbox: Sandbox) -> None:
    record_heartbeat(seconds_ago=5)
    assert ask() == (200, HEALTHY)


@pytest.mark.django_db
def test_it_needs_no_sign_in_and_is_not_cached(sandbox: Sandbox) -> None:
    answer = Client().get("/healthz")
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_worker_that_never_started_is_reported(sandbox: Sandbox) -> None:
    assert ask() == (503, HEALTHY | {"worker": "no worker has started"})


@pytest.mark.django_db
def test_a_silent_worker_is_reported_with_the_seconds(sandbox: Sandbox) -> None:
    record_heartbeat(seconds_ago=90)
    assert ask() == (503, HEALTHY | {"worker": "no heartbeat from the worker for 90 s"})


@pytest.mark.django_db
def test_one_healthy_worker_is_enough(sandbox: Sandbox) -> None:
    record_heartbeat(seconds_ago=5)
    record_heartbeat(seconds_ago=9000)
    assert ask() == (200, HEALTHY)


@pytest.mark.django_db
def test_throttling_by_aws_is_healthy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled() -> str:
        raise AwsBusy("Amazon asks us to slow down.")

    monkeypatch.setattr(aws, "ask_account_id", throttled)
    record_heartbeat(seconds_ago=5)
    assert ask() == (200, HEALTHY)


@pytest.mark.django_db
def test_an_unreachable_aws_is_reported(sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{closed_port()}"
    record_heartbeat(seconds_ago=5)
    assert ask() == (503, HEALTHY | {"aws": "AWS isn't responding or rejects our credentials"})


@pytest.mark.django_db
def test_aws_is_called_once_for_repeated_requests(sandbox: Sandbox) -> None:
    for _ in range(3):
        ask()
    assert sandbox.control.call_counts() == {"GetCallerIdentity": 1}


@pytest.mark.django_db
def test_an_urgent_job_that_waits_is_reported_as_degraded_with_200(sandbox: Sandbox) -> None:
    record_heartbeat(seconds_ago=5)
    tenants_jobs.queue_status(make_tenant())
    assert ask() == (200, HEALTHY)
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


def test_an_unreachable_database_is_reported(sandbox: Sandbox, no_database: None) -> None:
    status, found = ask()
    assert status == 503
    assert found["web"] == "ok"
    assert found["database"] == "the database didn't respond"


@pytest.fixture
def full_disk(db: None) -> Iterator[Path]:
    """Yield a disk of 256 kB that PostgreSQL's user can write to, for tests to fill."""
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
            pytest.skip("this machine cannot mount a disk")
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)  # noqa: S607
        shutil.rmtree(folder)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert shutil.disk_usage(folder).free == 0


def test_a_full_disk_of_the_database_is_reported_by_both_pages(
    full_disk: Path, sandbox: Sandbox, other_connection: "psycopg.Connection[Any]"
) -> None:
    record_heartbeat(seconds_ago=5)
    place = full_disk / "tables"
    place.mkdir(mode=0o700)
    shutil.chown(place, "nobody")
    other_connection.execute(f"CREATE TABLESPACE tiny LOCATION '{place}'".encode())
    try:
        fill(full_disk)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL temp_tablespaces = tiny")
        assert ask() == (503, HEALTHY | {"database": "the disk of the database is full"})
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "the disk of the database is full")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL temp_tablespaces = ''")
        health._written.at = float("-inf")
        assert ask() == (200, HEALTHY)
    finally:
        other_connection.execute(b"DROP TABLESPACE tiny")


@pytest.mark.django_db
def test_a_read_only_database_is_reported(sandbox: Sandbox) -> None:
    record_heartbeat(seconds_ago=5)
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "the database is read-only")


@pytest.mark.django_db
def test_a_full_disk_of_the_web_server_is_reported_by_both_pages(
    full_disk: Path, sandbox: Sandbox, settings: Settings
) -> None:
    record_heartbeat(seconds_ago=5)
    settings.PROMETHEUS_MULTIPROC_DIR = str(full_disk)
    assert health._disk() == "ok"
    fill(full_disk)
    problem = "cannot write to the PROMETHEUS_MULTIPROC_DIR: No space left on device"
    assert ask() == (503, HEALTHY | {"disk": problem})
    assert Client().get("/readyz").status_code == 503


@pytest.mark.django_db
def test_the_database_is_written_to_once_for_repeated_requests(
    client: Client,
) -> None:
    client.get("/readyz")
    with connection.execute_wrapper(refuse_tables):
        assert client.get("/readyz").json()["database"] == "ok"


def refuse_tables(execute: Any, sql: str, *rest: Any) -> Any:
    assert "TABLE" not in sql
    return execute(sql, *rest)
