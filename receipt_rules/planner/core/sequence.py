"""Orders the steps of a plan, and checks each intermediate state.

In place, one call changes one rule. A recipient that moves from one rule to another is for a moment in both or in
neither. Only blue/green changes several rules at once.

For each address, a safe sequence guarantees: an address that is served before and after is served throughout; its mail
is stored no more often than before or after, or once; and it goes only where it goes before or after. If a rule with a
Stop action changes or comes before a managed rule, the other recipients of a message matter too, and no sequence counts
as safe.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from receipt_rules.planner.core import steps as planner_core_steps
from receipt_rules.planner.core.recipient_index import (
    RecipientIndex,
    SampleAddresses,
    affected_addresses,
    touched_recipients,
)
from receipt_rules.planner.core.rules import AnyRule, Rule, RuleLimits, RuleSet, is_ours
from receipt_rules.planner.core.steps import Create, Delete, Move, Reorder, RuleStep, Update, apply

MOST_MOVES = 3  # one Reorder is cheaper, but names every rule, so it fails if a rule was created meanwhile


def in_place(actual: RuleSet, ours: Sequence[Rule], dropped: frozenset[str], *, reorders: bool) -> tuple[RuleStep, ...]:
    """Return the steps in the live set; additions come before removals. `dropped` has the names of rules to delete."""
    updates = _updates(actual, ours)
    growing = [step for step in updates if not step.removed and not step.redirects]
    shrinking = [step for step in updates if not step.added and not step.redirects]
    both = [step for step in updates if step not in growing and step not in shrinking]
    steps: list[RuleStep] = list(_moves(actual, ours)) if reorders else []
    steps += _creates(actual, ours, steps)
    steps += [*growing, *_receivers_first(both), *shrinking, *_deletes(actual, dropped)]
    return tuple(steps)


def in_clone(
    actual: RuleSet, ours: Sequence[Rule], dropped: frozenset[str], *, reorders: bool, name: str
) -> tuple[RuleStep, ...]:
    """Return the steps in a clone. It receives no mail, so removals come first to make room."""
    copy = replace(actual, name=name)
    steps: list[RuleStep] = [*_deletes(copy, dropped), *_updates(copy, ours)]
    for step in steps:
        copy = apply(step, copy)
    moves = _moves(copy, ours, most=1) if reorders else ()
    for step in moves:
        copy = apply(step, copy)
    return (*steps, *moves, *_creates(copy, ours, []))


def in_new_set(ours: Sequence[Rule], name: str) -> tuple[RuleStep, ...]:
    """Return the steps that fill an empty set."""
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
            made.append(Create(actual.name, rule, planner_core_steps.predecessor(rule.name, names, now.rules)))
            now = apply(made[-1], now)
    return tuple(made)


def _moves(actual: RuleSet, ours: Sequence[Rule], most: int = MOST_MOVES) -> tuple[Move | Reorder, ...]:
    moves = planner_core_steps.reorder_moves(actual.rules, tuple(rule.name for rule in ours), actual.name)
    if len(moves) <= most:
        return moves
    after: tuple[AnyRule, ...] = actual.rules
    for move in moves:
        after = planner_core_steps.with_moved_rule(after, move.rule.name, move.after)
    return (Reorder(actual.name, actual.names, tuple(rule.name for rule in after)),)


def _receivers_first(steps: Sequence[Update]) -> list[Update]:
    """Update a rule that gains a recipient before the rule that loses it. A cycle keeps its order."""
    receivers: Mapping[str, list[str]] = defaultdict(list)
    for step in steps:
        for recipient in step.added:
            receivers[recipient].append(step.new.name)
    by_name = {step.new.name: step for step in steps}
    before = {
        step.new.name: {name for recipient in step.removed for name in receivers.get(recipient, ())} for step in steps
    }
    try:
        return [by_name[name] for name in TopologicalSorter(before).static_order()]
    except CycleError:
        return list(steps)


@dataclass(frozen=True)
class TransitionIssues:
    """Addresses that an intermediate state leaves unserved (`gaps`), stores twice, or sends elsewhere.

    `stopping`: rules with a Stop action that make the sequence unsafe. `most_rules`: the highest number of rules at one
    time.
    """

    gaps: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    stopping: tuple[str, ...] = ()
    most_rules: int = 0

    def is_safe(self, limits: RuleLimits) -> bool:
        return self == TransitionIssues(most_rules=self.most_rules) and self.most_rules <= limits.rules


@dataclass
class _IssueCollector:
    gaps: dict[str, None] = field(default_factory=dict)
    twice: dict[str, None] = field(default_factory=dict)
    elsewhere: dict[str, None] = field(default_factory=dict)

    def check(self, address: str, start: Sequence[AnyRule], now: Sequence[AnyRule], end: Sequence[AnyRule]) -> None:
        if now in (start, end):
            return
        if not now and start and end:
            self.gaps[address] = None
        if len(now) > max(len(start), len(end), 1):
            self.twice[address] = None
        ends = {rule.delivery for rule in (*start, *end)}
        if any(rule.delivery not in ends for rule in now):
            self.elsewhere[address] = None


def transition_issues(actual: RuleSet, steps: Sequence[RuleStep], end: RuleSet) -> TransitionIssues:
    """Check the rule set after each step but the last."""
    most = _most_rules(len(actual.rules), steps)
    stopping = _stopping(actual, end) if len(steps) > 1 else ()
    if stopping or _goes_one_way(steps):
        return TransitionIssues(stopping=stopping, most_rules=most)
    addresses, seen = SampleAddresses((*actual.rules, *end.rules)), _IssueCollector()
    near = affected_addresses(steps, addresses, order_matters=False)
    first, live, last = RecipientIndex(actual), RecipientIndex(actual), RecipientIndex(end)
    for step in steps[:-1]:
        live.apply_step(step)
        recipients = touched_recipients(step) if isinstance(step, Create | Update | Delete) else frozenset()
        some = (
            near if recipients is None else (each for one in sorted(recipients) for each in addresses.affected_by(one))
        )
        for address in some:
            seen.check(
                address, first.delivering_rules(address), live.delivering_rules(address), last.delivering_rules(address)
            )
    return TransitionIssues(tuple(seen.gaps), tuple(seen.twice), tuple(seen.elsewhere), stopping, most)


def _stopping(actual: RuleSet, end: RuleSet) -> tuple[str, ...]:
    """Return enabled rules with a Stop action that are managed, change, or come before a managed rule."""
    found = [rule for rule in (*actual.rules, *end.rules) if rule.enabled and rule.delivery.stops]
    fixed = {rule.name for rule in found if actual.by_name.get(rule.name) == end.by_name.get(rule.name)}
    leading = {name for rule_set in (actual, end) for name in _before_ours(rule_set)}
    return tuple(
        dict.fromkeys(
            rule.name for rule in found if isinstance(rule, Rule) or rule.name not in fixed or rule.name in leading
        )
    )


def _before_ours(rule_set: RuleSet) -> Iterable[str]:
    last = max((place for place, rule in enumerate(rule_set.rules) if is_ours(rule.name)), default=0)
    return (rule.name for rule in rule_set.rules[:last])


def _most_rules(number: int, steps: Iterable[RuleStep]) -> int:
    most = number
    for step in steps:
        number += isinstance(step, Create) - isinstance(step, Delete)
        most = max(most, number)
    return most


def _goes_one_way(steps: Sequence[RuleStep]) -> bool:
    """Return whether there is one step, or all steps only add or only remove: no intermediate state is new then."""
    return len(steps) <= 1 or all(map(_only_adds, steps)) or all(map(_only_takes, steps))


def _only_adds(step: RuleStep) -> bool:
    return isinstance(step, Create) or (isinstance(step, Update) and not step.removed and not step.redirects)


def _only_takes(step: RuleStep) -> bool:
    return isinstance(step, Delete) or (isinstance(step, Update) and not step.added and not step.redirects)
