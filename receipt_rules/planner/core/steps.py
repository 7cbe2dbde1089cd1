"""The steps of a plan as data: one step is one SES call, with the old and the new state.

A step is shown, stored, compared and executed; it never holds a function. `live_status` compares a step with the live
set: it is still to do, already done (a lost response is no error), or must not be applied. `apply` returns the rule set
that results from a step, for the preview of a plan and for tests.

`reorder_moves` finds the fewest moves that put the managed rules in order. They come before any unmanaged rule that
ends, or might end, rule evaluation: after it, our copy of a message is lost if one of its recipients matches the
unmanaged rule. Unmanaged rules keep their order and are never moved.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core.rules import AnyRule, ForeignRule, Rule, RuleSet


@dataclass(frozen=True)
class CreateSet:
    """Creates an empty, inactive rule set."""

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
    """`after` is the rule it follows; "" is the front of the set."""

    rule_set: str
    new: Rule
    after: str = ""
    old: ClassVar[None] = None
    old_recipients: ClassVar[frozenset[str]] = frozenset()

    @property
    def name(self) -> str:
        return self.new.name

    def __str__(self) -> str:
        return f"Create rule {self.new.name} with {_counted(self.new)}."


@dataclass(frozen=True)
class Update:
    """Replaces the whole rule, which keeps its position. `old` is foreign only if a managed rule was damaged."""

    rule_set: str
    old: AnyRule
    new: Rule

    @property
    def name(self) -> str:
        return self.new.name

    @property
    def old_recipients(self) -> frozenset[str]:
        return self.old.recipient_set

    @property
    def added(self) -> tuple[str, ...]:
        return tuple(sorted(self.new.recipient_set - self.old.recipient_set))

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(sorted(self.old.recipient_set - self.new.recipient_set))

    @property
    def _switched(self) -> str:
        number = len((self.new if self.new.enabled else self.old).recipient_set)
        whom = f"{number:,} recipient{'' if number == 1 else 's'}"
        if self.new.enabled:
            return f"disabled → enabled ({whom} start{'s' if number == 1 else ''} receiving through it)"
        return f"enabled → disabled ({whom} stop{'s' if number == 1 else ''} receiving through it)"

    @property
    def redirects(self) -> bool:
        """Return whether the mail of recipients that stay is handled differently."""
        return self.old.delivery != self.new.delivery or self.old.enabled != self.new.enabled

    def __str__(self) -> str:
        parts = [f"{len(self.added):,} added", f"{len(self.removed):,} removed"]
        if self.old.enabled != self.new.enabled:
            parts.append(self._switched)
        if self.old.delivery != self.new.delivery:
            parts.append(f"delivery: {self.new.delivery}")
        return f"Update rule {self.new.name}: {', '.join(parts)}."


@dataclass(frozen=True)
class Move:
    """`after` as in Create. The rule itself doesn't change."""

    rule_set: str
    rule: AnyRule
    after: str = ""

    def __str__(self) -> str:
        return f"Move rule {self.rule.name} {f'after {self.after}' if self.after else 'to the top'}."


@dataclass(frozen=True)
class Reorder:
    """Names every rule of the set; unmanaged rules keep their order."""

    rule_set: str
    old: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        return f"Reorder the {len(self.new):,} rules of {self.rule_set}."


@dataclass(frozen=True)
class Delete:
    """`old` is foreign only if it is taken over by name."""

    rule_set: str
    old: AnyRule
    new: ClassVar[None] = None

    @property
    def name(self) -> str:
        return self.old.name

    def __str__(self) -> str:
        whose = ", taken over" if isinstance(self.old, ForeignRule) else ""
        return f"Delete rule {self.old.name} with {_counted(self.old)}{whose}."


@dataclass(frozen=True)
class Activate:
    """`instead_of` is the active set that it replaces; "" if none is active.

    SES replaces it at once without confirmation.

    `foreign` is the digest of that set's rules if it is unmanaged: the person approved replacing exactly those.
    """

    rule_set: str
    instead_of: str = ""
    foreign: str = ""

    def __str__(self) -> str:
        whose = " and isn't managed here" if self.foreign else ""
        over = f" instead of {self.instead_of}, which is kept{whose}" if self.instead_of else ""
        return f"Activate the rule set {self.rule_set}{over}."


ContentStep = Create | Update | Delete  # of one rule; the others change the order
RuleStep = ContentStep | Move | Reorder
SetStep = CreateSet | CloneSet | Activate
Step = RuleStep | SetStep


class LiveStatus(StrEnum):
    """Whether a step is already applied to the live rule set."""

    TO_DO = "to_do"
    DONE = "done"
    CHANGED = "changed"  # someone changed what the step changes: it must not be applied


def live_status(step: RuleStep, live: RuleSet) -> LiveStatus:
    """Compare the step with the live set. Only what the step changes counts. Set steps are checked by the caller."""
    match step:
        case Create() | Update() | Delete():
            return _status(live.by_name.get(step.name), step.old, step.new)
        case Move():
            return _status_of_move(step, live)
        case Reorder():
            return _status(live.names, step.old, step.new)


def _status(found: object, old: object, new: object) -> LiveStatus:
    if found == new:
        return LiveStatus.DONE
    return LiveStatus.TO_DO if found == old else LiveStatus.CHANGED


def _status_of_move(step: Move, live: RuleSet) -> LiveStatus:
    names = live.names
    if step.rule.name not in names or (step.after and step.after not in names):
        return LiveStatus.CHANGED
    before = names[: names.index(step.rule.name)]
    return LiveStatus.DONE if (before[-1] if before else "") == step.after else LiveStatus.TO_DO


def _counted(rule: AnyRule) -> str:
    number = len(rule.recipient_set)
    return "all recipients of the account" if not number else f"{number:,} recipient{'s' if number != 1 else ''}"


def stop_position(rules: Sequence[AnyRule], ours: frozenset[str]) -> int:
    """Return the position of the first enabled rule not in `ours` that may end the evaluation; the length if none."""
    for place, rule in enumerate(rules):
        if rule.name not in ours and rule.enabled and rule.delivery.may_stop:
            return place
    return len(rules)


def reorder_moves(actual: Sequence[AnyRule], ours: Sequence[str], rule_set: str) -> tuple[Move, ...]:
    """Return the moves of existing rules, in order. `ours` has all managed rules in the desired order."""
    by_name = {rule.name: rule for rule in actual}
    live_status = [name for name in ours if name in by_name]
    fixed = _in_order(actual, live_status)
    made: list[Move] = []
    before = ""
    for name in live_status:
        if name not in fixed:
            made.append(Move(rule_set, by_name[name], before))
        before = name
    return tuple(made)


def _in_order(actual: Sequence[AnyRule], live_status: Sequence[str]) -> frozenset[str]:
    """Return the largest set of rules that can stay: the longest increasing subsequence before the stop position."""
    place = {name: at for at, name in enumerate(live_status)}
    end = stop_position(actual, frozenset(live_status))
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


def predecessor(name: str, ours: Sequence[str], rules: Sequence[AnyRule]) -> str:
    """Return the rule that a new rule follows: the nearest before it in `ours` that exists before the stop position.

    "" is the front of the set.
    """
    end = stop_position(rules, frozenset(ours))
    live_status: Mapping[str, int] = {rule.name: at for at, rule in enumerate(rules)}
    for other in reversed(ours[: ours.index(name)]):
        if live_status.get(other, end) < end:
            return other
    return ""


def with_moved_rule(rules: Sequence[AnyRule], name: str, behind: str) -> tuple[AnyRule, ...]:
    """Return the order after SetReceiptRulePosition, whose After is omitted if `behind` is ""."""
    rule = next(rule for rule in rules if rule.name == name)
    return with_inserted_rule([other for other in rules if other.name != name], rule, behind)


def with_inserted_rule(rules: Sequence[AnyRule], rule: AnyRule, behind: str) -> tuple[AnyRule, ...]:
    """Return the order after creating a rule: directly after the named one, or first."""
    at = next((place + 1 for place, other in enumerate(rules) if other.name == behind), 0)
    return (*rules[:at], rule, *rules[at:])


def apply(step: RuleStep, rule_set: RuleSet) -> RuleSet:
    """Return the rule set after the step. Raises KeyError if SES would answer that the rule doesn't exist."""
    rules = rule_set.rules
    match step:
        case Create():
            rules = with_inserted_rule(rules, step.new, step.after)
        case Update():
            rules = tuple(step.new if rule.name == step.new.name else rule for rule in rules)
        case Delete():
            rules = tuple(rule for rule in rules if rule.name != step.old.name)
        case Move():
            rules = with_moved_rule(rules, step.rule.name, step.after)
        case Reorder():
            rules = tuple(rule_set.by_name[name] for name in step.new)
    return replace(rule_set, rules=rules)


def rule_steps(steps: Iterable[Step]) -> Iterator[RuleStep]:
    """Yield the steps that change rules, without those that create, clone or activate a set."""
    for step in steps:
        if isinstance(step, Create | Update | Delete | Move | Reorder):
            yield step


def touched_recipients(steps: Iterable[Step]) -> frozenset[str]:
    """Return every recipient whose mail a step changes."""
    found: set[str] = set()
    for step in rule_steps(steps):
        match step:
            case Create():
                found |= step.new.recipient_set
            case Delete():
                found |= step.old.recipient_set
            case Update():
                both = step.new.recipient_set | step.old.recipient_set
                found |= both if step.redirects else {*step.added, *step.removed}
    return frozenset(found)


def touched_rules(steps: Iterable[Step]) -> frozenset[str]:
    """Return the names of the rules that a step creates, changes, moves or deletes."""
    return frozenset(
        step.rule.name if isinstance(step, Move) else step.name
        for step in rule_steps(steps)
        if not isinstance(step, Reorder)
    )


def without_recipients(steps: Sequence[Step], refused: frozenset[str]) -> tuple[Step | None, ...]:
    """Return the steps without some recipients, from the first that names them on; None for a step with nothing left.

    Raises Refused if a step needs a rule that would have no recipient.
    """
    stands: dict[str, Rule | None] = {}
    return tuple(_step_without(step, refused, stands) for step in steps)


def _step_without(step: Step, refused: frozenset[str], stands: dict[str, Rule | None]) -> Step | None:
    """`stands` has the rules as earlier steps leave them; None for a rule that isn't created."""
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
