"""Decides whether a result that was read a while ago may still be stored (never over a newer one), and until when rows
are kept.
"""

from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

MOST_SKEW = timedelta(minutes=1)  # between our machines' clocks


def is_outdated(asked_at: datetime, *stored: datetime | None) -> bool:
    """Return whether any of the stored results is newer than one that was asked for at `asked_at`.

    A moment in the future was stored before the clock was set back, so it blocks nothing.
    """
    latest = timezone.now() + MOST_SKEW
    return any(moment is not None and asked_at < moment < latest for moment in stored)


def not_newer(column: str, asked_at: datetime) -> Q:
    """Return the filter for rows over which a result that was asked for at `asked_at` may be stored."""
    latest = timezone.now() + MOST_SKEW
    return Q(**{column: None}) | Q(**{f"{column}__lte": asked_at}) | Q(**{f"{column}__gte": latest})


# How long rows are kept: the settings whose names end with `_DAYS`, of which 0 means for ever.


BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


def oldest_kept(days: int, *, now: datetime) -> datetime:
    """Return the time before which rows are deleted. With 0 days it is before all of them."""
    return now - timedelta(days=days) if days > 0 else BEFORE_ALL
