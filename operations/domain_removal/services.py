"""Deletes a domain and what depends on it. Page, API, batch and command call `request_removal`; the worker continues.

The row of the removal is the intent; it stays until the domain's row is gone. The process may die between any two
lines.

1. `request_removal` marks the domain, so nothing can be added to it, and removes its addresses and catch-alls. Its
   subdomains are marked before.
2. The rules' worker removes them from the receipt rules, in a run like any other change of the customer's.
3. `work` reads SES. While a rule names the domain or an address at it, it waits and says for whom. A failed read proves
   nothing, so it waits as well. It waits for subdomains that are being deleted, too.
4. Only then the domains' worker deletes the identity and the row. Until that moment nobody else can hold the name.

One removal is not a batch: it is one object that waits for SES between its steps and cannot be taken back. Removing
many domains is a batch (`BatchKind.DELETE`) whose items call `request_removal`; its page shows each until the domain is
gone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models.people import User
from audit import services as audit_services
from domains.deletion import services as deletion_services
from domains.domain_list.selectors import domain_subject
from domains.domain_list.services import record_deletion_blocked
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import refuse_moved
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import AwsBusy, AwsProblem, AwsUnreachable, Refused
from inbound_admin.lib.seen import refuse_if_changed
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from operations.jobs import queue_removals
from operations.models import DomainRemoval
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import may_route, pending_for
from receipt_rules.domain_removal import services as domain_removal_services
from receipt_rules.domain_removal.services import ManagedRules
from receipt_rules.jobs import queue_customer_change, queue_work
from receipt_rules.planner.core.plans import Plan
from receipt_rules.received_mail.selectors import retried_mail

WAITS_FOR_RULES = "Waiting until no receipt rule in SES names the domain."
WAITS_FOR_SUB_DOMAIN = "Waiting until the subdomain {name} is deleted."
WAITS_FOR_RUN = "Waiting for another run of rule changes to finish."
FOREIGN = (
    "The receipt rule {rule} in the rule set {rule_set} names it. We did not make that rule, so we don’t change it. "
    "An operator must remove the domain from it in the SES console, or take the rule over. Then the deletion goes on."
)
ANOTHERS = (
    "A receipt rule that we did not make still names it, and we don’t change such rules. "
    "Our staff were notified. The deletion goes on once the rule is changed."
)
KEPT = (
    "The rule set {rule_set}, which is not active, still names it. "
    "If this stays, an operator must delete that rule set. Then the deletion goes on."
)
NOT_ANSWERED = "We don’t know yet whether receipt rules still name it. {problem} We try again automatically."
HELD = "Our staff holds this domain. The deletion goes on when they release it."
ELSEWHERE = "It belongs to the region {region}. The deployment for that region deletes it."
OPERATORS = alerts_core.Staff("receipt_rules.operate_rules")


@dataclass(frozen=True)
class RemovalConsequences:
    """Everything that is deleted, in order. `rules_problem`: why the changes of the rules cannot be computed now.

    `undelivered`: received messages that are still being delivered, also after the deletion.
    """

    domain: deletion_services.IdentityConsequences
    recipients: tuple[str, ...]
    tenant: str
    rules: Plan | None = None
    rules_problem: str = ""
    undelivered: int = 0


@dataclass(frozen=True)
class RequestedRemoval:
    """What `request_removal` deleted immediately.

    `is_gone`: nothing is left to do, as for a claim that was never proven.
    """

    addresses: int
    records: int
    is_gone: bool


@dataclass(frozen=True)
class _Wait:
    """Why a removal waits. `for_customer`: a different text for customers.

    `soon`: the worker itself ends the wait. `of_another`: another removal does, which has its own alert.
    """

    why: str
    for_customer: str = ""
    soon: bool = False
    of_another: bool = False


def consequences(domain: Domain) -> RemovalConsequences:
    """Compute the consequences. Reads the live rules if the domain has addresses or catch-alls."""
    recipients = domain_removal_services.recipients_of_domain(domain)
    rules, problem = _rules(domain) if recipients and domain.stage != Stage.CLAIM else (None, "")
    tenant = domain.tenant.name if domain.tenant else ""
    undelivered = retried_mail(domain.name, domain.customer_id).count()
    return RemovalConsequences(deletion_services.consequences(domain), recipients, tenant, rules, problem, undelivered)


def may_delete(domain: Domain, recipients: Sequence[str], viewer: User) -> bool:
    """Return whether the viewer may end the mail of these recipients, if the domain receives any."""
    return not (domain.is_proven and recipients) or may_route(viewer, domain.customer_id)


def shown_values(domain: Domain) -> dict[str, object]:
    """Return whose it is and what receives mail at it, as the page shows it, for `inbound_admin.lib.seen`."""
    return {"customer": domain.customer_id, "recipients": sorted(domain_removal_services.recipients_of_domain(domain))}


@transaction.atomic
def request_removal(
    *,
    domain: Domain,
    typed_name: str,
    actor: User | None,
    bulk_id: str = "",
    despite_mx: bool = True,
    seen: str = "",
) -> RequestedRemoval:
    """Request the removal. Repeatable. Raises Refused for a wrong name, while it has subdomains that aren't being
    deleted, or while staff hold it, and NotAllowed for staff who may not change where its mail is delivered.

    Without `despite_mx`, also while its MX points here: SES would reject the mail that still arrives. Raises
    ChangedMeanwhile if it belongs to another customer now, or is not as a page showed it (`seen`).
    """
    locked = Domain.objects.select_for_update(of=("self",)).filter(pk=domain.pk).first()
    if locked is None:  # a claim that another request has just deleted
        return RequestedRemoval(0, 0, is_gone=True)
    refuse_moved(locked, domain)
    _refuse_unseen(locked, seen)
    deletion_services.refuse_deletion(domain=locked, typed_name=typed_name)
    if not despite_mx and (leads := locked.mx_here):
        text = f"The MX record of {leads[0]} still leads here. Point it elsewhere first, or say that mail may be lost."
        raise Refused(text, code="MX_LEADS_HERE")
    if locked.stage != Stage.DELETING:
        audit_services.record_staff_request("domain.delete_asked", about=domain_subject(locked), actor=actor)
    bulk_id, records = bulk_id or audit_services.new_bulk_id(), len(locked.records)
    addresses = addresses_services.remove_all(domain=locked, actor=actor, bulk_id=bulk_id)
    if not deletion_services.mark_for_deletion(domain=locked, typed_name=typed_name, actor=actor, bulk_id=bulk_id):
        return RequestedRemoval(addresses, records, is_gone=True)
    DomainRemoval.objects.get_or_create(domain=locked, defaults={"by": actor, "bulk_id": bulk_id})
    queue_removals()
    return RequestedRemoval(addresses, records, is_gone=False)


def _refuse_unseen(locked: Domain, seen: str) -> None:
    if locked.stage != Stage.DELETING:
        refuse_if_changed(seen, shown_values(locked))


def removal_of(domain: Domain) -> DomainRemoval | None:
    return DomainRemoval.objects.filter(domain=domain).select_related("by").first()


def work() -> bool:
    """Continue each removal as far as possible. Returns False if one can continue soon. Raises AwsProblem.

    Pending changes are read first, then runs, then SES once for all removals: that read has what a run wrote before.
    """
    rows = waiting().select_related("domain__customer", "by")
    waits = _judged(rows, lambda each: _wait_by_rows(each.domain))
    to_ask = [removal for removal, wait in waits.items() if wait is None]
    written = domain_removal_services.used_by_open_run([removal.domain for removal in to_ask])
    waits |= {each: _Wait(WAITS_FOR_RUN, soon=True) for each in to_ask if each.domain_id in written}
    if to_ask := [removal for removal in to_ask if waits[removal] is None]:
        rules = _read_rules(to_ask)
        judged = _judged(to_ask, lambda each: _wait_by_rules(each.domain, rules))
        waits = {each: wait for each, wait in waits.items() if each not in to_ask} | judged
    isolation.each_alone("domain removals", waits.items(), lambda each: _continue_or_wait(*each))
    return not any(wait is not None and wait.soon for wait in waits.values())


def _judged(
    removals: Iterable[DomainRemoval], judge: Callable[[DomainRemoval], _Wait | None]
) -> dict[DomainRemoval, _Wait | None]:
    """Return what each waits for. One that can't be judged isn't in the result, so it isn't continued."""
    found: dict[DomainRemoval, _Wait | None] = {}
    isolation.each_alone("domain removals", removals, lambda each: found.update({each: judge(each)}))
    return found


def _continue_or_wait(removal: DomainRemoval, wait: _Wait | None) -> None:
    if wait is None:
        _continue(removal)
    else:
        _record_wait(removal, wait)


def create_missing() -> None:
    """Store a removal for a domain that was marked without one."""
    marked = Domain.objects.filter(region=settings.AWS_REGION, stage=Stage.DELETING, routes_removed_at=None)
    without = marked.exclude(pk__in=DomainRemoval.objects.values("domain"))
    isolation.each_alone("missing removals", without, _create)


@transaction.atomic
def _create(domain: Domain) -> None:
    bulk_id = domain.deletion_bulk_id or audit_services.new_bulk_id()
    DomainRemoval.objects.get_or_create(domain=domain, defaults={"by": domain.wanted_by, "bulk_id": bulk_id})


def waiting() -> QuerySet[DomainRemoval]:
    return DomainRemoval.objects.filter(domain__stage=Stage.DELETING, domain__routes_removed_at=None)


def _read_rules(removals: Sequence[DomainRemoval]) -> ManagedRules:
    try:
        return domain_removal_services.read_rules()
    except AwsProblem as problem:
        passes = isinstance(problem, AwsBusy | AwsUnreachable)  # staff get other alerts of these
        for removal in removals:
            _record_wait(removal, _Wait(NOT_ANSWERED.format(problem=problem)), tell=not passes)
        raise


@transaction.atomic
def _continue(removal: DomainRemoval) -> None:
    domain_removal_services.delete_expectations(domain=removal.domain, actor=removal.by, bulk_id=removal.bulk_id)
    _record_wait(removal, None)
    deletion_services.confirm_routes_removed(domain_id=removal.domain_id)


def _wait_by_rows(domain: Domain) -> _Wait | None:
    """Return why it waits; None if it doesn't. While the worker is about to change rules, SES isn't read."""
    if domain.region != settings.AWS_REGION:
        return _Wait(ELSEWHERE.format(region=domain.region))
    if domain.is_held:
        return _Wait(HELD)
    pending = pending_for(domain.customer)
    if pending is not None and not pending.waits_because:
        return _Wait(WAITS_FOR_RULES, soon=True)
    if below := deletion_services.sub_domain_being_deleted(domain):
        return _Wait(WAITS_FOR_SUB_DOMAIN.format(name=below), of_another=True)
    return None


def _wait_by_rules(domain: Domain, rules: ManagedRules) -> _Wait | None:
    """Return why it waits; None once no rule names the domain."""
    found = domain_removal_services.find_references(domain=domain, rules=rules)
    if found.ours:
        pending = pending_for(domain.customer)
        if pending is None:
            _queue_rule_change(domain)
        return _Wait(pending.waits_because) if pending else _Wait(WAITS_FOR_RULES, soon=True)
    if found.foreign:
        rule, rule_set = found.foreign[0]
        return _Wait(FOREIGN.format(rule=rule, rule_set=rule_set), for_customer=ANOTHERS)
    if found.kept:
        queue_work(unless_running=True)
        return _Wait(KEPT.format(rule_set=found.kept[0]), for_customer=WAITS_FOR_RULES)
    return None


@transaction.atomic
def _queue_rule_change(domain: Domain) -> None:
    """Queue the customer's change again: someone undid it in SES, or it was settled before."""
    queue_customer_change(domain.customer, None, domains=[domain.pk])


@transaction.atomic
def _record_wait(removal: DomainRemoval, wait: _Wait | None, *, tell: bool = True) -> None:
    """Store why it waits, for the domain's page and list. A wait of seconds is not shown as a problem."""
    why = wait.why if wait else ""
    shown = (wait.for_customer or wait.why) if wait else ""
    DomainRemoval.objects.filter(pk=removal.pk).exclude(problem=shown).update(problem=shown)
    held_up = "" if wait is None or wait.soon or wait.of_another else shown
    record_deletion_blocked(domain_id=removal.domain_id, why=held_up)
    if tell:
        alerts_services.observe(
            kind="domain.removal_held_up",
            about=domain_subject(removal.domain),
            firing=bool(held_up),
            why=why if held_up else "",
            severity="medium",
            audience=OPERATORS,
        )


def _rules(domain: Domain) -> tuple[Plan | None, str]:
    try:
        return domain_removal_services.plan_without(domain=domain), ""
    except (Refused, AwsProblem) as problem:
        return None, str(problem)
