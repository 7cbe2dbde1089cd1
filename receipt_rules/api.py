"""Operations of the API about rules in SES, what would happen to a message, and test messages."""

from datetime import datetime
from typing import Annotated, Literal, cast

from django.http import HttpRequest
from django.utils import timezone
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from accounts.models.people import User
from domains.api import domain_of
from domains.models.domains import Domain
from inbound_admin.lib.api.schemas import In, Out, Text
from inbound_admin.lib.errors import NotAllowed
from receipt_rules.drift import services as drift_services
from receipt_rules.live.selectors import Sharing, capacity, demand, sharing_by_rule
from receipt_rules.live.services import Live, read_live
from receipt_rules.planner.core.matching import RuleOutcome, why_not
from receipt_rules.planner.core.rules import ForeignRule, RuleSet
from receipt_rules.probes.core import OFF, ProbePace
from receipt_rules.probes.selectors import schedule_of
from receipt_rules.probes.services import schedule_probes
from receipt_rules.route_lookup.selectors import Route
from receipt_rules.runs.selectors import may_see_rules
from receipt_rules.simulator import services as simulator_services

# API operations on live receipt rules, capacity and drift, for staff.


router = call_router("Receipt rules")


class LiveRuleOut(Out):
    """A rule with `isOurs` false is never changed by us. `strangers` counts recipients at no customer's domain."""

    number: int
    name: str
    is_ours: bool
    enabled: bool
    recipients: list[str] = Field(description="Empty: the rule applies to all recipients")
    delivery: str
    tls_required: bool
    scan: bool
    may_be_taken_over: bool
    customers: list[str] = Field(description="IDs of the customers whose recipients it has")
    strangers: int


class MeterOut(Out):
    used: int
    limit: int
    percent: int


class CapacityOut(Out):
    rules: MeterOut
    recipients: MeterOut
    identities: MeterOut
    foreign_rules: int
    domains_each_prefix: int
    wanted: int
    sentence: str
    forecast: str


class RulesDifferenceOut(Out):
    key: str
    kind: str
    rule: str
    sentence: str
    is_ignored: bool


class LiveRulesOut(Out):
    """With `isActive` false, SES uses another rule set, `stranger`, or none (null)."""

    rule_set: str
    is_active: bool
    stranger: str | None
    rules: list[LiveRuleOut]
    capacity: CapacityOut
    differences: list[RulesDifferenceOut]


class RulesDecision(In):
    """accept: take the live rules as they are. ignore: hide difference `key`. adopt: make active set `name` ours."""

    decision: Literal["accept", "ignore", "adopt"]
    because: Text
    key: Text = ""
    name: Text = ""


def rules_viewer(request: HttpRequest) -> User:
    """Return the caller. Raises NotAllowed for those who can't see all customers' rules."""
    viewer = caller(request)
    if not may_see_rules(viewer):
        raise NotAllowed("Only staff can see receipt rules.")
    return viewer


@router.get("/v2/receipt-rules", **reads(LiveRulesOut, staff=True), summary="List live receipt rules")
def get_live_rules(request: HttpRequest) -> LiveRulesOut:
    """Read the receipt rules from SES now, and return them with capacity and drift.

    One SES call, or up to three if our rule set isn't active.
    """
    rules_viewer(request)
    return _live(read_live())


@router.post("/v2/receipt-rules/decisions", **writes(LiveRulesOut, staff=True), summary="Accept or ignore drift")
def decide_over_rules(request: HttpRequest, asked: RulesDecision) -> LiveRulesOut:
    """Decide what to do about a difference between the live receipt rules and our last run.

    `accept` takes the live rules as they are, `ignore` hides the difference `key`, `adopt` makes the active rule
    set `name` ours. Returns the live rules. Refused: 422 `DIFFERENCE_MISSING`, `RULE_SET_MISSING`,
    `RULE_SET_NOT_OURS`, `NOT_POSSIBLE` for an outage, 403 for staff who aren't operators.
    """
    actor = rules_viewer(request)
    if asked.decision == "accept":
        drift_services.accept(because=asked.because, actor=actor)
    elif asked.decision == "adopt":
        drift_services.adopt_rule_set(name=asked.name, because=asked.because, actor=actor)
    else:
        drift_services.ignore(key=asked.key, because=asked.because, actor=actor)
    return _live(read_live())


def _live(live: Live) -> LiveRulesOut:
    shown = live.unmanaged_set or live.rule_set
    return LiveRulesOut(
        rule_set=live.rule_set.name,
        is_active=live.is_active,
        stranger=live.unmanaged_set.name if live.unmanaged_set else None,
        rules=[_rule(number, each) for number, each in enumerate(sharing_by_rule(shown.rules), start=1)],
        capacity=_capacity(shown),
        differences=[RulesDifferenceOut.of(each) for each in drift_services.differences(live)],
    )


def _rule(number: int, sharing: Sharing) -> LiveRuleOut:
    rule = sharing.rule
    return LiveRuleOut(
        number=number,
        name=rule.name,
        is_ours=not isinstance(rule, ForeignRule),
        enabled=rule.enabled,
        recipients=sorted(rule.recipient_set),
        delivery=str(rule.delivery),
        tls_required=rule.delivery.tls_required,
        scan=rule.delivery.scan,
        may_be_taken_over=isinstance(rule, ForeignRule) and rule.may_be_taken_over,
        customers=[customer.pk for customer in sharing.customers],
        strangers=sharing.unowned,
    )


def _capacity(rule_set: RuleSet) -> CapacityOut:
    full = capacity(rule_set)
    wanted, ends = demand(left=full.recipients.left, now=timezone.now())
    meters = {name: MeterOut.of(getattr(full, name)) for name in ("rules", "recipients", "identities")}
    return CapacityOut.of(full, **meters, wanted=wanted, forecast=ends)


# API operation of the simulator, for staff.


class EnvelopeAsked(In):
    recipients: Annotated[list[Text], Field(min_length=1, max_length=simulator_services.MOST_RECIPIENTS)] = Field(
        description="All recipients of one message: rules are evaluated for them together"
    )


class OutcomeOut(Out):
    number: int
    rule: str
    fired: bool
    recipients: list[str]
    why: str


class MailHostOut(Out):
    """The mail servers of a domain. `isAmazon` is null if the DNS lookup failed."""

    domain: str
    hosts: list[str]
    is_amazon: bool | None
    sentence: str


class RecipientOut(Out):
    """`because`: address, label, domain, subdomain, off, stopped (by staff) or nobody.

    `fate`: stored, rejected (550: no rule matches), bounced, or lost (SES accepts it, and nothing stores it).
    """

    recipient: str
    because: str
    customer_id: str | None
    endpoint_id: str | None
    taken_by: list[str]
    fate: str


class StoredOut(Out):
    rule: str
    place: str


class SimulationOut(Out):
    rule_set: str
    is_rejected: bool
    stopped_by: str | None
    flags: list[str]
    recipients: list[RecipientOut]
    rules: list[OutcomeOut]
    mail_hosts: list[MailHostOut]
    stored_at: list[StoredOut]


@router.post("/v2/receipt-rules/simulate", **reads(SimulationOut, staff=True), summary="Simulate a message")
def simulate_message(request: HttpRequest, asked: EnvelopeAsked) -> SimulationOut:
    """Simulate a message against the live rules and DNS. Nothing is changed or sent.

    Returns what each rule does, and whether each recipient's mail is stored, rejected or lost. All recipients are
    those of one message.
    """
    rules_viewer(request)
    active = read_live().active
    found = simulator_services.simulate(envelope=asked.recipients, live=active)
    routing = found.routing
    return SimulationOut(
        rule_set=active.name,
        is_rejected=routing.is_rejected,
        stopped_by=routing.stopped_by or None,
        flags=list(routing.flags),
        recipients=[_recipient(route, found) for route in found.routes],
        rules=[_outcome(number, each) for number, each in enumerate(routing.outcomes, start=1)],
        mail_hosts=[MailHostOut.of(each) for each in found.mail_hosts],
        stored_at=[StoredOut(rule=rule, place=place) for rule, place in found.stored_at],
    )


def _recipient(route: Route, found: simulator_services.Simulation) -> RecipientOut:
    return RecipientOut(
        recipient=route.recipient,
        because=route.because,
        customer_id=route.customer or None,
        endpoint_id=route.endpoint.pk if route.endpoint else None,
        fate=found.routing.recipient_outcomes[route.recipient],
        taken_by=[rule.name for rule in found.routing.received_by.get(route.recipient, ())],
    )


def _outcome(number: int, outcome: RuleOutcome) -> OutcomeOut:
    explained = outcome.matches or outcome.stopped_by
    return OutcomeOut(
        number=number,
        rule=outcome.rule.name,
        fired=outcome.fired,
        recipients=[match.recipient for match in outcome.matches],
        why=outcome.sentence if explained else why_not(outcome.rule, outcome.misses[0]),
    )


# API operations on a domain's scheduled test messages.


probes = call_router("Domains")

PaceName = Literal["off", "daily", "hourly"]
VerdictName = Literal["", "waiting", "arrived", "missing", "could_not_tell"]


class ProbeScheduleOut(Out):
    domain_id: str
    schedule: PaceName
    next_at: datetime | None = Field(description="When the next message is sent")
    last_recipient: str | None
    last_asked_at: datetime | None
    last_verdict: VerdictName = Field(description="Empty until the first message is sent")
    message: str = Field(description="Why it is missing, with the stage where it stopped, or why we can't tell")


class ProbeScheduleIn(In):
    schedule: PaceName


@probes.get(
    "/v2/domains/{domain_id}/test-messages", **reads(ProbeScheduleOut), summary="Get the schedule of test messages"
)
def get_probe_schedule(request: HttpRequest, domain_id: str) -> ProbeScheduleOut:
    """Return how often a test message is sent to the domain, and whether the last one arrived."""
    return _schedule(domain_of(request, domain_id))


@probes.put("/v2/domains/{domain_id}/test-messages", **writes(ProbeScheduleOut), summary="Schedule test messages")
def set_probe_schedule(request: HttpRequest, domain_id: str, asked: ProbeScheduleIn) -> ProbeScheduleOut:
    """Send a test message to the domain every day or hour, or never.

    The first one is sent within the hour. 400 `DOMAIN_NOT_VERIFIED` or `SEND_ONLY` while the domain can't receive
    mail.
    """
    domain = domain_of(request, domain_id)
    pace = None if asked.schedule == OFF else ProbePace(asked.schedule)
    schedule_probes(domain=domain, pace=pace, actor=caller(request))
    return _schedule(domain)


def _schedule(domain: Domain) -> ProbeScheduleOut:
    found = schedule_of(domain)
    probe = found.last_probe if found else None
    return ProbeScheduleOut(
        domain_id=domain.pk,
        schedule=cast("PaceName", found.pace if found else OFF),
        next_at=found.next_at if found else None,
        last_recipient=probe.recipient if probe else None,
        last_asked_at=probe.asked_at if probe else None,
        last_verdict=cast("VerdictName", found.verdict if found else ""),
        message=found.sentence if found else "",
    )
