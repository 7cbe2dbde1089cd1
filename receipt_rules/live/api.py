"""API operations on live receipt rules, capacity and drift, for staff."""

from typing import Literal

from django.http import HttpRequest
from django.utils import timezone
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from accounts.models.people import User
from inbound_admin.lib.api.schemas import In, Out, Text
from inbound_admin.lib.errors import NotAllowed
from receipt_rules.drift import services as drift_services
from receipt_rules.live.selectors import Meter, Sharing, capacity, demand, sharing_by_rule
from receipt_rules.live.services import Live, read_live
from receipt_rules.planner.core.rules import ForeignRule, RuleSet
from receipt_rules.runs.selectors import may_see_rules

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
        differences=[_difference(each) for each in drift_services.differences(live)],
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
    return CapacityOut(
        rules=_meter(full.rules),
        recipients=_meter(full.recipients),
        identities=_meter(full.identities),
        foreign_rules=full.foreign_rules,
        domains_each_prefix=full.domains_each_prefix,
        wanted=wanted,
        sentence=full.sentence,
        forecast=ends,
    )


def _meter(meter: Meter) -> MeterOut:
    return MeterOut(used=meter.used, limit=meter.limit, percent=meter.percent)


def _difference(each: drift_services.RuleDifference) -> RulesDifferenceOut:
    return RulesDifferenceOut(
        key=each.key, kind=each.kind, rule=each.rule, sentence=each.sentence, is_ignored=each.is_ignored
    )
