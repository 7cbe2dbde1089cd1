"""Counts events by hour in one table. All processes add to it; plots and metrics read it.

Two kinds of rows: counts, which grow (AWS calls), and levels, of which an hour keeps the last (domains by state).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

ADD = """
    INSERT INTO counts AS known (hour, name, label, outcome, number, seconds)
    VALUES (date_trunc('hour', %(now)s::timestamptz), %(name)s, %(label)s, %(outcome)s, %(number)s, %(seconds)s)
    ON CONFLICT (name, hour, label, outcome) DO UPDATE
        SET number = known.number + EXCLUDED.number, seconds = known.seconds + EXCLUDED.seconds
"""
LEVEL = """
    INSERT INTO counts (hour, name, label, number)
    VALUES (date_trunc('hour', %(now)s::timestamptz), %(name)s, %(label)s, %(number)s)
    ON CONFLICT (name, hour, label, outcome) DO UPDATE SET number = EXCLUDED.number
"""
# The sum of old hours is stored under this hour, so a total never decreases.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FOLD = """
    WITH old AS (DELETE FROM counts WHERE hour < %(before)s AND hour > %(long_ago)s RETURNING *)
    INSERT INTO counts AS known (hour, name, label, outcome, number, seconds)
    SELECT %(long_ago)s, name, label, outcome, sum(number), sum(seconds) FROM old GROUP BY name, label, outcome
    ON CONFLICT (name, hour, label, outcome) DO UPDATE
        SET number = known.number + EXCLUDED.number, seconds = known.seconds + EXCLUDED.seconds
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Count:
    """`number`: the count or level. `seconds`: total duration."""

    hour: datetime
    name: str
    label: str
    outcome: str
    number: float
    seconds: float


def count(name: str, *, label: str = "", outcome: str = "", number: float = 1, seconds: float = 0) -> None:
    """Never raises: the event has happened, and its own outcome must not be lost because of a number."""
    values: dict[str, str | float | datetime] = {
        "now": timezone.now(),
        "name": name,
        "label": label,
        "outcome": outcome,
        "number": number,
        "seconds": seconds,
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute(ADD, values)
    except DatabaseError as error:
        log.warning("not counted", counted=name, error=str(error))


def set_levels(name: str, levels: Mapping[str, float], *, now: datetime) -> None:
    with connection.cursor() as cursor:
        for label, number in levels.items():
            cursor.execute(LEVEL, {"now": now, "name": name, "label": label, "number": number})


def counted_since(names: Sequence[str], since: datetime) -> tuple[tuple[Count, ...], datetime | None]:
    """Return counts by hour, oldest first, and the first hour of which there is any count; None if there is none."""
    sql = (
        "SELECT first.hour, found.* FROM (SELECT min(hour) AS hour FROM counts) AS first LEFT JOIN"
        " (SELECT hour, name, label, outcome, number, seconds FROM counts"
        " WHERE name = ANY(%(names)s) AND hour >= %(since)s) AS found ON true"
        " ORDER BY found.hour, found.name, found.label, found.outcome"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, {"names": list(names), "since": since})
        rows = cursor.fetchall()
    return tuple(Count(*row) for _, *row in rows if row[0] is not None), rows[0][0]


def totals(name: str) -> tuple[Count, ...]:
    """Return all-time totals for each label and outcome."""
    sql = (
        "SELECT max(hour), name, label, outcome, sum(number), sum(seconds) FROM counts"
        " WHERE name = %(name)s GROUP BY name, label, outcome ORDER BY label, outcome"
    )
    return _read(sql, {"name": name})


def rollup(*, now: datetime, kept: timedelta) -> None:
    """Sum up hours older than `kept`."""
    with connection.cursor() as cursor:
        cursor.execute(FOLD, {"before": now - kept, "long_ago": LONG_AGO})


def _read(sql: str, values: Mapping[str, str | list[str] | datetime]) -> tuple[Count, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return tuple(Count(*row) for row in cursor.fetchall())
