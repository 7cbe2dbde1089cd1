"""One pace for all processes, by one row of the database."""

import threading
import time

import pytest
from django.db import connection
from pytest_django import Settings

from inbound_admin.lib import pace

pytestmark = pytest.mark.django_db


def test_each_turn_is_an_interval_behind_the_last(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.5
    waits = [pace.reserve("1", "eu-west-1") for _ in range(4)]
    assert [round(wait or 0, 0) for wait in waits] == [0, 2, 4, 6]


def test_accounts_and_regions_have_a_pace_each(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.01
    for account, region in (("1", "eu-west-1"), ("1", "us-east-1"), ("2", "eu-west-1")):
        assert pace.reserve(account, region) == pytest.approx(0, abs=1)
        assert pace.reserve(account, region) == pytest.approx(100, abs=1)


def test_who_will_not_wait_takes_no_turn(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.1
    assert pace.reserve("1", "eu-west-1", patience=2) == pytest.approx(0, abs=1)
    for _ in range(5):
        assert pace.reserve("1", "eu-west-1", patience=2) is None
    assert pace.reserve("1", "eu-west-1") == pytest.approx(10, abs=1)
    assert pace.reserve("1", "eu-west-1", patience=25) == pytest.approx(20, abs=1)


def test_a_quiet_time_saves_up_no_turns(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.1
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO aws_pace VALUES ('1', 'eu-west-1', now() - interval '1 day')")
    waits = [pace.reserve("1", "eu-west-1") for _ in range(3)]
    assert [round(wait or 0, 0) for wait in waits] == [0, 10, 20]


def test_without_a_pace_nobody_waits_and_nothing_is_stored(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0
    assert pace.reserve("1", "eu-west-1") == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM aws_pace")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_workers_with_connections_of_their_own_keep_the_pace_together(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 50
    together, calls = threading.Barrier(4), list[float]()

    def work() -> None:
        together.wait()
        try:
            for _ in range(5):
                pace.sleep(pace.reserve("1", "eu-west-1") or 0)
                calls.append(time.monotonic())
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    turns = sorted(calls)
    assert len(turns) == 20
    assert turns[-1] - turns[0] >= 19 / 50 - 0.02  # a wake-up may be late, which makes the first turn look late
