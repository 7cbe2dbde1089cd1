"""From what is wanted and what stands to the steps between: shown, approved by the digest, and only then made.

Two ways lead there. In place, each step changes the active set: cheap, and right as long as no recipient goes from one
rule to another. On a copy (blue/green), the active set is copied, the copy edited and then made active, which is one
moment for everybody; the old set is kept. AUTO takes the first where it keeps the promise of `moments`, or the second.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from inbound_admin.lib.errors import Refused
from receipt_rules.core import refusing, sequencing
from receipt_rules.core.applying import apply
from receipt_rules.core.compacting import compact
from receipt_rules.core.desired import Desired
from receipt_rules.core.moments import Moments, moments
from receipt_rules.core.naming import is_ours, next_set_name
from receipt_rules.core.packing import pack
from receipt_rules.core.plans import Method, Plan, Sets
from receipt_rules.core.remarks import remarks
from receipt_rules.core.rules import SES_LIMITS, Delivery, Limits, Rule, RuleSet
from receipt_rules.core.steps import Activate, CloneSet, CreateSet, RuleStep, Step
from receipt_rules.core.stored import digest, touched_digest

MOST_UNASKED = 1 / 3  # of our rules deleted or emptied


def make_plan(
    desired: Desired,
    actual: RuleSet,
    *,
    scope: frozenset[str] | None = None,
    limits: Limits = SES_LIMITS,
    method: Method = Method.AUTO,
    take_over: frozenset[str] = frozenset(),
    compacting: bool = False,
    sets: Sets | None = None,
) -> Plan:
    """`sets` tells what exists; without it, `actual` is the only set and active.

    Raises Refused: over SES's limits; when the chosen method would leave an address unserved; when another rule set is
    active; for a rule to take over that does not exist, is ours, or cannot be written as one of ours.
    """
    sets = sets or Sets(frozenset([actual.name]), actual.name)
    refusing.check_active(actual, sets)
    refusing.check_take_over(actual, take_over, scope)
    refusing.check_deliveries(desired.entries, limits)
    ours = _packed(desired.entries, actual, scope, limits, compacting=compacting)
    change = _Change(actual, ours, _dropped(actual, ours, scope) | take_over, limits, sets, reorders=scope is None)
    refusing.check_number(len(change.end.rules), actual, limits)
    return _plan(change, desired, scope, *_chosen(change, method))


@dataclass(frozen=True)
class _Change:
    """`ours` are our rules as they shall be, in their order; `dropped` names the rules that go."""

    actual: RuleSet
    ours: tuple[Rule, ...]
    dropped: frozenset[str]
    limits: Limits
    sets: Sets
    reorders: bool

    @property
    def is_live(self) -> bool:
        return self.sets.active == self.actual.name

    @cached_property
    def edits(self) -> tuple[RuleStep, ...]:
        return sequencing.in_place(self.actual, self.ours, self.dropped, reorders=self.reorders)

    @cached_property
    def end(self) -> RuleSet:
        return _after(self.actual, self.edits)

    def in_place(self) -> tuple[Step, ...]:
        """With what makes the set exist and active."""
        exists = self.actual.name in self.sets.names
        making = () if exists else (CreateSet(self.actual.name),)
        return (*making, *self.edits, *(() if self.is_live else (Activate(self.actual.name),)))

    def on_a_copy(self) -> tuple[Step, ...]:
        """The cheaper of copying the set and of writing a new one, which is possible where no foreign rule stays."""
        old = self.actual.name
        new = next_set_name(old, self.sets.names, self.limits)
        edits = sequencing.on_a_copy(self.actual, self.ours, self.dropped, reorders=self.reorders, name=new)
        fresh = sequencing.anew(self.ours, new)
        activate = Activate(new, instead_of=old)
        if len(fresh) < len(edits) and all(rule.name in self.dropped for rule in self.actual.foreign):
            return (CreateSet(new), *fresh, activate)
        return (CloneSet(old, new), *edits, activate)


def _packed(
    wanted: Mapping[str, Delivery],
    actual: RuleSet,
    scope: frozenset[str] | None,
    limits: Limits,
    *,
    compacting: bool,
) -> tuple[Rule, ...]:
    if scope is not None:
        if compacting:
            raise Refused("A compaction concerns all rules and cannot be limited to some recipients.")
        return pack(wanted, actual.ours, limits=limits, taken=actual.names, scope=scope)
    refusing.check_bound(wanted, actual, limits)
    ours = tuple(_repaired(actual, wanted))
    packed = pack(wanted, ours, limits=limits, taken=actual.names)
    tight = compact(wanted, ours, limits=limits, taken=actual.names) if compacting else packed
    return tight if len(tight) < len(packed) else packed


def _repaired(actual: RuleSet, wanted: Mapping[str, Delivery]) -> Iterable[Rule]:
    """Our rules; one that was damaged by hand as it may have been: with a delivery that its recipients want."""
    for rule in actual.rules:
        if isinstance(rule, Rule):
            yield rule
        elif is_ours(rule.name):
            delivery = next((wanted[one] for one in sorted(rule.recipient_set) if one in wanted), None)
            if delivery is not None:
                yield Rule(rule.name, delivery, tuple(rule.recipient_set))


def _dropped(actual: RuleSet, ours: Iterable[Rule], scope: frozenset[str] | None) -> frozenset[str]:
    """Our rules that go; a plan with a scope leaves a damaged one to an operator."""
    kept = {rule.name for rule in ours}
    known = {rule.name for rule in actual.rules if isinstance(rule, Rule) or (scope is None and is_ours(rule.name))}
    return frozenset(known - kept)


def _chosen(change: _Change, method: Method) -> tuple[Method, tuple[Step, ...], Moments]:
    """A set that is not active takes no mail: there is nothing to promise."""
    if not change.edits or not change.is_live:
        return Method.IN_PLACE, change.in_place(), Moments()
    if method is not Method.BLUE_GREEN:
        seen = moments(change.actual, change.edits, change.end)
        if method is Method.IN_PLACE:
            refusing.check_in_place(seen, change.limits)
        if method is Method.IN_PLACE or seen.are_safe(change.limits):
            return Method.IN_PLACE, change.in_place(), seen
    refusing.check_room_for_set(change.sets, change.limits)
    return Method.BLUE_GREEN, change.on_a_copy(), Moments()


def _plan(
    change: _Change,
    desired: Desired,
    scope: frozenset[str] | None,
    method: Method,
    steps: tuple[Step, ...],
    seen: Moments,
) -> Plan:
    touched = touched_digest(steps, change.actual)
    after = _active_after(change.actual, steps)
    emptied = _emptied(change)
    return Plan(
        method=method,
        before=change.actual if change.is_live else replace(change.actual, rules=()),
        after=after,
        steps=steps,
        edits=change.edits,
        moments=seen,
        doubles=tuple(each for each in desired.doubles if scope is None or each.recipient in scope),
        warnings=remarks(after, seen),
        emptied=emptied,
        needs_typing=len(emptied) > len(change.actual.ours) * MOST_UNASKED,
        touched=touched,
        digest=digest([*steps, touched]),
    )


def _after(rule_set: RuleSet, steps: Iterable[RuleStep]) -> RuleSet:
    for step in steps:
        rule_set = apply(step, rule_set)
    return rule_set


def _active_after(actual: RuleSet, steps: Iterable[Step]) -> RuleSet:
    """The active set once all steps are made."""
    after = actual
    for step in steps:
        match step:
            case CreateSet():
                after = RuleSet(step.rule_set)
            case CloneSet():
                after = RuleSet(step.rule_set, actual.rules)
            case Activate():
                pass
            case _:
                after = apply(step, after)
    return after


def _emptied(change: _Change) -> tuple[str, ...]:
    becomes = {rule.name: rule.recipient_set for rule in change.ours}
    return tuple(
        rule.name for rule in change.actual.ours if rule.recipient_set.isdisjoint(becomes.get(rule.name, frozenset()))
    )
