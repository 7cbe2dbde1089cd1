"""All processes share one pace, and urgent calls go first in all of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from pytest_django import Settings

from inbound_admin.lib import aws_rate_limit
from inbound_admin.lib.lanes import WorkLane

pytestmark = pytest.mark.django_db


def turn(
    account: str = "1", region: str = "eu-west-1", lane: WorkLane = WorkLane.PEOPLE, max_wait: float = 0
) -> float | None:
    return aws_rate_limit.wait_for_turn(account, region, lane=lane, max_wait=max_wait)


def waiting_turns() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM aws_turns")
        return int(cursor.fetchone()[0])


def test_each_turn_follows_the_last_by_an_interval(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 10
    began = time.monotonic()
    slept = [turn(max_wait=5) for _ in range(4)]
    assert time.monotonic() - began >= 0.3
    assert sum(each for each in slept if each is not None) < 0.6  # the pace alone, however busy the machine is
    assert None not in slept


def test_each_account_and_region_has_its_own_pace(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.01
    for account, region in (("1", "eu-west-1"), ("1", "us-east-1"), ("2", "eu-west-1")):
        assert turn(account, region) == 0
        assert turn(account, region) is None


def test_a_caller_that_does_not_wait_takes_no_turn(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.5
    began = time.monotonic()
    assert turn() == 0
    for _ in range(5):
        assert turn(max_wait=0.1) is None
    assert waiting_turns() == 0
    assert turn(max_wait=2.1) is not None  # a wasted turn would add two seconds
    assert time.monotonic() - began > 1.9


def test_idle_time_accumulates_no_turns(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.1
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO aws_pace VALUES ('1', 'eu-west-1', now() - interval '1 day')")
    assert turn() == 0
    assert turn() is None


def test_without_a_pace_nothing_waits_or_is_stored(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0
    assert turn() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM aws_pace")
        assert cursor.fetchone() == (0,)


def test_an_interrupted_caller_leaves_the_queue(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.1
    turn()

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(aws_rate_limit, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        turn(max_wait=60)
    assert waiting_turns() == 0


@pytest.mark.django_db(transaction=True)
def test_a_dead_waiter_blocks_no_other_request(settings: Settings) -> None:
    """A waiter that does not come back in time is skipped."""
    settings.AWS_CALLS_PER_SECOND = 10
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO aws_turns (account, region, lane, back_by)"
            " VALUES ('1', 'eu-west-1', 30, now() + interval '1 second')"
        )
    began = time.monotonic()
    slept = turn(lane=WorkLane.BACKGROUND, max_wait=5)
    assert time.monotonic() - began > 0.8
    assert slept is not None
    assert slept < 2


@contextmanager
def concurrent_callers(*lanes: WorkLane, calls: int, made: list[tuple[float, WorkLane]]) -> Iterator[None]:
    """Run one thread per lane, each with its own connection like a process, that makes calls in sequence."""
    together = threading.Barrier(len(lanes) + 1)

    def work(lane: WorkLane) -> None:
        together.wait()
        try:
            for _ in range(calls):
                aws_rate_limit.wait_for_turn("1", "eu-west-1", lane=lane)
                made.append((time.monotonic(), lane))
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
    for worker in workers:
        worker.start()
    together.wait()
    yield
    for worker in workers:
        worker.join()


@pytest.mark.django_db(transaction=True)
def test_workers_with_their_own_connections_keep_the_pace(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 20
    made: list[tuple[float, WorkLane]] = []
    with concurrent_callers(*[WorkLane.PEOPLE] * 4, calls=5, made=made):
        pass
    turns = sorted(moment for moment, _ in made)
    assert len(turns) == 20
    assert turns[-1] - turns[0] >= 19 / 20 - 0.05  # a late wake-up can make the first turn look late


@pytest.mark.django_db(transaction=True)
def test_an_urgent_call_overtakes_waiters_in_other_processes(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 4
    made: list[tuple[float, WorkLane]] = []
    with concurrent_callers(*[WorkLane.BACKGROUND] * 6, *[WorkLane.PEOPLE] * 6, calls=2, made=made):
        until = time.monotonic() + 30
        while len(made) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        already = len(made)
        aws_rate_limit.wait_for_turn("1", "eu-west-1", lane=WorkLane.URGENT)
        overtaking = len(made) - already
    assert overtaking <= 3, "more calls overtook the urgent one"
    assert len(made) == 24


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", [WorkLane.URGENT, WorkLane.PEOPLE])
def test_the_background_lane_is_never_starved(settings: Settings, first: WorkLane) -> None:
    settings.AWS_CALLS_PER_SECOND = 20
    made: list[tuple[float, WorkLane]] = []
    with concurrent_callers(*[first] * 3, WorkLane.BACKGROUND, calls=20, made=made):
        pass
    while_both_waited = [lane for _, lane in sorted(made)][:60]
    assert 4 <= while_both_waited.count(WorkLane.BACKGROUND) <= 8
