"""How and when a person is notified. Pure: the time is an argument."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum


class ByMail(StrEnum):
    AT_ONCE = "at_once"
    DIGEST = "digest"
    OFF = "off"


@dataclass(frozen=True)
class EmailSchedule:
    """A person's settings, in the deployment's time zone. Quiet hours can span midnight."""

    by_mail: ByMail = ByMail.AT_ONCE
    digest_at: time = time(8)
    quiet_from: time | None = None
    quiet_until: time | None = None


def mail_due(schedule: EmailSchedule, *, now: datetime) -> datetime | None:
    """Return when to send the email, or None for never. `now` is in the time zone of the habits."""
    if schedule.by_mail is ByMail.OFF:
        return None
    due = _next(schedule.digest_at, now) if schedule.by_mail is ByMail.DIGEST else now
    return after_quiet_hours(schedule, due)


def after_quiet_hours(schedule: EmailSchedule, moment: datetime) -> datetime:
    """Return the time, or the end of the quiet hours it falls into."""
    start, end = schedule.quiet_from, schedule.quiet_until
    if start is None or end is None or start == end:
        return moment
    at = moment.timetz().replace(tzinfo=None)
    quiet = start <= at < end if start < end else at >= start or at < end
    return _next(end, moment) if quiet else moment


FAILS_AFTER = 6  # tries, within about an hour: then operators are alerted
MOST_TRIES = 60  # in about 13 days
LONGEST_WAIT = timedelta(hours=6)


def next_try(tries: int, *, now: datetime) -> datetime:
    """Return when to send an email again that has failed after this many failures before."""
    return now + min(timedelta(minutes=2 ** min(tries, 9)), LONGEST_WAIT)


def _next(at: time, now: datetime) -> datetime:
    """Return the next time after `now` with the time of day `at`."""
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
