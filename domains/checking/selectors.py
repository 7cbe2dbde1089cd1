"""What the last checks of domains found, and when the next one is."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domains.checking.core.judgement import State
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck

BEING_CHECKED = 3  # seconds between two polls while a check is in progress


def last_checks(domains: Sequence[Domain]) -> dict[tuple[str, str], RecordCheck]:
    return {(row.domain_id, row.key): row for row in RecordCheck.objects.filter(domain__in=domains)}


def has_pending_records(domain: Domain) -> bool:
    """Return True if a check could still change something, including recommended records but not a missing address."""
    is_right = domain.state == State.VERIFIED or (domain.verified_at and domain.receiving.asks_for_address)
    keys = {record.key for record in domain.records}
    return not is_right or any(
        check.key in keys and check.state != State.VERIFIED for check in domain.record_checks.all()
    )


def is_being_checked(domain: Domain, now: datetime) -> bool:
    """Return True if a check became due in the last two minutes. One that is overdue for longer has no worker."""
    due = domain.next_check_at
    return due is not None and now - timedelta(minutes=2) < due <= now


def upcoming_check(domain: Domain, now: datetime) -> datetime | None:
    """Return None while the check is due: an open page makes it due again and again."""
    is_ahead = domain.next_check_at is not None and domain.next_check_at > now
    return domain.next_check_at if is_ahead and not domain.is_held else None


def poll_seconds(domain: Domain, now: datetime, *, settled: bool) -> int | None:
    """Poll often at first and while something is pending, less often later, and never once all is settled.

    A recommended record that stays missing does not keep the page polling.
    """
    if domain.stage in (Stage.READY, Stage.CLAIM) and not domain.is_held and is_being_checked(domain, now):
        return BEING_CHECKED
    age = now - domain.watched_from
    verified = domain.stage == Stage.READY and domain.state == State.VERIFIED
    if domain.is_held or (verified and (settled or age > timedelta(minutes=15))):
        return None
    if domain.stage in (Stage.STARTING, Stage.DELETING):
        return 2
    steps = ((timedelta(minutes=15), 3), (timedelta(hours=1), 10), (timedelta(hours=6), 30))
    return next((seconds for limit, seconds in steps if age < limit), 60)
