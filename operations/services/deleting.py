"""A domain is deleted with its addresses, rules and association in one shown order, each part by its own app.

First the rows of what takes mail, then Amazon's rules until they name it no more, then its association with the tenant
and its identity. It may die between any two: the row of the removal stays until the domain is gone.
"""

from dataclasses import dataclass

from django.db import transaction

from changes.models import new_change_id
from domains.models import Domain, Stage
from domains.services import deleting
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.models import DomainRemoval
from operations.services.queue import remove_soon
from receipt_rules.core.plans import Plan
from receipt_rules.selectors.finding import pending_for
from receipt_rules.services import leaving
from tenants.models import User

WAITS_FOR_RULES = "Amazon’s rules still take its mail. They are being changed; then it goes on by itself."


@dataclass(frozen=True)
class Consequences:
    """All that goes, in its order. `rules_problem`: why what changes in the rules cannot be told now."""

    domain: deleting.Consequences
    wishes: tuple[str, ...]
    tenant: str
    rules: Plan | None = None
    rules_problem: str = ""


def consequences(domain: Domain) -> Consequences:
    """Reads the live rules, where anything takes mail."""
    wishes = leaving.wishes_at(domain)
    rules, problem = _rules(domain) if wishes else (None, "")
    tenant = domain.tenant.name if domain.tenant else ""
    return Consequences(deleting.consequences(domain), wishes, tenant, rules, problem)


def delete(*, domain: Domain, typed_name: str, actor: User, bulk_id: str = "") -> None:
    """Raises Refused for a wrong name, or while sub-domains exist or our staff holds it. The worker carries it out."""
    with transaction.atomic():
        locked = Domain.objects.select_for_update(of=("self",)).get(pk=domain.pk)
        if DomainRemoval.objects.filter(domain=locked).exists() or locked.stage == Stage.DELETING:
            return
        deleting.refuse_deletion(domain=locked, typed_name=typed_name)
        removal = DomainRemoval.objects.create(domain=locked, by=actor, bulk_id=bulk_id or new_change_id())
        leaving.remove_all(domain=locked, actor=actor, bulk_id=removal.bulk_id)
        remove_soon()


def removal_of(domain: Domain) -> DomainRemoval | None:
    return DomainRemoval.objects.filter(domain=domain).select_related("by").first()


def work() -> bool:
    """All that were asked for, as far as each can go; False where one waits for its rules. Raises AwsProblem."""
    removals = DomainRemoval.objects.select_related("domain__customer", "by").exclude(domain__stage=Stage.DELETING)
    outcomes = [_carry_on(removal) for removal in removals]  # each has its turn, whatever became of the others
    return all(outcomes)


def carry_on() -> None:
    """Once a minute: the rules may be done meanwhile."""
    if DomainRemoval.objects.exclude(domain__stage=Stage.DELETING).exists():
        remove_soon(unless_running=True)


def _carry_on(removal: DomainRemoval) -> bool:
    domain = removal.domain
    pending = pending_for(domain.customer)
    if pending is not None and pending.waits_because:
        return _wait(removal, pending.waits_because)
    try:
        if not leaving.is_clear(domain=domain):
            return _wait(removal, WAITS_FOR_RULES)
        deleting.delete(domain=domain, typed_name=domain.name, actor=removal.by, bulk_id=removal.bulk_id)
    except Refused as refused:
        return _wait(removal, str(refused))
    except AwsProblem as problem:
        _wait(removal, str(problem))
        raise
    DomainRemoval.objects.filter(pk=removal.pk).update(problem="")
    return True


def _wait(removal: DomainRemoval, why: str) -> bool:
    DomainRemoval.objects.filter(pk=removal.pk).exclude(problem=why).update(problem=why)
    return False


def _rules(domain: Domain) -> tuple[Plan | None, str]:
    try:
        return leaving.plan_without(domain=domain), ""
    except (Refused, AwsProblem) as problem:
        return None, str(problem)
