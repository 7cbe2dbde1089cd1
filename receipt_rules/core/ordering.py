"""Where our rules stand among the others, and the fewest moves that bring them there.

Ours stand before any foreign rule that ends, or might end, the evaluation: behind it, our copy of a message is lost as
soon as one of its recipients is the foreign rule's. Foreign rules keep their order and are never moved.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from receipt_rules.core.rules import AnyRule
from receipt_rules.core.steps import Move


def barrier(rules: Sequence[AnyRule], ours: frozenset[str]) -> int:
    """The place of the first rule that is not among `ours` and may end the evaluation; behind the last if none."""
    for place, rule in enumerate(rules):
        if rule.name not in ours and rule.enabled and rule.delivery.may_stop:
            return place
    return len(rules)


def moves(actual: Sequence[AnyRule], ours: Sequence[str], rule_set: str) -> tuple[Move, ...]:
    """Moves of rules that stand already, in the order in which to make them. `ours` is the wanted order of all."""
    by_name = {rule.name: rule for rule in actual}
    standing = [name for name in ours if name in by_name]
    fixed = _in_order(actual, standing)
    made: list[Move] = []
    before = ""
    for name in standing:
        if name not in fixed:
            made.append(Move(rule_set, by_name[name], before))
        before = name
    return tuple(made)


def _in_order(actual: Sequence[AnyRule], standing: Sequence[str]) -> frozenset[str]:
    """The most rules that can stay: the longest rising run of places before the barrier."""
    place = {name: at for at, name in enumerate(standing)}
    end = barrier(actual, frozenset(standing))
    names = [rule.name for rule in actual[:end] if rule.name in place]
    tails: list[int] = []
    heads: list[str] = []
    previous: dict[str, str] = {}
    for name in names:
        at = bisect_left(tails, place[name])
        tails[at:] = [place[name], *tails[at + 1 :]]
        heads[at:] = [name, *heads[at + 1 :]]
        previous[name] = heads[at - 1] if at else ""
    found: list[str] = []
    name = heads[-1] if heads else ""
    while name:
        found.append(name)
        name = previous[name]
    return frozenset(found)


def after(name: str, ours: Sequence[str], rules: Sequence[AnyRule]) -> str:
    """The rule behind which a new rule is put: the nearest before it in `ours` that stands, and not behind the barrier.

    "" is the front of the set.
    """
    end = barrier(rules, frozenset(ours))
    standing: Mapping[str, int] = {rule.name: at for at, rule in enumerate(rules)}
    for other in reversed(ours[: ours.index(name)]):
        if standing.get(other, end) < end:
            return other
    return ""


def moved(rules: Sequence[AnyRule], name: str, behind: str) -> tuple[AnyRule, ...]:
    """The order that SES makes of it: SetReceiptRulePosition, After omitted where `behind` is ""."""
    rule = next(rule for rule in rules if rule.name == name)
    return inserted([other for other in rules if other.name != name], rule, behind)


def inserted(rules: Sequence[AnyRule], rule: AnyRule, behind: str) -> tuple[AnyRule, ...]:
    """The order that SES makes of a new rule: directly behind the named one, or in front."""
    at = next((place + 1 for place, other in enumerate(rules) if other.name == behind), 0)
    return (*rules[:at], rule, *rules[at:])
