"""Removes a deleted or transferred domain from inactive managed rule sets, and deletes old rule sets.

A person can activate an inactive set, so such a domain must be removed from it too. The old set is kept when a
blue/green run replaces it; an account can have 40.
"""

import structlog
from django.conf import settings
from django.db import transaction

from accounts.models.people import User
from audit import services as audit_services
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import Holders
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from receipt_rules.live import gateway as live_gateway
from receipt_rules.live.services import is_own, read_inactive_sets, read_live, receives_here
from receipt_rules.models.runs import OwnRuleSet
from receipt_rules.planner.core.rules import Rule, RuleSet, domain_of
from receipt_rules.planner.core.steps import Delete, Update
from receipt_rules.run_executor.services import apply_step, is_transient
from receipt_rules.runs.selectors import is_left_over, rule_set_subject

log = structlog.get_logger(__name__)


def clear_deleting_domains() -> None:
    """Remove domains that are being deleted. Holds the rules' lock. Raises AwsProblem to wait and retry.

    If SES refuses a change, the recipient stays, and the deletion of the domain waits.
    """
    going = Domain.objects.filter(region=settings.AWS_REGION, stage=Stage.DELETING, routes_removed_at=None)
    if receives_here():
        remove_from_inactive_sets(tuple(going.values_list("name", flat=True)))


def remove_from_inactive_sets(names: tuple[str, ...]) -> None:
    """Remove these domains from inactive managed rule sets. See `clear_deleting_domains`."""
    if not names:
        return
    holders = Holders.read()
    for kept in read_inactive_sets(read_live(all_sets=True)):
        for rule in kept.ours:
            _clear(kept, rule, names, holders)


def _clear(kept: RuleSet, rule: Rule, names: tuple[str, ...], holders: Holders) -> None:
    left = tuple(each for each in rule.recipients if not any(holders.belongs(domain_of(each), name) for name in names))
    if len(left) == len(rule.recipients):
        return
    changed = Rule(rule.name, rule.delivery, left, enabled=rule.enabled) if left else None
    step = Update(kept.name, rule, changed) if changed else Delete(kept.name, rule)
    try:
        with aws.recording() as request_ids:
            apply_step(step)
    except AwsProblem as problem:
        if is_transient(problem):
            raise
        log.warning("a rule set that is not active could not be changed", rule_set=kept.name, problem=str(problem))
        return
    audit_services.record(
        "rules.kept_changed",
        about=rule_set_subject(kept.name),
        actor=None,
        before={"recipients": len(rule.recipients)},
        after={"recipients": len(left)},
        aws_request_ids=request_ids,
        for_staff=True,
    )


def old_rule_sets() -> tuple[str, ...]:
    """Return names of inactive managed rule sets that weren't adopted, and what failed runs left. Raises AwsProblem."""
    live = read_live(all_sets=True)
    return tuple(sorted(name for name in live.sets.names if _is_old(name, live.sets.active)))


def delete_rule_set(*, name: str, actor: User) -> None:
    """Delete a set with its rules, unless it is active, adopted or unmanaged. Raises Refused and AwsProblem."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can delete rule sets.", code="NOT_ALLOWED")
    if not _is_old(name, read_live().sets.active):
        raise Refused(f"{name} is active or unmanaged, so it can't be deleted.", code="RULE_SET_STAYS")
    with aws.recording() as request_ids:
        live_gateway.delete_rule_set(name)
    with transaction.atomic():
        OwnRuleSet.objects.filter(region=settings.AWS_REGION, name=name).delete()
        audit_services.record(
            "rules.set_deleted",
            about=rule_set_subject(name),
            actor=actor,
            before={"rule_set": name},
            aws_request_ids=request_ids,
            for_staff=True,
        )


def _is_old(name: str, active: str) -> bool:
    adopted = OwnRuleSet.objects.filter(region=settings.AWS_REGION, name=name, adopted=True)
    return name != active and (is_own(name) or is_left_over(name)) and not adopted.exists()
