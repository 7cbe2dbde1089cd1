"""When a delivery that failed is tried again, and when a target is given up. Pure: the time is an argument."""

from datetime import datetime, timedelta

# The pauses of the Standard Webhooks specification ("Deliverability and reliability"), about three days in all.
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_JITTER = 0.1


def next_attempt(attempts: int, *, now: datetime, jitter: float = 0.0) -> datetime | None:
    """After that many attempts; None when it is given up. `jitter` is between 0 and 1."""
    if attempts > len(PAUSES):
        return None
    return now + PAUSES[max(attempts, 1) - 1] * (1 + MOST_JITTER * min(max(jitter, 0.0), 1.0))


def is_given_up(*, failing_since: datetime | None, now: datetime, days: int) -> bool:
    """Whether a target has failed without a success for so long that it is switched off."""
    return failing_since is not None and now - failing_since >= timedelta(days=days)
