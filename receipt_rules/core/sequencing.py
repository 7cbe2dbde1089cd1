"""The order of the steps, and whether it keeps the promise at every moment.

In place, one call changes one rule. A recipient that goes from one rule to another is then for a moment in both or in
neither; only a copy of the set, edited and then made active, changes several rules at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from receipt_rules.core import ordering
from receipt_rules.core.applying import apply
from receipt_rules.core.rules import AnyRule, Rule, RuleSet
from receipt_rules.core.steps import Create, Delete, Move, Reorder, RuleStep, Update

MOST_MOVES = 3  # one Reorder costs less, but names every rule and so breaks when another one is made meanwhile


def in_place(actual: RuleSet, ours: Sequence[Rule], dropped: frozenset[str], *, reorders: bool) -> tuple[RuleStep, ...]:
    """What adds comes before what takes away. `dropped` names the rules that go."""
    updates = _updates(actual, ours)
    growing = [step for step in updates if not step.removed and not step.redirects]
    shrinking = [step for step in updates if not step.added and not step.redirects]
    both = [step for step in updates if step not in growing and step not in shrinking]
    steps: list[RuleStep] = list(_moves(actual, ours)) if reorders else []
    steps += _creates(actual, ours, steps)
    steps += [*growing, *_receivers_first(both), *shrinking, *_deletes(actual, dropped)]
    return tuple(steps)


def on_a_copy(
    actual: RuleSet, ours: Sequence[Rule], dropped: frozenset[str], *, reorders: bool, name: str
) -> tuple[RuleStep, ...]:
    """Nobody's mail comes by: what takes away comes first, so that there is room."""
    copy = replace(actual, name=name)
    steps: list[RuleStep] = [*_deletes(copy, dropped), *_updates(copy, ours)]
    for step in steps:
        copy = apply(step, copy)
    moves = _moves(copy, ours, most=1) if reorders else ()
    for step in moves:
        copy = apply(step, copy)
    return (*steps, *moves, *_creates(copy, ours, []))


def anew(ours: Sequence[Rule], name: str) -> tuple[RuleStep, ...]:
    """Into an empty set."""
    return _creates(RuleSet(name), ours, [])


def _updates(actual: RuleSet, ours: Sequence[Rule]) -> list[Update]:
    found = ((actual.by_name.get(rule.name), rule) for rule in ours)
    return [Update(actual.name, old, new) for old, new in found if old is not None and old != new]


def _deletes(actual: RuleSet, dropped: frozenset[str]) -> list[Delete]:
    return [Delete(actual.name, rule) for rule in actual.rules if rule.name in dropped]


def _creates(actual: RuleSet, ours: Sequence[Rule], steps: Iterable[RuleStep]) -> tuple[Create, ...]:
    now = actual
    for step in steps:
        now = apply(step, now)
    names, made = tuple(rule.name for rule in ours), []
    for rule in ours:
        if rule.name not in actual.by_name:
            made.append(Create(actual.name, rule, ordering.after(rule.name, names, now.rules)))
            now = apply(made[-1], now)
    return tuple(made)


def _moves(actual: RuleSet, ours: Sequence[Rule], most: int = MOST_MOVES) -> tuple[Move | Reorder, ...]:
    moves = ordering.moves(actual.rules, tuple(rule.name for rule in ours), actual.name)
    if len(moves) <= most:
        return moves
    after: tuple[AnyRule, ...] = actual.rules
    for move in moves:
        after = ordering.moved(after, move.rule.name, move.after)
    return (Reorder(actual.name, actual.names, tuple(rule.name for rule in after)),)


def _receivers_first(steps: Sequence[Update]) -> list[Update]:
    """A rule that takes in what another gives away is changed before it; in a circle nothing helps."""
    taking: Mapping[str, list[str]] = defaultdict(list)
    for step in steps:
        for recipient in step.added:
            taking[recipient].append(step.new.name)
    by_name = {step.new.name: step for step in steps}
    before = {
        step.new.name: {name for recipient in step.removed for name in taking.get(recipient, ())} for step in steps
    }
    try:
        return [by_name[name] for name in TopologicalSorter(before).static_order()]
    except CycleError:
        return list(steps)
