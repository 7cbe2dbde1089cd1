"""Times in sentences, which name the time zone: UTC, whatever the setting TIME_ZONE is."""

from datetime import UTC, datetime


def minute_in_utc(moment: datetime) -> str:
    """Return for example "4 May 2026, 12:05 UTC"."""
    return f"{moment.astimezone(UTC):%-d %B %Y, %H:%M} UTC"
