"""Rule sets of ours that are not active can be made active by hand, so a domain that is deleted leaves them as well."""

import structlog
from django.conf import settings

from changes import services as changes
from domains.core.records import RECEIVING_REGIONS
from domains.models import Domain, Stage
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.core.recipients import domain_of
from receipt_rules.core.rules import Rule, RuleSet
from receipt_rules.core.steps import Delete, Update
from receipt_rules.selectors.owning import Holders
from receipt_rules.services.reading import read_kept, read_live
from receipt_rules.services.sending import passes_by_itself, send
from receipt_rules.services.subjects import rule_set_subject

log = structlog.get_logger(__name__)


def clear_leaving() -> None:
    """Under the rules' lock. Raises AwsProblem where to wait; what SES refuses stays, and the domain waits for it."""
    going = Domain.objects.filter(region=settings.AWS_REGION, stage=Stage.DELETING, routes_removed_at=None)
    names = tuple(going.values_list("name", flat=True))
    if not names or settings.AWS_REGION not in RECEIVING_REGIONS:
        return
    holders = Holders.read()
    for kept in read_kept(read_live(all_sets=True)):
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
            send(step)
    except AwsProblem as problem:
        if passes_by_itself(problem):
            raise
        log.warning("a rule set that is not active could not be changed", rule_set=kept.name, problem=str(problem))
        return
    changes.record(
        "rules.kept_changed",
        about=rule_set_subject(kept.name),
        actor=None,
        before={"recipients": len(rule.recipients)},
        after={"recipients": len(left)},
        aws_request_ids=request_ids,
        for_staff=True,
    )
