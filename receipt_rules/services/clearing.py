"""Old rule sets are kept when a copy takes their place; an account may have forty."""

from django.conf import settings

from changes import services as changes
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from receipt_rules.gateway import ses
from receipt_rules.models import OwnRuleSet
from receipt_rules.services.reading import is_own, read_live
from receipt_rules.services.subjects import rule_set_subject
from tenants.models import User


def old_rule_sets() -> tuple[str, ...]:
    """Names of sets of ours that are not active and that nobody adopted. Reads Amazon's list. Raises AwsProblem."""
    live = read_live(all_sets=True)
    return tuple(sorted(name for name in live.sets.names if _is_old(name, live.sets.active)))


def delete_rule_set(*, name: str, actor: User) -> None:
    """With its rules. One that is active, adopted or not ours stays. Raises Refused and AwsProblem."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Rule sets are deleted by operators.", code="NOT_ALLOWED")
    if not _is_old(name, read_live().sets.active):
        raise Refused(f"{name} is active, or not made by us: it stays.", code="RULE_SET_STAYS")
    with aws.recording() as request_ids:
        ses.delete_rule_set(name)
    OwnRuleSet.objects.filter(region=settings.AWS_REGION, name=name).delete()
    changes.record(
        "rules.set_deleted",
        about=rule_set_subject(name),
        actor=actor,
        before={"rule_set": name},
        aws_request_ids=request_ids,
        for_staff=True,
    )


def _is_old(name: str, active: str) -> bool:
    adopted = OwnRuleSet.objects.filter(region=settings.AWS_REGION, name=name, adopted=True)
    return name != active and is_own(name) and not adopted.exists()
