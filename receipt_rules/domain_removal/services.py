"""Finds what receives mail for a domain that is deleted, and what at SES still refers to it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction

from accounts.models.people import User
from audit import services as audit_services
from domains.models.domains import Domain
from domains.ownership.selectors import Holders
from receipt_rules.live.services import read_inactive_sets, read_live, receives_here
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.expectations import Expectation
from receipt_rules.models.runs import UNFINISHED, Run
from receipt_rules.planner.core.desired import without_covered
from receipt_rules.planner.core.plans import Plan, load
from receipt_rules.planner.core.rules import AnyRule, Rule, RuleSet, domain_of
from receipt_rules.planner.core.steps import Activate, CloneSet, Create, CreateSet, Step, Update, rule_steps
from receipt_rules.planner.selectors import expectation_subject
from receipt_rules.planner.services import DesiredState, PlanRequest, plan_changes, read_desired_state, recipients_at


@dataclass(frozen=True)
class RuleReferences:
    """Everything at SES that refers to a domain, as just read.

    `ours`: recipients in active rules that we may change. `foreign`: other active rules, with their set. `kept`:
    inactive managed rule sets that name the domain in a managed rule.
    """

    ours: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str], ...] = ()
    kept: tuple[str, ...] = ()


def plan_without(*, domain: Domain) -> Plan:
    """Return the plan that removes all recipients of the domain. Raises Refused as `make_plan`, AwsProblem."""
    live, now = read_live(), read_desired_state()
    scope = recipients_at(domain.name, now, live.rule_set)
    rest = without_covered(
        {recipient: each for recipient, each in now.desired.entries.items() if recipient not in scope},
        shared=now.holders.shared,
        owner=now.holders.customer_of,
    )
    refused = {recipient: each for recipient, each in now.desired.refused.items() if recipient not in scope}
    rest = replace(rest, refused=refused)
    return plan_changes(PlanRequest(scope=scope), live, DesiredState(rest, now.holders))


def recipients_of_domain(domain: Domain) -> tuple[str, ...]:
    """Return a sentence for each thing that receives mail for the domain."""
    rows = (*Address.objects.filter(domain=domain), *CatchAll.objects.select_related("domain").filter(domain=domain))
    return tuple(str(row) for row in rows)


@dataclass(frozen=True)
class ManagedRules:
    """The active rule set, the rules of it that we may change, and the inactive managed sets, as just read.

    `holders`: whose each name in them is.
    """

    active: RuleSet
    changeable: tuple[Rule, ...]
    kept: tuple[RuleSet, ...]
    holders: Holders


def read_rules() -> ManagedRules:
    """Read every rule set that delivers, or would once activated. Raises AwsProblem: then nothing is known."""
    if not receives_here():
        return ManagedRules(RuleSet(""), (), (), Holders.read())
    live = read_live(all_sets=True)
    active = (live.rule_set if live.is_active else live.unmanaged_set) or RuleSet("")
    changeable = tuple(active.ours) if live.is_active else ()
    return ManagedRules(active, changeable, read_inactive_sets(live), Holders.read())


def find_references(*, domain: Domain, rules: ManagedRules) -> RuleReferences:
    """Return what refers to the domain, or to a subdomain that isn't a domain of its own."""

    def at(rule: AnyRule) -> tuple[str, ...]:
        named = sorted(each for each in rule.recipient_set if each.lower().endswith(domain.name))
        return tuple(each for each in named if rules.holders.belongs(domain_of(each.lower()), domain.name))

    others = (rule for rule in rules.active.rules if rule not in rules.changeable)
    return RuleReferences(
        ours=tuple(each for rule in rules.changeable for each in at(rule)),
        foreign=tuple((rule.name, rules.active.name) for rule in others if at(rule)),
        kept=tuple(kept.name for kept in rules.kept if any(at(rule) for rule in kept.ours)),
    )


def used_by_open_run(domains: Collection[Domain]) -> set[str]:
    """Return the IDs of domains that an unfinished run may still write to a rule, or clone with a set."""
    if not domains:
        return set()
    runs = Run.objects.filter(state__in=UNFINISHED, region=settings.AWS_REGION).prefetch_related("steps")
    steps = [load(row.step) for run in runs for row in run.steps.all()]
    if any(isinstance(step, CloneSet | CreateSet | Activate) for step in steps):
        return {domain.pk for domain in domains}
    if not (names := {domain_of(each) for each in _written(steps)}):
        return set()
    holders = Holders.read()
    return {domain.pk for domain in domains if any(holders.belongs(name, domain.name) for name in names)}


def _written(steps: list[Step]) -> Iterable[str]:
    for step in rule_steps(steps):
        if isinstance(step, Create | Update):
            yield from step.new.recipients


@transaction.atomic
def delete_expectations(*, domain: Domain, actor: User | None, bulk_id: str = "") -> None:
    """Delete expectations for its addresses: they concern the former holder."""
    holders = Holders.read()
    for each in Expectation.objects.filter(address__iendswith=domain.name):
        if holders.belongs(domain_of(each.address.lower()), domain.name):
            about, before = expectation_subject(each), {"address": each.address, "expected": each.expected}
            audit_services.record(
                "expectation.removed", about=about, actor=actor, before=before, bulk_id=bulk_id, for_staff=True
            )
            each.delete()
