"""The steps of a plan as data: one step is one SES call, and carries the old and the new state.

A step is shown, stored, compared and executed; it never holds a function. `standing` tells from the live set whether a
step is still to be made, has been made (a lost answer is no error), or must not be made any more. `apply` returns the
rule set that SES makes of a step, for the plan's preview and for the tests of its promises.

`reorder_moves` finds the fewest moves that bring our rules to their places. Ours stand before any foreign rule that
ends, or might end, the evaluation: behind it, our copy of a message is lost as soon as one of its recipients is the
foreign rule's. Foreign rules keep their order and are never moved.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core.rules import AnyRule, ForeignRule, Rule, RuleSet


@dataclass(frozen=True)
class CreateSet:
    """An empty rule set, not active."""

    rule_set: str

    def __str__(self) -> str:
        return f"Create the empty, inactive rule set {self.rule_set}."


@dataclass(frozen=True)
class CloneSet:
    source: str
    rule_set: str

    def __str__(self) -> str:
        return f"Clone the rule set {self.source} as the inactive rule set {self.rule_set}."


@dataclass(frozen=True)
class Create:
    """`after` is the rule that it is put behind; "" is the front of the set."""

    rule_set: str
    new: Rule
    after: str = ""

    def __str__(self) -> str:
        return f"Create rule {self.new.name} with {_counted(self.new)}."


@dataclass(frozen=True)
class Update:
    """Replaces the whole rule, which keeps its place. `old` is foreign only where a rule of our name was damaged."""

    rule_set: str
    old: AnyRule
    new: Rule

    @property
    def added(self) -> tuple[str, ...]:
        return tuple(sorted(self.new.recipient_set - self.old.recipient_set))

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(sorted(self.old.recipient_set - self.new.recipient_set))

    @property
    def redirects(self) -> bool:
        """Whether what happens to the mail of the recipients that stay becomes another."""
        return self.old.delivery != self.new.delivery or self.old.enabled != self.new.enabled

    def __str__(self) -> str:
        parts = [f"{len(self.added):,} added", f"{len(self.removed):,} removed"]
        if self.redirects:
            parts.append(f"delivery: {self.new.delivery}")
        return f"Update rule {self.new.name}: {', '.join(parts)}."


@dataclass(frozen=True)
class Move:
    """`after` as in Create. The rule itself is not changed."""

    rule_set: str
    rule: AnyRule
    after: str = ""

    def __str__(self) -> str:
        return f"Move rule {self.rule.name} {f'after {self.after}' if self.after else 'to the top'}."


@dataclass(frozen=True)
class Reorder:
    """Names every rule of the set; the foreign ones in the order in which they stood."""

    rule_set: str
    old: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        return f"Reorder the {len(self.new):,} rules of {self.rule_set}."


@dataclass(frozen=True)
class Delete:
    """`old` is foreign only where it was taken over by name."""

    rule_set: str
    old: AnyRule

    def __str__(self) -> str:
        whose = ", taken over" if isinstance(self.old, ForeignRule) else ""
        return f"Delete rule {self.old.name} with {_counted(self.old)}{whose}."


@dataclass(frozen=True)
class Activate:
    """`instead_of` is the set that is active until then, "" when none is. SES replaces it at once and asks nothing.

    `foreign` is the digest of that set's rules where it isn't ours: the person approved the end of exactly those.
    """

    rule_set: str
    instead_of: str = ""
    foreign: str = ""

    def __str__(self) -> str:
        whose = " and isn't managed here" if self.foreign else ""
        over = f" instead of {self.instead_of}, which is kept{whose}" if self.instead_of else ""
        return f"Activate the rule set {self.rule_set}{over}."


RuleStep = Create | Update | Move | Reorder | Delete
SetStep = CreateSet | CloneSet | Activate
Step = RuleStep | SetStep


class RuleSetState(StrEnum):
    """Where a step stands against the live rule set."""

    TO_DO = "to_do"
    DONE = "done"
    CHANGED = "changed"  # somebody changed what the step touches: it may not be made


def standing(step: RuleStep, live: RuleSet) -> RuleSetState:
    """Compares only what the step touches: other edits do not matter. Sets are the caller's: it knows what exists."""
    match step:
        case Create():
            return _if_as(live.by_name.get(step.new.name), None, step.new)
        case Update():
            return _if_as(live.by_name.get(step.new.name), step.old, step.new)
        case Delete():
            return _if_as(live.by_name.get(step.old.name), step.old, None)
        case Move():
            return _of_move(step, live)
        case Reorder():
            return _if_as(live.names, step.old, step.new)


def _if_as(found: object, old: object, new: object) -> RuleSetState:
    if found == new:
        return RuleSetState.DONE
    return RuleSetState.TO_DO if found == old else RuleSetState.CHANGED


def _of_move(step: Move, live: RuleSet) -> RuleSetState:
    names = live.names
    if step.rule.name not in names or (step.after and step.after not in names):
        return RuleSetState.CHANGED
    before = names[: names.index(step.rule.name)]
    return RuleSetState.DONE if (before[-1] if before else "") == step.after else RuleSetState.TO_DO


def _counted(rule: AnyRule) -> str:
    number = len(rule.recipient_set)
    return "all recipients of the account" if not number else f"{number:,} recipient{'s' if number != 1 else ''}"


def barrier(rules: Sequence[AnyRule], ours: frozenset[str]) -> int:
    """The place of the first rule that is not among `ours` and may end the evaluation; behind the last if none."""
    for place, rule in enumerate(rules):
        if rule.name not in ours and rule.enabled and rule.delivery.may_stop:
            return place
    return len(rules)


def reorder_moves(actual: Sequence[AnyRule], ours: Sequence[str], rule_set: str) -> tuple[Move, ...]:
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


def apply(step: RuleStep, rule_set: RuleSet) -> RuleSet:
    """Raises KeyError where SES would answer that the rule does not exist."""
    rules = rule_set.rules
    match step:
        case Create():
            rules = inserted(rules, step.new, step.after)
        case Update():
            rules = tuple(step.new if rule.name == step.new.name else rule for rule in rules)
        case Delete():
            rules = tuple(rule for rule in rules if rule.name != step.old.name)
        case Move():
            rules = moved(rules, step.rule.name, step.after)
        case Reorder():
            rules = tuple(rule_set.by_name[name] for name in step.new)
    return replace(rule_set, rules=rules)


def rule_steps(steps: Iterable[Step]) -> Iterator[RuleStep]:
    """The steps that change rules, without those that make, copy or activate a set."""
    for step in steps:
        if isinstance(step, Create | Update | Delete | Move | Reorder):
            yield step


def without(steps: Sequence[Step], refused: frozenset[str]) -> tuple[Step | None, ...]:
    """The steps without some recipients, from the first that names them on; None for one that nothing is left of.

    Raises Refused where a step needs a rule that would have no recipient.
    """
    stands: dict[str, Rule | None] = {}
    return tuple(_without(step, refused, stands) for step in steps)


def _without(step: Step, refused: frozenset[str], stands: dict[str, Rule | None]) -> Step | None:
    """`stands` holds the rules as earlier steps leave them; None for one that is not made."""
    match step:
        case Create():
            _refuse_without((step.after,), stands)
            left = step.new.recipient_set - refused
            stands[step.new.name] = new = replace(step.new, recipients=tuple(left)) if left else None
            return replace(step, new=new) if new else None
        case Update():
            _refuse_without((step.new.name,), stands)
            before = stands.get(step.new.name)
            left = step.new.recipient_set - refused
            stands[step.new.name] = new = replace(step.new, recipients=tuple(left)) if left else None
            _refuse_without((step.new.name,), stands)
            old = before or step.old
            return Update(step.rule_set, old, new) if new and new != old else None
        case Delete():
            _refuse_without((step.old.name,), stands)
            return replace(step, old=stands.get(step.old.name) or step.old)
        case Move():
            _refuse_without((step.rule.name, step.after), stands)
        case Reorder():
            _refuse_without(step.new, stands)
    return step


def _refuse_without(names: Iterable[str], stands: Mapping[str, Rule | None]) -> None:
    for name in names:
        if name in stands and stands[name] is None:
            raise Refused(f"Rule {name} would have no recipients left.", code="RULE_EMPTY")
