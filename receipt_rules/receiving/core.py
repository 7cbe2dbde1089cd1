"""What the active rules do with mail for one address, as its customer wants it delivered. Pure."""

from collections.abc import Iterable, Sequence

from domains.receiving.core import RulesFact
from receipt_rules.planner.core.desired import Desired
from receipt_rules.planner.core.rules import S3, AnyRule, Bounce, ForeignRule, RuleDelivery

# The best of several addresses at a name speaks for the name: mail for some of them arrives.
_BEST = (
    RulesFact.CARRIED,
    RulesFact.COPIED,
    RulesFact.UNSURE,
    RulesFact.WAITING,
    RulesFact.NOT_SET_UP,
    RulesFact.HALTED,
    RulesFact.ELSEWHERE,
    RulesFact.BOUNCED,
    RulesFact.STOPPED,
)


def fate(covering: Sequence[AnyRule], wanted: RuleDelivery | None) -> RulesFact:
    """`covering`: the rules that cover the address, in order. `wanted` None: no rule is to take its mail."""
    if wanted is None:
        return RulesFact.WAITING
    taken = unsure = False
    for rule in covering:
        if any(isinstance(action, Bounce) for action in rule.delivery.reached):
            return RulesFact.BOUNCED
        if _places(rule.delivery) >= _places(wanted):
            return RulesFact.UNSURE if unsure else RulesFact.COPIED if taken else RulesFact.CARRIED
        if isinstance(rule, ForeignRule):
            taken, unsure = taken or rule.delivery.delivers, unsure or rule.delivery.may_stop
        if rule.delivery.stops:
            return RulesFact.ELSEWHERE if taken else RulesFact.STOPPED
    return RulesFact.ELSEWHERE if taken else RulesFact.WAITING


def delivery_of(recipient: str, desired: Desired) -> RuleDelivery | None:
    """That of its own entry, or of the entry that serves it; of what SES refuses, the one that it would have."""
    if recipient in desired.refused:
        return desired.refused[recipient]
    while recipient not in desired.entries:
        if recipient not in desired.covered:
            return None
        recipient = desired.covered[recipient]
    return desired.entries[recipient]


def best(found: Iterable[RulesFact]) -> RulesFact:
    return min(found, key=_BEST.index, default=RulesFact.NOTHING)


def _places(delivery: RuleDelivery) -> frozenset[tuple[str, str]]:
    return frozenset((each.bucket, each.prefix) for each in delivery.reached if isinstance(each, S3))
