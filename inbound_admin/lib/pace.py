"""One pace for each AWS account and region, shared by every process through the database; lanes decide who is next.

SES allows one control-plane call a second, says nothing about how near the limit one is, and may count all operations
together. Whoever wants to call stands in the line `aws_turns` and asks, at most an interval apart, whether it is next
by the rule of `lib.lanes`. A turn is taken when the moment has come and never before: so an urgent call overtakes all
that wait, in whatever process. Who does not ask again in time has died and loses its place. All clocks are the
database's; the waits happen outside of any transaction.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from inbound_admin.lib import lanes
from inbound_admin.lib.lanes import WorkLane

LATE_SECONDS = 3.0  # a waiting process that is this late has died
SHORTEST_SLEEP = 0.002
ENTER = """
    INSERT INTO aws_turns (account, region, lane, back_by)
    VALUES (%s, %s, %s, clock_timestamp() + %s * interval '1 second') RETURNING id
"""
LOCK = """
    INSERT INTO aws_pace AS pace (account, region, free_at) VALUES (%s, %s, clock_timestamp())
    ON CONFLICT (account, region) DO UPDATE SET free_at = pace.free_at
    RETURNING EXTRACT(EPOCH FROM free_at - clock_timestamp()), passed
"""
CLEAR = "DELETE FROM aws_turns WHERE account = %s AND region = %s AND back_by < clock_timestamp()"
LINE = "SELECT id, lane FROM aws_turns WHERE account = %s AND region = %s ORDER BY id"
STAY = "UPDATE aws_turns SET back_by = clock_timestamp() + %s * interval '1 second' WHERE id = %s"
TAKE = """
    UPDATE aws_pace SET free_at = GREATEST(free_at, clock_timestamp()) + %s * interval '1 second', passed = %s
    WHERE account = %s AND region = %s
"""
LEAVE = "DELETE FROM aws_turns WHERE id = %s"

sleep: Callable[[float], None] = time.sleep


@dataclass
class _Place:
    """In the line of one account and region; `id` 0: not in it."""

    account: str
    region: str
    lane: WorkLane
    every: float
    id: int = 0


def wait_for_turn(account: str, region: str, *, lane: WorkLane, patience: float | None = None) -> float | None:
    """Sleep until it is our turn; seconds slept. None, and no turn is taken, where `patience` seconds are too few."""
    if settings.AWS_CALLS_PER_SECOND <= 0:
        return 0.0
    place, slept = _Place(account, region, lane, 1 / settings.AWS_CALLS_PER_SECOND), 0.0
    try:
        while wait := _ask(place):
            if patience is not None and slept + wait > patience:
                _leave(place)
                return None
            nap = max(SHORTEST_SLEEP, min(wait, place.every))
            sleep(nap)
            slept += nap
    except BaseException as error:
        if not isinstance(error, DatabaseError):  # then the place is lost anyway, a moment later
            _leave(place)
        raise
    return slept


def _ask(place: _Place) -> float:
    """0: the turn is ours, and taken. Else the seconds until it is likely to come."""
    with transaction.atomic(), connection.cursor() as cursor:
        where = [place.account, place.region]
        cursor.execute(LOCK, where)
        free_in, passed = cursor.fetchone()
        cursor.execute(CLEAR, where)
        stay = place.every + LATE_SECONDS
        cursor.execute(STAY, [stay, place.id])
        if not cursor.rowcount:
            cursor.execute(ENTER, [*where, place.lane, stay])
            place.id = cursor.fetchone()[0]
        cursor.execute(LINE, where)
        wait, known = _wait(place, cursor.fetchall(), _read(passed), max(0.0, float(free_in)))
        if not wait:
            cursor.execute(TAKE, [place.every, json.dumps(known), *where])
            cursor.execute(LEAVE, [place.id])
    return wait


def _wait(
    place: _Place, line: Sequence[tuple[int, int]], passed: dict[WorkLane, int], free_in: float
) -> tuple[float, dict[WorkLane, int]]:
    waiting = Counter(WorkLane(lane) for _, lane in line)
    ahead = sum(WorkLane(lane) is place.lane and ticket < place.id for ticket, lane in line)
    turns = lanes.turns_before(place.lane, ahead, waiting, passed)
    return free_in + turns * place.every, lanes.passed_after(place.lane, frozenset(waiting), passed)


def _read(passed: str | dict[str, int]) -> dict[WorkLane, int]:
    """Django's cursor hands JSON over as text."""
    found: dict[str, int] = json.loads(passed) if isinstance(passed, str) else passed
    return {WorkLane(int(lane)): number for lane, number in found.items()}


def _leave(place: _Place) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LEAVE, [place.id])
