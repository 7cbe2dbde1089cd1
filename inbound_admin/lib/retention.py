"""How long rows are kept: the settings whose names end with `_DAYS`, of which 0 means for ever."""

from datetime import UTC, datetime, timedelta

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


def oldest_kept(days: int, *, now: datetime) -> datetime:
    """Return the time before which rows are deleted. With 0 days it is before all of them."""
    return now - timedelta(days=days) if days > 0 else BEFORE_ALL
