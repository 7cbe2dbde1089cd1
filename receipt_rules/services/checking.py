"""Whether this deployment can receive: a sentence for each thing that must be right, with its repair.

Policies are judged as they are now; SES itself tries bucket, function and topic whenever a rule is written, and what it
said last stands in the runs. A look that failed is "could not tell", never "missing".
"""

from django.conf import settings

from domains.core.records import RECEIVING_REGIONS
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.core.findings import Finding, Verdict
from receipt_rules.core.ip_filters import block_everybody
from receipt_rules.core.naming import is_ours
from receipt_rules.core.rules import S3
from receipt_rules.gateway import ses
from receipt_rules.models import PendingChange, Run, RunState
from receipt_rules.services.place_checks import look_at_places
from receipt_rules.services.reading import Live, read_live

MOST_NAMED = 5


def check_receiving() -> tuple[Finding, ...]:
    """Two to four calls of SES, and up to three for each bucket, function and topic."""
    region = _region()
    if region.verdict is Verdict.WRONG:
        return (region,)
    try:
        live = read_live()
    except AwsProblem as problem:
        return (region, Finding("Rule set", Verdict.COULD_NOT_TELL, str(problem)))
    places = look_at_places(live.rule_set)
    return (region, _rule_set(live), *places, _keys(live), _ip_filters(), *_last_run(), *_waiting())


def _region() -> Finding:
    name = settings.AWS_REGION
    if name in RECEIVING_REGIONS:
        return Finding("Region", Verdict.RIGHT, f"Amazon receives mail in {name}.")
    repair = "Set AWS_REGION to a region that receives, and add the domains there."
    return Finding("Region", Verdict.WRONG, f"Amazon receives no mail in {name}.", repair)


def _rule_set(live: Live) -> Finding:
    if live.stranger is not None:
        name, number = live.stranger.name, len(live.stranger.rules)
        return Finding(
            "Rule set",
            Verdict.WRONG,
            f"The active rule set is {name}, with {number} rules. It is not ours.",
            "Adopt it on the Rules page, so that its rules stay and ours are added, or use another region.",
        )
    if not live.is_active:
        return Finding(
            "Rule set",
            Verdict.WRONG,
            "No rule set is active: Amazon rejects all mail of this region.",
            "Approve the plan on the Plan page: it makes the rule set and activates it.",
        )
    number = len(live.rule_set.rules)
    return Finding("Rule set", Verdict.RIGHT, f"{live.rule_set.name} is active and ours; it has {number} rules.")


def _keys(live: Live) -> Finding:
    """A key in the S3 action is client-side encryption, which no Python client can read (ses.md B)."""
    ours = [rule for rule in live.rule_set.rules if is_ours(rule.name)]
    actions = [(rule.name, action) for rule in ours for action in rule.delivery.actions]
    keyed = [name for name, action in actions if isinstance(action, S3) and action.kms_key]
    if not keyed:
        return Finding(
            "Encryption", Verdict.RIGHT, "No rule of ours names a KMS key, so that what is stored can be read."
        )
    sentence = (
        f"{_some(keyed)} {'names' if len(keyed) == 1 else 'name'} a KMS key: mail is stored so that we cannot read it."
    )
    repair = "Restore the rules on the Rules page, and let the bucket encrypt by itself (SSE) instead."
    return Finding("Encryption", Verdict.WRONG, sentence, repair)


def _ip_filters() -> Finding:
    try:
        filters = ses.list_receipt_filters()
        everybody = block_everybody(filters)
    except (AwsProblem, ValueError) as problem:
        return Finding("IP filters", Verdict.COULD_NOT_TELL, str(problem))
    listed = _some([str(each) for each in filters])
    if everybody:
        repair = "Delete the block filters in SES, unless only what the allow filters let in may arrive."
        return Finding("IP filters", Verdict.WRONG, f"They block everybody: {listed}.", repair)
    if not filters:
        return Finding(
            "IP filters", Verdict.RIGHT, "There are none. Amazon itself blocks mail from EC2 and from known abusers."
        )
    return Finding("IP filters", Verdict.RIGHT, f"They are asked before any rule: {listed}.")


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _last_run() -> tuple[Finding, ...]:
    """Only where it failed: then Amazon refused what the policies alone do not show."""
    over = Run.objects.filter(region=settings.AWS_REGION, state__in=(RunState.FAILED, RunState.DONE))
    last = over.order_by("-ended_at").first()
    if last is None or last.state == RunState.DONE:
        return ()
    repair = "Repair what it names, then approve the plan again."
    return (Finding("Last run", Verdict.WRONG, f"It failed. {last.problem}", repair),)


def _waiting() -> tuple[Finding, ...]:
    waiting = PendingChange.objects.exclude(waits_because="").count()
    if not waiting:
        return ()
    whose = "a customer's change waits" if waiting == 1 else f"the changes of {waiting} customers wait"
    sentence = f"{whose[0].upper()}{whose[1:]} for an operator."
    return (Finding("Waiting changes", Verdict.WRONG, sentence, "Look at the plan, and approve it."),)
