"""Says when a domain is checked next. Pure.

A recent domain is checked often, a verified one daily, and one whose lookups fail ever more rarely, up to hourly.
"""

import hashlib
from datetime import datetime, timedelta

from domains.checking.core.judgement import State

FRESH_FOR = timedelta(minutes=15)
WATCHED_FOR = timedelta(hours=1)
HOURLY_FOR = timedelta(days=1)

EVERY_MINUTE = timedelta(minutes=1)
EVERY_FEW_MINUTES = timedelta(minutes=5)
HOURLY = timedelta(hours=1)
SIX_HOURLY = timedelta(hours=6)
DAILY = timedelta(days=1)

# Delay checks by up to this share, so that ten thousand imported domains are not all due in the same minute.
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
    """Return when to check a domain next.

    `changed_at`: when the domain was added or a person last changed or checked something. `failures` counts consecutive
    failed lookups. `jitter` is between 0 and 1 (see `jitter_for`). `lost_at`: when a verified domain was first seen
    unverified. Its alert waits for a second check, so that check comes soon.
    """
    pause = _interval(state, now - changed_at, failures)
    if lost_at is not None and now - lost_at < EVERY_FEW_MINUTES:
        pause = min(pause, EVERY_FEW_MINUTES)
    return now + pause * (1 + MOST_JITTER * min(max(jitter, 0.0), 1.0))


def jitter_for(name: str) -> float:
    """Return a constant share between 0 and 1 for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def _interval(state: State, age: timedelta, failures: int) -> timedelta:
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
