"""The honest clock: by when caches must have let go, as a time of day. Times to live are seconds."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from domains.core.diagnosis.observations import Observations, minimum_of
from domains.core.observing import Answer, Status

UNKNOWN_TTL = 3600  # where nobody said: what most DNS hosts take
LONGEST_TTL = 7 * 86_400  # what resolvers cap at, whatever a zone says (RFC 8767 names a week)


def let_go(answers: Iterable[Answer], now: datetime, *, otherwise: int | None = None) -> datetime | None:
    """When the last of these answers leaves the caches; a failed look-up is in none. None without answers."""
    told = [answer for answer in answers if answer.status is not Status.FAILED]
    seconds = [UNKNOWN_TTL if (ttl := _ttl(answer, otherwise)) is None else ttl for answer in told]
    return now + timedelta(seconds=min(max(seconds), LONGEST_TTL)) if seconds else None


def absence(observations: Observations) -> int | None:
    """For how long the zone lets its absences be remembered."""
    return next((minimum for soa in observations.soas if (minimum := minimum_of(soa)) is not None), None)


def as_time(moment: datetime, now: datetime) -> str:
    """ "15:40 UTC", with the day where it is another. Rounded up: a promise is not broken by its seconds."""
    shown, today = moment.astimezone(UTC), now.astimezone(UTC)
    if shown.second or shown.microsecond:
        shown = shown.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"{shown:%H:%M} UTC" if shown.date() == today.date() else f"{shown:%H:%M} UTC on {shown:%-d %B}"


def _ttl(answer: Answer, otherwise: int | None) -> int | None:
    return answer.ttl if answer.ttl is not None else otherwise
