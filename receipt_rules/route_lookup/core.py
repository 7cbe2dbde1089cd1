"""Decides whose a message is: the customer who held its name when SES received it. Pure: the time is an argument.

SES's clock and ours may differ. So a message that SES received within CLOCKS_DIFFER of a change of hands may be either
customer's, and nobody gets it until staff decide: it could have been sent for the other. If only one customer held the
name during that whole time, the message can be nobody else's, and it is theirs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

CLOCKS_DIFFER = timedelta(seconds=2)  # NTP keeps clocks within milliseconds; SES's times have three decimals


@dataclass(frozen=True)
class Tenure:
    """The time for which a customer held a name. `since` None: unknown. `until` None: they hold it."""

    name: str
    customer: str  # ID
    since: datetime | None
    until: datetime | None = None

    def covers(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True)
class Owner:
    """`customer` is "" if nobody held the name, or if `rivals` (customer IDs) may each be the owner."""

    customer: str = ""
    tenure: Tenure | None = None
    rivals: frozenset[str] = frozenset()


def owner_at(names: Sequence[str], tenures: Iterable[Tenure], at: datetime) -> Owner:
    """Return the owner of mail received at that time. `names`: the name and its parents, the nearest first."""
    by_name: dict[str, list[Tenure]] = {}
    for each in tenures:
        by_name.setdefault(each.name, []).append(each)
    levels = [by_name[name] for name in names if name in by_name]
    earliest, latest = at - CLOCKS_DIFFER, at + CLOCKS_DIFFER
    changes = {moment for level in levels for each in level for moment in (each.since, each.until) if moment}
    moments = (at, earliest, *sorted(each for each in changes if earliest < each <= latest))
    holders = (_holder(levels, moment) for moment in moments)
    found = [holder for holder in holders if holder is not None]
    customers = frozenset(each.customer for each in found)
    if len(customers) > 1 or any(each.since is None for each in found):
        # Whoever held it before a time of unknown beginning, or held a name above, may be the owner too.
        known = [[each for each in level if each.since] for level in levels]
        others = (_holder(known, moment) for moment in moments)
        return Owner(rivals=customers | {each.customer for each in others if each is not None})
    return Owner(found[0].customer, found[0]) if found else _returned(levels, at)


def _holder(levels: Iterable[Sequence[Tenure]], at: datetime) -> Tenure | None:
    """Return the tenure of the nearest name that covers the moment; of two at one name the one that ended first."""
    for level in levels:
        covering = [each for each in level if each.covers(at)]
        if covering:
            return min(covering, key=lambda each: (each.until is None, each.until or at))
    return None


def _returned(levels: Sequence[Sequence[Tenure]], at: datetime) -> Owner:
    """A customer who deletes a domain and adds it again, with nobody in between, has held it all the time."""
    for level in levels:
        before = max(
            (each for each in level if each.until and each.until <= at), key=lambda each: each.until or at, default=None
        )
        after = min(
            (each for each in level if each.since and each.since > at), key=lambda each: each.since or at, default=None
        )
        is_same = before is not None and after is not None and before.customer == after.customer
        return Owner(after.customer, after) if is_same and after is not None else Owner()
    return Owner()


def ended_in(tenure: Tenure | None, until: datetime) -> bool:
    """Return whether a route that was kept until then is of this tenure; of an unknown tenure each may be."""
    since, end = (tenure.since, tenure.until) if tenure else (None, None)
    return (since is None or until >= since) and (end is None or until <= end)


def without_label(recipient: str) -> str:
    """Return user@example.com for user+label@example.com."""
    local, at, name = recipient.rpartition("@")
    return f"{local.partition('+')[0]}{at}{name}"
