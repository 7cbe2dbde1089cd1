"""What the active rules do with mail for one address, as its customer wants it delivered. Pure."""

from collections.abc import Iterable, Sequence

from domains.receiving.core import RulesFact
from receipt_rules.planner.core.desired import DesiredEntries
from receipt_rules.planner.core.rules import S3, AnyRule, ForeignRule, RuleDelivery

# The best of several addresses at a name speaks for the name: mail for some of them arrives. What a rollback took out
# arrived before, so it comes first: nobody misses it less because another address at the name still receives.
_BEST = (
    RulesFact.HELD,
    RulesFact.CARRIED,
    RulesFact.COPIED,
    RulesFact.UNSURE,
    RulesFact.WAITING,
    RulesFact.UNSTORED,
    RulesFact.NOT_SET_UP,
    RulesFact.HALTED,
    RulesFact.ELSEWHERE,
    RulesFact.BOUNCED,
    RulesFact.STOPPED,
)
_KEPT_FROM_US = {RulesFact.STOPPED, RulesFact.BOUNCED, RulesFact.ELSEWHERE}


def rules_fact(covering_rules: Sequence[AnyRule], wanted: RuleDelivery | None) -> RulesFact:
    """`covering_rules`: the rules that cover the address, in order. `wanted` None: no rule is to take its mail."""
    if wanted is None:
        return RulesFact.WAITING
    taken = unsure = False
    for rule in covering_rules:
        if rule.delivery.bounces:
            return RulesFact.BOUNCED
        if _places(rule.delivery) >= _places(wanted):
            return RulesFact.UNSURE if unsure else RulesFact.COPIED if taken else RulesFact.CARRIED
        if isinstance(rule, ForeignRule):
            taken, unsure = taken or rule.delivery.delivers, unsure or rule.delivery.may_stop
        if rule.delivery.stops:
            return RulesFact.ELSEWHERE if taken else RulesFact.STOPPED
    if taken:
        return RulesFact.ELSEWHERE
    is_accepted = bool(covering_rules) and not any(rule.delivery.delivers for rule in covering_rules)
    return RulesFact.UNSTORED if is_accepted else RulesFact.WAITING


def held_fact(found: RulesFact, *, is_held: bool) -> RulesFact:
    """What no rule takes while a rollback holds it was taken out by the rollback; it does not come by itself."""
    return RulesFact.HELD if is_held and found in (RulesFact.WAITING, RulesFact.UNSTORED) else found


def serving(recipient: str, desired: DesiredEntries) -> str:
    """Its own entry, or the entry that serves it; "" where none does."""
    while recipient not in desired.entries:
        if recipient not in desired.covered:
            return ""
        recipient = desired.covered[recipient]
    return recipient


def delivery_of(recipient: str, desired: DesiredEntries) -> RuleDelivery | None:
    """That of the entry that serves it; of what SES refuses, the one that it would have."""
    if recipient in desired.refused:
        return desired.refused[recipient]
    return desired.entries.get(serving(recipient, desired))


def best(found: Iterable[RulesFact]) -> RulesFact:
    """Of the addresses at one name. PARTLY where some are carried, and another rule keeps others from us."""
    facts = set(found)
    if facts & {RulesFact.CARRIED, RulesFact.COPIED} and facts & _KEPT_FROM_US:
        return RulesFact.PARTLY
    return min(facts, key=_BEST.index, default=RulesFact.NOTHING)


def _places(delivery: RuleDelivery) -> frozenset[tuple[str, str]]:
    return frozenset((each.bucket, each.prefix) for each in delivery.effective_actions if isinstance(each, S3))
