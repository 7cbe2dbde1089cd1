"""The kinds of alerts, the state machine of a watched condition, and the audiences. Pure: the time is an argument.

Each kind has its words and the number of observations after which an alert is raised. `advance` moves a condition from
suspected to raised to resolved.
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


_KINDS = (
    # For records, two resolvers must also agree before a domain is at risk. Here, two checks are counted.
    AlertKind(
        "domain.at_risk",
        "A verified domain needs action",
        "The domain's problem is resolved",
        checks_to_raise=2,
        minimum_age=timedelta(minutes=1),
        for_customers=True,
    ),
    AlertKind(
        "domain.new_dkim",
        "SES has new DKIM keys for a domain",
        "The domain's new DKIM keys are verified",
        for_customers=True,
    ),
    AlertKind(
        "domain.former_key",
        "A former owner may have the DKIM key of a domain",
        "The DKIM key of the domain was replaced",
        for_customers=True,
    ),
    AlertKind(
        "identities.changed",
        "Identities of verified domains were deleted or changed in SES",
        "SES has the identities of all verified domains again",
    ),
    AlertKind(
        "domain.verified",
        "A domain you asked about is verified",
        "The domain is verified",
        for_customers=True,
        is_news=True,
    ),
    AlertKind(
        "domain.rejects_mail",
        "A domain's mail is rejected, bounced or lost",
        "The domain's mail is no longer rejected, bounced or lost",
        for_customers=True,
    ),
    AlertKind(
        "domain.mta_sts",
        "A domain's MTA-STS policy blocks its mail",
        "The domain's MTA-STS policy no longer blocks its mail",
        for_customers=True,
    ),
    AlertKind(
        "domain.probe_missing",
        "A scheduled test message did not arrive",
        "Scheduled test messages arrive again",
        for_customers=True,
    ),
    AlertKind(
        "domain.displaced",
        "Another account proved ownership of a domain",
        "Ownership of the domain is proven",
        for_customers=True,
    ),
    AlertKind(
        "domain.expiring",
        "An unverified domain will be removed",
        "The domain won't be removed",
        for_customers=True,
    ),
    AlertKind("domain.removal_held_up", "Deletion of a domain is delayed", "Deletion of the domain continues"),
    AlertKind(
        "route.outlived",
        "Mail still goes to a previous owner of the domain",
        "No mail goes to the previous owner",
    ),
    AlertKind("rule.drift", "Receipt rules were changed outside this system", "Receipt rules match ours again"),
    AlertKind(
        "rule.untouched",
        "SES refuses an address that receives mail, so its rule can't be changed",
        "Every receipt rule can be changed again",
    ),
    AlertKind("drift.found", "Drift found in SES", "SES matches our data again"),
    AlertKind(
        "address.refused",
        "SES refused an address",
        "The rejected address was changed",
        for_customers=True,
    ),
    AlertKind(
        "endpoint.failing",
        "An endpoint doesn't accept mail",
        "The endpoint accepts mail again",
        checks_to_raise=3,
        for_customers=True,
    ),
    AlertKind("run.failed", "A run failed", "The run completed"),
    AlertKind("quota.80", "A quota is at least 80% used", "The quota is below 80% again"),
    AlertKind(
        "tenant.suspended",
        "AWS suspended a tenant's sending",
        "AWS reinstated the tenant's sending",
        for_customers=True,
    ),
    AlertKind(
        "tenant.high_finding", "SES opened a high-impact reputation finding", "The reputation finding is resolved"
    ),
    AlertKind(
        "tenant.bounces",
        "A tenant's bounce rate is high",
        "The tenant's bounce rate is normal again",
        checks_to_raise=2,
    ),
    AlertKind(
        "tenant.complaints",
        "A tenant's complaint rate is high",
        "The tenant's complaint rate is normal again",
        checks_to_raise=2,
    ),
    AlertKind("tenant.unmeasured", "A tenant sent mail but has no metrics", "The tenant has metrics again"),
    AlertKind("tenant.paused", "A tenant's sending is paused", "The tenant's sending resumed", for_customers=True),
    AlertKind(
        "tenant.pause_undone",
        "Somebody ended a pause of ours in SES, so the tenant can send",
        "The undone pause was applied again or ended",
    ),
    AlertKind(
        "tenant.incomplete",
        "SES no longer has a tenant or one of its domains, so it rejects sends",
        "SES has the tenant and its domains again",
    ),
    AlertKind(
        "sending.rejected",
        "Amazon SES rejects your sends",
        "Amazon SES accepts your sends again",
        for_customers=True,
    ),
    AlertKind(
        "account.reputation",
        "Sending is stopped for our AWS account, or AWS reviews it",
        "Our AWS account sends, and AWS no longer reviews it",
    ),
    AlertKind(
        "tenant.receiving",
        "SES hasn't stopped or restored a customer's inbound mail",
        "SES stopped or restored the customer's inbound mail",
    ),
    AlertKind(
        "account.rates",
        "The account's bounce or complaint rate is high",
        "The account's rates are normal again",
        checks_to_raise=2,
    ),
    AlertKind("receiving.stopped", "SES doesn't apply our receipt rules", "SES applies our receipt rules again"),
    AlertKind("receiving.not_set_up", "Receiving isn't set up and customers are waiting", "Receiving is set up"),
    AlertKind(
        "receiving.harmed",
        "An unmanaged rule intercepts customers' mail",
        "No unmanaged rule intercepts customers' mail",
    ),
    AlertKind(
        "receiving.rejected",
        "SES rejects customers' mail that it received before",
        "SES receives that mail again",
    ),
    AlertKind(
        "receiving.undelivered",
        "A receipt rule stores customers' mail without delivering it, or rejects some of it",
        "The receipt rules deliver that mail again",
    ),
    AlertKind(
        "receiving.filtered",
        "IP filters in SES block customers' mail",
        "No IP filter in SES blocks that many senders",
    ),
    AlertKind(
        "receiving.split",
        "A customer's subdomain catch-all ended because another customer has proven a subdomain",
        "Every subdomain catch-all receives again",
    ),
    AlertKind(
        "mail.undecided",
        "Mail came in when its domain changed hands, so staff choose its customer",
        "All mail that came in when a domain changed hands is decided",
    ),
    AlertKind(
        "mail.ended",
        "Mail of a domain that you no longer hold isn't delivered",
        "Nothing more to do",
        for_customers=True,
        is_news=True,
    ),
    AlertKind("storage.unreadable", "Stored mail can't be read", "Stored mail can be read again"),
    AlertKind("receiving.lost", "Inbound mail was lost", "Inbound mail is no longer lost"),
    AlertKind(
        "receiving.failing",
        "Inbound mail isn't delivered to the function",
        "Inbound mail is delivered to the function again",
        checks_to_raise=2,
    ),
    AlertKind(
        "function.failing",
        "The inbound mail function fails",
        "The inbound mail function works again",
        checks_to_raise=2,
    ),
    AlertKind(
        "function.key_refused",
        "The API key of the inbound mail function is refused, so no mail is delivered",
        "The inbound mail function has an API key that works",
        checks_to_resolve=3,  # an old and a new function may call in turn
    ),
    AlertKind(
        "function.key_expiring",
        "The API key of the inbound mail function expires",
        "The inbound mail function uses another API key",
    ),
    AlertKind(
        "amazon.unreachable",
        "AWS isn't responding",
        "AWS is responding again",
        minimum_age=timedelta(minutes=10),
        checks_to_raise=2,
    ),
    AlertKind(
        "webhook.off",
        "A webhook was turned off because its deliveries failed",
        "The webhook is on again",
        for_customers=True,
    ),
    AlertKind(
        "staff.acted",
        "Our staff made a change for you",
        "Our staff made a further change",
        for_customers=True,
        optional=False,
    ),
)
KINDS = keyed((kind.name, kind) for kind in _KINDS)
ALWAYS_SENT = tuple(kind.name for kind in _KINDS if not kind.optional)

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


def kinds_for(*, staff: bool) -> tuple[AlertKind, ...]:
    """Return the kinds a person can be notified of. Customers only get kinds about their own data."""
    return tuple(kind for kind in _KINDS if kind.optional and (staff or kind.for_customers))


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
    """Staff with the permission, such as `receipt_rules.operate_rules`."""

    permission: str


@dataclass(frozen=True)
class CustomerPeople:
    """A customer: its owners are notified, all members see the alert."""

    customer_id: str


@dataclass(frozen=True)
class Person:
    """One person, by account ID."""

    user_id: int


Audience = Staff | CustomerPeople | Person
