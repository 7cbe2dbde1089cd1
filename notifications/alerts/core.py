"""The kinds of alerts, the state machine of a watched condition, and the audiences. Pure: the time is an argument.

Each kind has its words and the number of observations after which an alert is raised. `advance` moves a condition from
suspected to raised to resolved.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from inbound_admin.lib.tables import read_rows


class AlertSeverity(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True)
class AlertKind:
    """Raised after `checks_to_raise` consecutive checks, the first and last at least `minimum_age` apart.

    Resolved after `checks_to_resolve` consecutive checks without it. `for_customers`: customers are notified. People
    can't turn off kinds that aren't `optional`. `is_news`: not a condition, resolved as soon as people are notified.
    """

    name: str
    words: str
    over: str
    checks_to_raise: int = 1
    minimum_age: timedelta = timedelta(0)
    checks_to_resolve: int = 1
    for_customers: bool = False
    optional: bool = True
    is_news: bool = False

    @property
    def group(self) -> str:
        """Return the heading under which people choose it."""
        return GROUPS[self.name.partition(".")[0]]


GROUPS = {  # by the subject of the kind, in this order
    **dict.fromkeys(("domain", "identities", "customer"), "Domains"),
    **dict.fromkeys(("address", "endpoint", "mail", "receiving", "storage", "function"), "Inbound mail"),
    **dict.fromkeys(("route", "rule", "run"), "Receipt rules"),
    **dict.fromkeys(("tenant", "sending", "account"), "Sending"),
    **dict.fromkeys(("amazon", "drift", "quota"), "Amazon SES"),
    **dict.fromkeys(("email", "webhook", "staff"), "Notifications"),
}
KINDS = read_rows(Path(__file__).with_name("kinds.toml"), AlertKind)
ALWAYS_SENT = tuple(kind.name for kind in KINDS.values() if not kind.optional)

PAGES = {  # the page of an alert's object, by its type: the URL's name takes the object's ID
    "address": "receipt_rules:address",
    "customer": "customers:detail",
    "domain": "domains:detail",
    "endpoint": "receipt_rules:endpoint",
    "received_mail": "receipt_rules:received_message",
    "webhook": "notifications:webhook",
}
STAFF_PAGES = {"tenant": "tenants:detail"}
REGION_PAGES = {  # for staff, about a whole region: no ID
    "account": "tenants:account",
    "drift": "operations:differences",
    "quota": "operations:overview",
    "receiving": "receipt_rules:check",
    "received": "receipt_rules:received",
    "rule_set": "receipt_rules:rules",
    "runs": "receipt_rules:runs",
}


def kind_named(name: str) -> AlertKind:
    """Return a kind. An unknown kind is raised at the first check and shown by its name."""
    return KINDS.get(name) or AlertKind(name, name, f"{name} is over")


def kinds_by_group(*, staff: bool) -> dict[str, list[AlertKind]]:
    """Return `kinds_for` under their headings, without empty ones."""
    kinds = kinds_for(staff=staff)
    found = {group: [kind for kind in kinds if kind.group == group] for group in dict.fromkeys(GROUPS.values())}
    return {group: some for group, some in found.items() if some}


def kinds_for(*, staff: bool) -> tuple[AlertKind, ...]:
    """Return the kinds a person can be notified of. Customers only get kinds about their own data."""
    return tuple(kind for kind in KINDS.values() if kind.optional and (staff or kind.for_customers))


class AlertState(StrEnum):
    SUSPECTED = "suspected"
    OPEN = "open"
    RECOVERED = "recovered"


class Effect(StrEnum):
    """The effect of a check. FORGOTTEN: a suspicion that wasn't confirmed."""

    NOTHING = "nothing"
    RAISED = "raised"
    RECOVERED = "recovered"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True)
class ConditionState:
    """`looks` consecutive checks found the problem, `clear` consecutive checks didn't."""

    state: AlertState
    since: datetime
    looks: int = 0
    clear: int = 0


def advance(
    watch: ConditionState | None, *, firing: bool, kind: AlertKind, now: datetime
) -> tuple[ConditionState | None, Effect]:
    """Return the state and effect after another check. None means no state."""
    if not firing:
        return _clear(watch, kind)
    seen = ConditionState(AlertState.SUSPECTED, now) if watch is None else watch
    seen = replace(seen, looks=seen.looks + 1, clear=0)
    if seen.state is AlertState.OPEN or seen.looks < kind.checks_to_raise or now - seen.since < kind.minimum_age:
        return seen, Effect.NOTHING
    return replace(seen, state=AlertState.OPEN), Effect.RAISED


def _clear(watch: ConditionState | None, kind: AlertKind) -> tuple[ConditionState | None, Effect]:
    if watch is None:
        return None, Effect.NOTHING
    if watch.state is AlertState.SUSPECTED:
        return None, Effect.FORGOTTEN
    seen = replace(watch, clear=watch.clear + 1)
    if seen.clear < kind.checks_to_resolve:
        return seen, Effect.NOTHING
    return replace(seen, state=AlertState.RECOVERED), Effect.RECOVERED


@dataclass(frozen=True)
class Staff:
    """Staff with the permission, such as `receipt_rules.operate_rules`. `columns`: of an alert, as of each audience."""

    permission: str

    @property
    def columns(self) -> dict[str, Any]:
        return {"permission": self.permission, "customer_id": "", "person_id": None}


@dataclass(frozen=True)
class CustomerPeople:
    """A customer: its owners are notified, all members see the alert."""

    customer_id: str

    @property
    def columns(self) -> dict[str, Any]:
        return {"permission": "", "customer_id": self.customer_id, "person_id": None}


@dataclass(frozen=True)
class Person:
    """One person, by account ID."""

    user_id: int

    @property
    def columns(self) -> dict[str, Any]:
        return {"permission": "", "customer_id": "", "person_id": self.user_id}


Audience = Staff | CustomerPeople | Person
