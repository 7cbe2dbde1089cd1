"""What we know of a rule set once a run has changed a part of it: what others changed before stays a difference."""

from collections.abc import Sequence

from receipt_rules.core.applying import rule_steps
from receipt_rules.core.rules import RuleSet
from receipt_rules.core.steps import Create, CreateSet, Delete, Move, Reorder, Step, Update


def known_after(known: RuleSet, after: RuleSet, steps: Sequence[Step]) -> RuleSet:
    """`known` with the rules that the steps touched as they are in `after`, the set as read at the end."""
    if any(isinstance(step, CreateSet) for step in steps):
        return after
    changed: dict[str, None] = {}
    reorders = False
    for step in rule_steps(steps):
        match step:
            case Create() | Update():
                changed[step.new.name] = None
            case Delete():
                changed[step.old.name] = None
            case Move() | Reorder():
                reorders = True
    rules = known.by_name | {name: after.by_name[name] for name in changed if name in after.by_name}
    gone = {name for name in changed if name not in after.by_name}
    names = _in_order(after.names if reorders else known.names, after.names, frozenset(rules) - gone)
    return RuleSet(after.name, tuple(rules[name] for name in names))


def _in_order(first: Sequence[str], after: Sequence[str], kept: frozenset[str]) -> list[str]:
    """`kept` in the order of `first`; one that is not in it behind its predecessor in `after`, or at the end."""
    names = [name for name in first if name in kept]
    for place, name in enumerate(after):
        if name in kept and name not in names:
            before = next((other for other in reversed(after[:place]) if other in names), "")
            names.insert(names.index(before) + 1 if before else 0, name)
    return [*names, *(name for name in kept if name not in names)]
