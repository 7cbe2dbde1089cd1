"""`/healthz`: 200 when all of it is well, and otherwise 503 with the one that is not."""

import socket
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy
from sandbox.process import Sandbox
from tenants import jobs as tenants_jobs
from tests.tenants.making import make_tenant

WELL = {"web": "ok", "database": "ok", "worker": "ok", "aws": "ok", "queue": "ok"}


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
    assert ask() == (503, WELL | {"worker": "no sign of the worker for 90 s"})


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
    tenants_jobs.status_soon(make_tenant())
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
