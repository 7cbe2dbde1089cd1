"""The kinds of alerts, the state machine of a watched condition, and the audiences. Pure: the time is an argument.

Each kind has its words and the number of observations after which an alert is raised. `look` moves a condition from
suspected to raised to over.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inbound_admin.lib.tables import keyed


class AlertSeverity(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True)
class AlertKind:
    """`looks` in a row must have seen it, the first and the last at least `minimum_age` apart; then it is raised.

    `looks_clear` in a row must have seen that it is over. `for_customers`: their people are told as well. Who is told
    of a kind that is not `optional` cannot switch it off. `is_news`: it is no condition, and over as soon as told.
    """

    name: str
    words: str
    over: str
    looks: int = 1
    minimum_age: timedelta = timedelta(0)
    looks_clear: int = 1
    for_customers: bool = False
    optional: bool = True
    is_news: bool = False


_KINDS = (
    # Two vantage points are the resolvers, which must agree before a domain is at risk; two checks are counted here.
    AlertKind(
        "domain.at_risk",
        "A verified domain has lost a record",
        "The domain is in order again",
        looks=2,
        minimum_age=timedelta(minutes=1),
        for_customers=True,
    ),
    AlertKind(
        "domain.verified",
        "A domain that you asked about is verified",
        "The domain is verified",
        for_customers=True,
        is_news=True,
    ),
    AlertKind(
        "domain.rejects_mail",
        "SES rejects a domain's mail",
        "SES no longer rejects the domain's mail",
        for_customers=True,
    ),
    AlertKind(
        "domain.mta_sts",
        "A TLS policy (MTA-STS) keeps a domain's mail away",
        "The TLS policy (MTA-STS) no longer keeps the domain's mail away",
        for_customers=True,
    ),
    AlertKind(
        "domain.probe_missing",
        "A scheduled test message did not arrive",
        "No scheduled test message is missing any more",
        for_customers=True,
    ),
    AlertKind(
        "domain.displaced",
        "Ownership was proven from another account",
        "Ownership of the domain is proven",
        for_customers=True,
    ),
    AlertKind(
        "domain.expiring",
        "An unproven domain will be removed",
        "The domain will not be removed",
        for_customers=True,
    ),
    AlertKind("domain.stuck", "A domain is stuck", "The domain moves again"),
    AlertKind("domain.removal_held_up", "A domain cannot be deleted yet", "The deletion of the domain goes on"),
    AlertKind(
        "route.outlived",
        "Mail still goes to a former holder of the domain",
        "No mail goes to the former holder any more",
    ),
    AlertKind(
        "rule.drift", "The rules at Amazon were changed elsewhere", "The rules at Amazon are as we left them again"
    ),
    AlertKind(
        "rule.untouched",
        "SES refuses an address that receives mail: its rule stays as it is",
        "Every receipt rule can be changed again",
    ),
    AlertKind("drift.found", "Amazon is not as our rows say", "Amazon is as our rows say again"),
    AlertKind(
        "address.refused",
        "Amazon refuses an address",
        "The address that Amazon refused is changed",
        for_customers=True,
    ),
    AlertKind(
        "endpoint.failing",
        "An endpoint does not take mail",
        "The endpoint takes mail again",
        looks=3,
        for_customers=True,
    ),
    AlertKind("run.failed", "A run of changes failed", "The run was carried out"),
    AlertKind("quota.80", "A quota is used to 80 % or more", "The quota is below 80 % again"),
    AlertKind(
        "tenant.suspended", "Amazon stopped a tenant's sending", "Amazon lets the tenant send again", for_customers=True
    ),
    AlertKind("tenant.high_finding", "Amazon found a serious problem with a tenant", "Amazon's finding is resolved"),
    AlertKind("tenant.bounces", "Too much of a tenant's mail bounces", "Fewer messages bounce again", looks=2),
    AlertKind(
        "tenant.complaints", "Too many recipients complain of a tenant", "Fewer recipients complain again", looks=2
    ),
    AlertKind(
        "tenant.unmeasured", "A tenant sent mail, and nothing is measured", "The tenant's mail is measured again"
    ),
    AlertKind("tenant.paused", "A tenant's sending is paused", "The tenant sends again", for_customers=True),
    AlertKind("account.reputation", "Amazon watches our whole account", "Our account is in good standing again"),
    AlertKind(
        "account.rates",
        "Too many bounces or complaints over our whole account",
        "Our account's rates are fine",
        looks=2,
    ),
    AlertKind("receiving.stopped", "SES does not apply our receipt rules", "SES applies our receipt rules again"),
    AlertKind("receiving.not_set_up", "Receiving is not set up, and customers wait for it", "Receiving is set up"),
    AlertKind("receiving.harmed", "Another rule takes customers' mail", "No other rule takes customers' mail"),
    AlertKind("receiving.lost", "Inbound mail was lost", "No more inbound mail is lost"),
    AlertKind(
        "receiving.failing", "Inbound mail could not be handed over", "Inbound mail is handed over again", looks=2
    ),
    AlertKind("function.failing", "The function that takes inbound mail fails", "The function works again", looks=2),
    AlertKind(
        "amazon.unreachable",
        "Amazon does not answer",
        "Amazon answers again",
        minimum_age=timedelta(minutes=10),
        looks=2,
    ),
    AlertKind(
        "webhook.off",
        "A webhook was switched off, since it failed for days",
        "The webhook is on again",
        for_customers=True,
    ),
    AlertKind(
        "staff.acted",
        "Our staff changed something of yours",
        "A change by our staff, followed by another",
        for_customers=True,
        optional=False,
    ),
)
KINDS = keyed((kind.name, kind) for kind in _KINDS)


def kind_named(name: str) -> AlertKind:
    """One that is not in the table is raised at the first look and shown by its name."""
    return KINDS.get(name) or AlertKind(name, name, f"{name} is over")


def kinds_for(*, staff: bool) -> tuple[AlertKind, ...]:
    """What a person can be told of; whoever is no staff hears of their own customer's things alone."""
    return tuple(kind for kind in _KINDS if kind.optional and (staff or kind.for_customers))


class AlertState(StrEnum):
    SUSPECTED = "suspected"
    OPEN = "open"
    RECOVERED = "recovered"


class Effect(StrEnum):
    """What a look came to; FORGOTTEN is a suspicion that was none."""

    NOTHING = "nothing"
    RAISED = "raised"
    RECOVERED = "recovered"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True)
class Watch:
    """`looks` in a row that saw it, `clear` in a row that did not."""

    state: AlertState
    since: datetime
    looks: int = 0
    clear: int = 0


def look(watch: Watch | None, *, firing: bool, kind: AlertKind, now: datetime) -> tuple[Watch | None, Effect]:
    """What is known after one more look, and what is to be done. None is "nothing is known of it"."""
    if not firing:
        return _clear(watch, kind)
    seen = Watch(AlertState.SUSPECTED, now) if watch is None else watch
    seen = replace(seen, looks=seen.looks + 1, clear=0)
    if seen.state is AlertState.OPEN or seen.looks < kind.looks or now - seen.since < kind.minimum_age:
        return seen, Effect.NOTHING
    return replace(seen, state=AlertState.OPEN), Effect.RAISED


def _clear(watch: Watch | None, kind: AlertKind) -> tuple[Watch | None, Effect]:
    if watch is None:
        return None, Effect.NOTHING
    if watch.state is AlertState.SUSPECTED:
        return None, Effect.FORGOTTEN
    seen = replace(watch, clear=watch.clear + 1)
    if seen.clear < kind.looks_clear:
        return seen, Effect.NOTHING
    return replace(seen, state=AlertState.RECOVERED), Effect.RECOVERED


@dataclass(frozen=True)
class Staff:
    """Those of our staff who hold the permission, such as `receipt_rules.operate_rules`."""

    permission: str


@dataclass(frozen=True)
class CustomerPeople:
    """The owners of a customer are told; all its members see it."""

    customer_id: str


@dataclass(frozen=True)
class Person:
    """One person alone, by the id of their account."""

    user_id: int


Audience = Staff | CustomerPeople | Person
