"""One rate limit for each AWS account and region, shared by all processes through the database. Lanes decide the order.

SES allows one control-plane call a second, doesn't report how near the limit a caller is, and may count all operations
together. A caller stands in the queue `aws_turns` and asks, at most an interval apart, whether it is next by the rule
of `lib.lanes`. A turn is taken only at its time, never before, so an urgent call overtakes all waiting ones, in any
process. A caller that doesn't ask again in time has died and loses its place. All times are the database's; the waits
are outside of transactions.
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
    """A place in the queue of one account and region. `id` 0: not in it."""

    account: str
    region: str
    lane: WorkLane
    every: float
    id: int = 0


def wait_for_turn(account: str, region: str, *, lane: WorkLane, max_wait: float | None = None) -> float | None:
    """Sleep until it is our turn and return the seconds slept.

    None, without a turn, if it would take over `max_wait` seconds.
    """
    if settings.AWS_CALLS_PER_SECOND <= 0:
        return 0.0
    place, slept = _Place(account, region, lane, 1 / settings.AWS_CALLS_PER_SECOND), 0.0
    try:
        while wait := _ask(place):
            if max_wait is not None and slept + wait > max_wait:
                _leave(place)
                return None
            nap = max(SHORTEST_SLEEP, min(wait, place.every))
            sleep(nap)
            slept += nap
    except BaseException as error:
        if not isinstance(error, DatabaseError):  # then the place expires anyway, a moment later
            _leave(place)
        raise
    return slept


def _ask(place: _Place) -> float:
    """Return 0 if we got the turn; otherwise the seconds until it is likely to come."""
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
    """Parse the JSON, which Django's cursor returns as text."""
    found: dict[str, int] = json.loads(passed) if isinstance(passed, str) else passed
    return {WorkLane(int(lane)): number for lane, number in found.items()}


def _leave(place: _Place) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LEAVE, [place.id])
