"""When to look again. Pure: the time is an argument, and so is the share of the jitter."""

import hashlib
from datetime import datetime, timedelta

from domains.core.checking import State

FRESH_FOR = timedelta(minutes=15)
WATCHED_FOR = timedelta(hours=1)
HOURLY_FOR = timedelta(days=1)

EVERY_MINUTE = timedelta(minutes=1)
EVERY_FEW_MINUTES = timedelta(minutes=5)
HOURLY = timedelta(hours=1)
SIX_HOURLY = timedelta(hours=6)
DAILY = timedelta(days=1)

# Later by at most this share, so that ten thousand domains added in one import do not come due in one minute.
MOST_JITTER = 0.1


def next_check(
    state: State,
    *,
    changed_at: datetime,
    now: datetime,
    failures: int = 0,
    jitter: float = 0.0,
    lost_at: datetime | None = None,
) -> datetime:
    """`changed_at`: when the domain was added or a person last changed or checked something.

    `failures` counts the look-ups in a row that told nothing, `jitter` is between 0 and 1 (see `jitter_for`).
    `lost_at`: since when a domain that was verified is seen not to be; its alert waits for a second look, so that one
    comes soon.
    """
    pause = _pause(state, now - changed_at, failures)
    if lost_at is not None and now - lost_at < EVERY_FEW_MINUTES:
        pause = min(pause, EVERY_FEW_MINUTES)
    return now + pause * (1 + MOST_JITTER * min(max(jitter, 0.0), 1.0))


def jitter_for(name: str) -> float:
    """The same share between 0 and 1 for the same name, always."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def _pause(state: State, age: timedelta, failures: int) -> timedelta:
    if state is State.VERIFIED:
        return DAILY
    if state is State.AT_RISK:
        return HOURLY
    if state is State.COULD_NOT_CHECK:
        return min(EVERY_FEW_MINUTES * (1 << min(max(failures - 1, 0), 8)), HOURLY)
    if age < FRESH_FOR:
        return EVERY_MINUTE
    if age < WATCHED_FOR:
        return EVERY_FEW_MINUTES
    return HOURLY if age < HOURLY_FOR else SIX_HOURLY
