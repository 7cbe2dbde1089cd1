"""Removes a deleted domain's addresses and catch-alls, and finds what at SES still refers to it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction

from accounts.models.people import User
from audit import services as audit_services
from domains.models.domains import Domain
from domains.ownership.selectors import Holders
from domains.records.core import RECEIVING_REGIONS
from receipt_rules.addresses.services import remove_address, remove_catch_all
from receipt_rules.expectations.selectors import expectation_subject
from receipt_rules.live.services import read_inactive_sets, read_live
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.expectations import Expectation
from receipt_rules.models.runs import UNFINISHED, Run
from receipt_rules.planner.core.desired import without_covered
from receipt_rules.planner.core.plans import Plan, load
from receipt_rules.planner.core.rules import AnyRule, Rule, RuleSet, domain_of
from receipt_rules.planner.core.steps import Activate, CloneSet, Create, CreateSet, Step, Update, rule_steps
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
        {recipient: each for recipient, each in now.desired.entries.items() if recipient not in scope}
    )
    refused = {recipient: each for recipient, each in now.desired.refused.items() if recipient not in scope}
    rest = replace(rest, refused=refused)
    return plan_changes(PlanRequest(scope=scope), live, DesiredState(rest, now.holders))


def recipients_of_domain(domain: Domain) -> tuple[str, ...]:
    """Return a sentence for each thing that receives mail for the domain."""
    rows = (*Address.objects.filter(domain=domain), *CatchAll.objects.select_related("domain").filter(domain=domain))
    return tuple(str(row) for row in rows)


@transaction.atomic
def remove_all(*, domain: Domain, actor: User | None, bulk_id: str = "") -> int:
    """Remove all addresses and catch-alls, each with a log entry; the worker then changes the rules.

    Returns the number of addresses.
    """
    Domain.objects.select_for_update(of=("self",)).filter(pk=domain.pk).first()
    addresses, catch_alls = list(Address.objects.filter(domain=domain)), list(CatchAll.objects.filter(domain=domain))
    for address in addresses:
        remove_address(address=address, actor=actor, bulk_id=bulk_id)
    for catch_all in catch_alls:
        remove_catch_all(domain=domain, actor=actor, subdomains=catch_all.subdomains, bulk_id=bulk_id)
    return len(addresses)


@dataclass(frozen=True)
class ManagedRules:
    """The active rule set, the rules of it that we may change, and the inactive managed sets, as just read."""

    active: RuleSet
    changeable: tuple[Rule, ...]
    kept: tuple[RuleSet, ...]


def read_rules() -> ManagedRules:
    """Read every rule set that delivers, or would once activated. Raises AwsProblem: then nothing is known."""
    if settings.AWS_REGION not in RECEIVING_REGIONS:
        return ManagedRules(RuleSet(""), (), ())
    live = read_live(all_sets=True)
    active = (live.rule_set if live.is_active else live.unmanaged_set) or RuleSet("")
    return ManagedRules(active, tuple(active.ours) if live.is_active else (), read_inactive_sets(live))


def find_references(*, domain: Domain, rules: ManagedRules) -> RuleReferences:
    """Return what refers to the domain, or to a subdomain that isn't a domain of its own."""
    holders = Holders.read()

    def at(rule: AnyRule) -> tuple[str, ...]:
        named = sorted(rule.recipient_set)
        return tuple(each for each in named if holders.belongs(domain_of(each.lower()), domain.name))

    others = (rule for rule in rules.active.rules if rule not in rules.changeable)
    return RuleReferences(
        ours=tuple(each for rule in rules.changeable for each in at(rule)),
        foreign=tuple((rule.name, rules.active.name) for rule in others if at(rule)),
        kept=tuple(kept.name for kept in rules.kept if any(at(rule) for rule in kept.ours)),
    )


def is_used_by_open_run(*, domain: Domain) -> bool:
    """Return whether an unfinished run may still write a rule that names the domain, or clones a set that may."""
    holders = Holders.read()
    runs = Run.objects.filter(state__in=UNFINISHED, region=settings.AWS_REGION).prefetch_related("steps")
    steps = [load(row.step) for run in runs for row in run.steps.all()]
    if any(isinstance(step, CloneSet | CreateSet | Activate) for step in steps):
        return True
    return any(holders.belongs(domain_of(each), domain.name) for each in _written(steps))


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
