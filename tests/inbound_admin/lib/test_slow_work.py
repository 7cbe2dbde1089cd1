"""Slots for slow requests: their number, who shares them, and that a dead process frees its own."""

import time
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from django.core.checks import registry
from django.db import connection
from django.http import HttpRequest, HttpResponse
from pytest_django import Settings

from inbound_admin.lib import aws, slow_work
from inbound_admin.lib.errors import AwsBusy
from inbound_admin.lib.slow_work import TooManyAtOnce
from sandbox.process import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def low_limits(settings: Settings) -> None:
    settings.SLOW_REQUESTS_AT_ONCE, settings.SLOW_REQUESTS_EACH = 3, 2


def in_a_request(run: Any) -> Any:
    """Call `run` inside a view. Return its result."""
    found: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        found.append(run())
        return HttpResponse()

    slow_work.bounded(view)(HttpRequest())
    return found[0]


def take_slots_elsewhere(other: "psycopg.Connection[Any]", name: str, number: int) -> None:
    for slot in range(1, number + 1):
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"slow work {name} {slot}"])


def refused(customer: str) -> bool:
    def run() -> bool:
        try:
            with slow_work.slot(customer=customer):
                return False
        except TooManyAtOnce as problem:
            return (problem.code, problem.status, problem.retry_after) == ("TOO_MANY_AT_ONCE", 429, 3)

    return bool(in_a_request(run))


def held_locks() -> int:
    """Count the locks in this database only, because the server also has those of other test processes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database AS own ON own.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND own.datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def test_a_customer_without_a_free_slot_is_refused_and_another_is_not(
    other_connection: "psycopg.Connection[Any]",
) -> None:
    take_slots_elsewhere(other_connection, "customer alice", 2)
    assert refused("alice")
    assert not refused("bob")


def test_all_customers_are_refused_when_all_slots_are_taken(other_connection: "psycopg.Connection[Any]") -> None:
    take_slots_elsewhere(other_connection, "all", 3)
    assert refused("alice")
    assert refused("bob")


def test_a_dead_process_frees_its_slots(other_connection: "psycopg.Connection[Any]") -> None:
    take_slots_elsewhere(other_connection, "all", 3)
    other_connection.close()
    until = time.monotonic() + 5
    while refused("alice"):
        assert time.monotonic() < until


def test_a_slot_takes_one_lock_per_limit_and_frees_it() -> None:
    def run() -> tuple[int, int]:
        with slow_work.slot(customer="alice"):
            outside = held_locks()
            with slow_work.slot(customer="alice"):
                return outside, held_locks()

    before = held_locks()
    assert in_a_request(run) == (before + 2, before + 2)
    assert held_locks() == before


def test_a_refused_request_holds_no_lock(other_connection: "psycopg.Connection[Any]") -> None:
    take_slots_elsewhere(other_connection, "all", 3)
    before = held_locks()
    assert refused("alice")
    assert held_locks() == before


def test_an_error_frees_the_slot() -> None:
    before = held_locks()

    def run() -> None:
        with slow_work.slot(customer="alice"):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # raised two lines above
        in_a_request(run)
    assert held_locks() == before


def test_visitors_of_a_share_link_share_one_slot(other_connection: "psycopg.Connection[Any]") -> None:
    take_slots_elsewhere(other_connection, "link L", 1)

    def run() -> None:
        with slow_work.limited_by("link L", "address 192.0.2.0"), slow_work.slot(customer="alice"):
            pass

    with pytest.raises(TooManyAtOnce):
        in_a_request(run)
    assert not refused("alice")


def test_a_request_without_a_free_slot_does_not_wait_for_sts(
    other_connection: "psycopg.Connection[Any]", sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process compares its account with the database's at the first call, and STS may not answer."""
    asked: list[int] = []

    def compare() -> str:
        asked.append(held_locks())
        return ""

    monkeypatch.setattr(aws, "elsewhere", compare)

    def run() -> None:
        with aws.calling("s3", "read a message"):
            pass

    before = held_locks()
    in_a_request(run)
    assert asked == [before + 2], "STS was asked without a slot"
    take_slots_elsewhere(other_connection, "all", 3)
    with pytest.raises(AwsBusy, match="The service is busy"):
        in_a_request(run)
    assert len(asked) == 1


def test_workers_and_commands_need_no_slot(other_connection: "psycopg.Connection[Any]") -> None:
    take_slots_elsewhere(other_connection, "all", 3)
    with slow_work.slot(customer="alice"):
        assert slow_work.seconds_left(60) == 60


def test_the_lookups_in_a_slot_are_limited_in_time() -> None:
    def run() -> float:
        with slow_work.slot(customer="alice"):
            return slow_work.seconds_left(60)

    assert 0 < in_a_request(run) <= slow_work.SECONDS


def test_a_job_slot_limits_concurrent_jobs(other_connection: "psycopg.Connection[Any]") -> None:
    take_slots_elsewhere(other_connection, "diagnosis", 1)
    with ExitStack() as stack:
        assert stack.enter_context(slow_work.job_slot("diagnosis", most=2))
        take_slots_elsewhere(other_connection, "other", 1)
    with slow_work.job_slot("diagnosis", most=1) as is_free:
        assert not is_free


@pytest.mark.parametrize(("each", "at_once", "threads"), [(8, 16, 16), (9, 8, 16), (0, 8, 16)])
def test_settings_that_leave_no_thread_for_pages_are_an_error(
    settings: Settings, each: int, at_once: int, threads: int
) -> None:
    settings.SLOW_REQUESTS_EACH, settings.SLOW_REQUESTS_AT_ONCE, settings.WEB_THREADS = each, at_once, threads
    assert "inbound_admin.E003" in {message.id for message in registry.run_checks()}
