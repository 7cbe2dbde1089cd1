"""Plans the steps from the live rules to the desired state. A plan is shown, approved by its digest, then executed.

In place, each step changes the active rule set: this is cheap, and safe as long as no recipient moves from one rule to
another. Blue/green clones the active set, changes the clone and activates it, which switches all recipients at once;
the old set is kept. AUTO works in place if `sequence.transition_issues` finds no problem, otherwise blue/green.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core import sequence
from receipt_rules.planner.core.compaction import compact, minimum_rules
from receipt_rules.planner.core.desired import DesiredEntries
from receipt_rules.planner.core.packing import pack
from receipt_rules.planner.core.plans import Method, Plan, RuleSetNames, digest, touched_digest
from receipt_rules.planner.core.rules import (
    SES_LIMITS,
    ForeignRule,
    Opaque,
    Rule,
    RuleDelivery,
    RuleLimits,
    RuleSet,
    broader_entries,
    describe_address,
    is_ours,
    next_set_name,
)
from receipt_rules.planner.core.sequence import TransitionIssues, transition_issues
from receipt_rules.planner.core.steps import (
    Activate,
    CloneSet,
    CreateSet,
    RuleStep,
    Step,
    apply,
    stop_position,
)
from receipt_rules.planner.core.untouched import ApplicableState, applicable_state


def plan_warnings(after: RuleSet, seen: TransitionIssues) -> tuple[str, ...]:
    """Return warnings about the rule set after the plan, and about states on the way there."""
    return (*_momentary(seen.twice), *_foreign(after), *_behind(after), *_stopping(after))


def _momentary(twice: Sequence[str]) -> Iterable[str]:
    if twice:
        whose = describe_address(twice[0]) + (f" and {len(twice) - 1} more" if len(twice) > 1 else "")
        yield f"For a moment, mail for {whose} is stored twice. The blue/green method prevents this."


def _foreign(after: RuleSet) -> Iterable[str]:
    for rule in after.foreign:
        if rule.is_for_everybody and rule.enabled and rule.delivery.delivers:
            yield f"{rule.name} is unmanaged and has no recipient condition: it receives a second copy of all mail."


def _behind(after: RuleSet) -> Iterable[str]:
    ours = frozenset(rule.name for rule in after.ours)
    end = stop_position(after.rules, ours)
    behind = [rule.name for rule in after.rules[end:] if rule.name in ours]
    if behind:
        yield f"{after.rules[end].name} is unmanaged, may stop rule evaluation, and comes before {', '.join(behind)}."


def _stopping(after: RuleSet) -> Iterable[str]:
    for rule in after.rules:
        if not isinstance(rule, ForeignRule) and rule.enabled and rule.delivery.stops:
            yield (
                f"{rule.name} stops rule evaluation: later rules don't run, even for other customers' recipients of "
                "the same message."
            )


def check_active(actual: RuleSet, sets: RuleSetNames, unmanaged_set: RuleSet | None) -> None:
    """Another active set is replaced only if a person names it: SES stops applying its rules immediately."""
    if sets.active not in ("", actual.name, unmanaged_set.name if unmanaged_set else ""):
        raise Refused(
            f"Another program activated the rule set {sets.active} instead of {actual.name}. Restore "
            f"{actual.name}, which deactivates {sets.active}, or adopt {sets.active} to keep its rules and add "
            "ours.",
            code="RULE_SET_NOT_OURS",
        )


def _why_not_taken_over(rule: ForeignRule) -> str:
    if not rule.recipients:
        return f"Rule {rule.name} has no recipient condition, so it applies to all mail. Change it in the SES console."
    if rule.delivery.is_writable or any(isinstance(action, Opaque) for action in rule.delivery.actions):
        return f"Rule {rule.name} has actions or options that we don't write. It stays unchanged."
    return f"Rule {rule.name} delivers mail nowhere, so there is nothing to take over. Delete it in the SES console."


def check_take_over(actual: RuleSet, take_over: frozenset[str], scope: frozenset[str] | None) -> None:
    for name in sorted(take_over):
        rule = actual.by_name.get(name)
        if not isinstance(rule, ForeignRule):
            raise Refused(f"{actual.name} has no unmanaged rule {name} to take over.")
        if not rule.may_be_taken_over:
            raise Refused(_why_not_taken_over(rule))
        if scope is not None and rule.recipient_set - scope:
            raise Refused(f"Rule {name} also serves other customers. An operator must plan this.")


def check_deliveries(wanted: Mapping[str, RuleDelivery], limits: RuleLimits) -> None:
    for delivery in set(wanted.values()):
        if len(delivery.actions) > limits.actions:
            raise Refused(f"A rule can have up to {limits.actions} actions; this delivery has more: {delivery}.")


def check_lower_bound(wanted: Mapping[str, RuleDelivery], actual: RuleSet, limits: RuleLimits) -> None:
    """Fail before packing, which is slow if the desired state needs far too many rules."""
    if (least := minimum_rules(wanted, limits)) > limits.rules:
        raise _full(least, actual, limits)


def check_rule_count(needed: int, actual: RuleSet, limits: RuleLimits) -> None:
    """`needed` is the number of all rules at the end. A set that already exceeds the limit may stay as large."""
    if needed > max(limits.rules, len(actual.rules)):
        raise _full(needed, actual, limits)


def check_in_place(seen: TransitionIssues, limits: RuleLimits) -> None:
    """Storing mail twice for a moment is shown and may be chosen; rejecting or misdirecting it may not."""
    if lost := (*seen.gaps, *seen.elsewhere):
        raise Refused(
            f"In place, mail for {lost[0]} would be lost or misdirected for a moment. Use the blue/green method.",
            code="WOULD_BE_UNSERVED",
        )
    if seen.stopping:
        raise Refused(
            f"In place, {seen.stopping[0]}, which stops rule evaluation, could keep mail from other rules for a "
            "moment. Use the blue/green method.",
            code="WOULD_BE_UNSERVED",
        )
    if seen.most_rules > limits.rules:
        raise Refused(f"In place, there would be {seen.most_rules} rules for a moment. Use the blue/green method.")


def check_compaction(applicable: ApplicableState, *, compacting: bool) -> None:
    if compacting and applicable.untouched:
        raise Refused(f"The rules can't be compacted now. {applicable.untouched[0].sentence}", code="RULE_UNTOUCHED")


def check_room_for_set(sets: RuleSetNames, limits: RuleLimits) -> None:
    if len(sets.names) >= limits.rule_sets:
        raise Refused(
            f"This needs another rule set, and the account already has {len(sets.names)}. Delete an old one first."
        )


def _full(needed: int, actual: RuleSet, limits: RuleLimits) -> Refused:
    foreign = sum(not is_ours(rule.name) for rule in actual.foreign)
    return Refused(
        f"This needs {needed} rules, and a rule set can have {limits.rules}; {foreign} of them are unmanaged. "
        "Use the same SES options for more endpoints, compact the rules, or take over unmanaged ones.",
        code="RULES_FULL",
    )


def make_plan(
    desired: DesiredEntries,
    actual: RuleSet,
    *,
    scope: frozenset[str] | None = None,
    limits: RuleLimits = SES_LIMITS,
    method: Method = Method.AUTO,
    take_over: frozenset[str] = frozenset(),
    compacting: bool = False,
    sets: RuleSetNames | None = None,
    unmanaged_set: RuleSet | None = None,
) -> Plan:
    """Return the plan from `actual` to `desired`. `planner.services.plan_changes` reads both and calls this.

    `sets` has what exists; by default, `actual` is the only set, and active.

    `unmanaged_set` is another program's active set, which `actual` replaces. Raises Refused: over SES's limits; if the
    chosen method would leave an address unserved; if another rule set is active; for a rule to take over that doesn't
    exist, is managed, or can't be written.
    """
    sets = sets or RuleSetNames(frozenset([actual.name]), actual.name)
    check_active(actual, sets, unmanaged_set)
    check_take_over(actual, take_over, scope)
    applicable = applicable_state(desired, actual, scope=scope, take_over=take_over)
    desired, untouched = applicable.desired, applicable.names
    check_deliveries(desired.entries, limits)
    check_compaction(applicable, compacting=compacting)
    ours = _packed(desired.entries, actual, scope, limits, untouched, compacting=compacting)
    dropped = (_dropped(actual, ours, scope) | take_over) - untouched
    change = _Change(actual, ours, dropped, limits, sets, scope is None, unmanaged_set, untouched)
    check_rule_count(len(change.end.rules), actual, limits)
    return replace(_plan(change, desired, scope, *_chosen(change, method)), untouched=applicable.untouched)


@dataclass(frozen=True)
class _Change:
    """`ours`: desired managed rules in order. `dropped`: names to delete.

    `untouched`: names that SES refuses to write.
    """

    actual: RuleSet
    ours: tuple[Rule, ...]
    dropped: frozenset[str]
    limits: RuleLimits
    sets: RuleSetNames
    reorders: bool
    unmanaged_set: RuleSet | None = None
    untouched: frozenset[str] = frozenset()

    @property
    def is_live(self) -> bool:
        return self.sets.active == self.actual.name

    @cached_property
    def edits(self) -> tuple[RuleStep, ...]:
        return sequence.in_place(self.actual, self.ours, self.dropped, reorders=self.reorders)

    @cached_property
    def end(self) -> RuleSet:
        return _after(self.actual, self.edits)

    def in_place(self) -> tuple[Step, ...]:
        """Return the edits, and the steps that create and activate the set if needed."""
        exists = self.actual.name in self.sets.names
        making = () if exists else (CreateSet(self.actual.name),)
        return (*making, *self.edits, *(() if self.is_live else (self._activation,)))

    @property
    def _activation(self) -> Activate:
        if self.unmanaged_set is None:
            return Activate(self.actual.name)
        return Activate(self.actual.name, self.unmanaged_set.name, foreign=digest(list(self.unmanaged_set.rules)))

    def in_clone(self) -> tuple[Step, ...]:
        """Clone the set, or write a new one if that is cheaper and no unmanaged rule stays."""
        old = self.actual.name
        new = next_set_name(old, self.sets.names, self.limits)
        edits = sequence.in_clone(self.actual, self.ours, self.dropped, reorders=self.reorders, name=new)
        fresh = sequence.in_new_set(self.ours, new)
        activate = Activate(new, instead_of=old)
        is_whole = not self.untouched and all(rule.name in self.dropped for rule in self.actual.foreign)
        if is_whole and self._keeps_order and len(fresh) < len(edits):
            return (CreateSet(new), *fresh, activate)
        return (CloneSet(old, new), *edits, activate)

    @property
    def _keeps_order(self) -> bool:
        """Return whether a new set would have the rules that stay in their order, which a plan with a scope keeps."""
        stay = [rule.name for rule in self.ours if rule.name in self.actual.by_name]
        return self.reorders or stay == [name for name in self.actual.names if name in frozenset(stay)]


def _packed(
    wanted: Mapping[str, RuleDelivery],
    actual: RuleSet,
    scope: frozenset[str] | None,
    limits: RuleLimits,
    untouched: frozenset[str],
    *,
    compacting: bool,
) -> tuple[Rule, ...]:
    if scope is not None:
        if compacting:
            raise Refused("Compacting affects all rules and can't be limited to some recipients.")
        return pack(wanted, actual.ours, limits=limits, taken=actual.names, scope=scope, untouched=untouched)
    check_lower_bound(wanted, actual, limits)
    ours = tuple(_repaired(actual, wanted, untouched))
    packed = pack(wanted, ours, limits=limits, taken=actual.names, untouched=untouched)
    tight = compact(wanted, ours, limits=limits, taken=actual.names) if compacting else packed
    return tight if len(tight) < len(packed) else packed


def _repaired(actual: RuleSet, wanted: Mapping[str, RuleDelivery], untouched: frozenset[str]) -> Iterable[Rule]:
    """Yield the managed rules. One that was damaged by hand gets a delivery that its recipients should have."""
    for rule in actual.rules:
        if isinstance(rule, Rule):
            yield rule
        elif is_ours(rule.name) and rule.name not in untouched:
            delivery = next((wanted[one] for one in sorted(rule.recipient_set) if one in wanted), None)
            if delivery is not None:
                yield Rule(rule.name, delivery, tuple(rule.recipient_set))


def _dropped(actual: RuleSet, ours: Iterable[Rule], scope: frozenset[str] | None) -> frozenset[str]:
    """Return the managed rules to delete; a plan with a scope leaves a damaged one to an operator."""
    kept = {rule.name for rule in ours}
    known = {rule.name for rule in actual.rules if isinstance(rule, Rule) or (scope is None and is_ours(rule.name))}
    return frozenset(known - kept)


def _chosen(change: _Change, method: Method) -> tuple[Method, tuple[Step, ...], TransitionIssues]:
    """Choose the method. An inactive set receives no mail, so any order of steps is safe."""
    if not change.edits or not change.is_live:
        return Method.IN_PLACE, change.in_place(), TransitionIssues()
    if method is not Method.BLUE_GREEN:
        seen = transition_issues(change.actual, change.edits, change.end)
        if method is Method.IN_PLACE:
            check_in_place(seen, change.limits)
        if method is Method.IN_PLACE or seen.is_safe(change.limits):
            return Method.IN_PLACE, change.in_place(), seen
    check_room_for_set(change.sets, change.limits)
    return Method.BLUE_GREEN, change.in_clone(), TransitionIssues()


def _plan(
    change: _Change,
    desired: DesiredEntries,
    scope: frozenset[str] | None,
    method: Method,
    steps: tuple[Step, ...],
    seen: TransitionIssues,
) -> Plan:
    touched = touched_digest(steps, change.actual)
    after = active_after(change.actual, steps)
    return Plan(
        method=method,
        before=change.actual if change.is_live else change.unmanaged_set or replace(change.actual, rules=()),
        after=after,
        steps=steps,
        edits=change.edits,
        transition_issues=seen,
        doubles=tuple(each for each in desired.doubles if scope is None or each.recipient in scope),
        warnings=plan_warnings(after, seen),
        touched=touched,
        digest=digest([*steps, touched]),
    )


def _after(rule_set: RuleSet, steps: Iterable[RuleStep]) -> RuleSet:
    for step in steps:
        rule_set = apply(step, rule_set)
    return rule_set


def active_after(actual: RuleSet, steps: Iterable[Step]) -> RuleSet:
    """Return the active set after all steps."""
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


def replaceable_rules(rule_set: RuleSet, desired: DesiredEntries) -> frozenset[str]:
    """Return names of unmanaged rules whose recipients all exist here."""
    return frozenset(rule.name for rule in rule_set.foreign if rule.may_be_taken_over and _is_wanted(rule, desired))


def _is_wanted(rule: ForeignRule, desired: DesiredEntries) -> bool:
    return all(
        recipient in desired.entries
        or recipient in desired.covered
        or any(other in desired.entries for other in broader_entries(recipient))
        for recipient in rule.recipient_set
    )
