"""Plans the steps from the live rules to the desired entries. A plan is shown, approved by its digest, then executed.

There are two methods. In place, each step changes the active set: it is cheap, and right as long as no recipient goes
from one rule to another. On a copy (blue/green), the active set is copied, the copy edited and then made active, which
is one moment for everybody; the old set is kept. AUTO takes the first where it keeps the promise of `sequence.moments`,
otherwise the second.

`remarks` are warnings that stop nothing; each `check_…` raises Refused or returns nothing. `old_style` finds rules of
the legacy system whose mail is all wanted here, so that our rules can replace them. `known_after` is the last known
state after a partial run: what others changed before it remains a difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core import sequence
from receipt_rules.planner.core.compaction import bound, compact
from receipt_rules.planner.core.desired import Desired
from receipt_rules.planner.core.packing import pack
from receipt_rules.planner.core.plans import Method, Plan, Sets, digest, touched_digest
from receipt_rules.planner.core.rules import (
    SES_LIMITS,
    ForeignRule,
    Rule,
    RuleDelivery,
    RuleLimits,
    RuleSet,
    broader,
    is_ours,
    next_set_name,
    spoken,
)
from receipt_rules.planner.core.sequence import Moments, moments
from receipt_rules.planner.core.steps import (
    Activate,
    CloneSet,
    Create,
    CreateSet,
    Delete,
    Move,
    Reorder,
    RuleStep,
    Step,
    Update,
    apply,
    barrier,
    rule_steps,
)
from receipt_rules.planner.core.untouched import Detour, around


def remarks(after: RuleSet, seen: Moments) -> tuple[str, ...]:
    """About the set as it will be, and about the moments on the way there."""
    return (*_momentary(seen.twice), *_foreign(after), *_behind(after), *_stopping(after))


def _momentary(twice: Sequence[str]) -> Iterable[str]:
    if twice:
        others = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
        yield f"For a moment, mail for {spoken(twice[0])}{others} is stored twice. The blue/green method prevents this."


def _foreign(after: RuleSet) -> Iterable[str]:
    for rule in after.foreign:
        if rule.is_for_everybody and rule.enabled and rule.delivery.delivers:
            yield f"{rule.name} is unmanaged and has no recipient condition: it receives a second copy of all mail."


def _behind(after: RuleSet) -> Iterable[str]:
    ours = frozenset(rule.name for rule in after.ours)
    end = barrier(after.rules, ours)
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


def check_active(actual: RuleSet, sets: Sets, stranger: RuleSet | None) -> None:
    """Another active set is replaced only if a person asks for it by name: its rules stop immediately."""
    if sets.active not in ("", actual.name, stranger.name if stranger else ""):
        raise Refused(
            f"Another program activated the rule set {sets.active} instead of {actual.name}. Restore "
            f"{actual.name}, which deactivates {sets.active}, or adopt {sets.active} to keep its rules and add "
            "ours.",
            code="RULE_SET_NOT_OURS",
        )


def check_take_over(actual: RuleSet, take_over: frozenset[str], scope: frozenset[str] | None) -> None:
    for name in sorted(take_over):
        rule = actual.by_name.get(name)
        if not isinstance(rule, ForeignRule):
            raise Refused(f"{actual.name} has no unmanaged rule {name} to take over.")
        if not rule.may_be_taken_over:
            raise Refused(
                f"Rule {name} has no recipient condition, or actions that we don't write. It stays unchanged."
            )
        if scope is not None and rule.recipient_set - scope:
            raise Refused(f"Rule {name} also serves other customers. An operator must plan this.")


def check_deliveries(wanted: Mapping[str, RuleDelivery], limits: RuleLimits) -> None:
    for delivery in set(wanted.values()):
        if len(delivery.actions) > limits.actions:
            raise Refused(f"A rule can have up to {limits.actions} actions; this delivery has more: {delivery}.")


def check_bound(wanted: Mapping[str, RuleDelivery], actual: RuleSet, limits: RuleLimits) -> None:
    """Before packing, which takes long where far too many rules are wanted."""
    if (least := bound(wanted, limits)) > limits.rules:
        raise _full(least, actual, limits)


def check_number(needed: int, actual: RuleSet, limits: RuleLimits) -> None:
    """`needed` is the number of all rules at the end. A set that is over the limit already may stay as large."""
    if needed > max(limits.rules, len(actual.rules)):
        raise _full(needed, actual, limits)


def check_in_place(seen: Moments, limits: RuleLimits) -> None:
    """To be stored twice for a moment is shown and may be chosen; to be rejected or sent elsewhere may not."""
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


def check_compaction(detour: Detour, *, compacting: bool) -> None:
    if compacting and detour.untouched:
        raise Refused(f"The rules can't be compacted now. {detour.untouched[0].sentence}", code="RULE_UNTOUCHED")


def check_room_for_set(sets: Sets, limits: RuleLimits) -> None:
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
    desired: Desired,
    actual: RuleSet,
    *,
    scope: frozenset[str] | None = None,
    limits: RuleLimits = SES_LIMITS,
    method: Method = Method.AUTO,
    take_over: frozenset[str] = frozenset(),
    compacting: bool = False,
    sets: Sets | None = None,
    stranger: RuleSet | None = None,
) -> Plan:
    """`sets` tells what exists; without it, `actual` is the only set and active. `actual` replaces `stranger`.

    Raises Refused: over SES's limits; when the chosen method would leave an address unserved; when another rule set is
    active; for a rule to take over that does not exist, is ours, or cannot be written as one of ours.
    """
    sets = sets or Sets(frozenset([actual.name]), actual.name)
    check_active(actual, sets, stranger)
    check_take_over(actual, take_over, scope)
    detour = around(desired, actual, scope=scope, take_over=take_over)
    desired, stays = detour.desired, detour.names
    check_deliveries(desired.entries, limits)
    check_compaction(detour, compacting=compacting)
    ours = _packed(desired.entries, actual, scope, limits, stays, compacting=compacting)
    dropped = (_dropped(actual, ours, scope) | take_over) - stays
    change = _Change(actual, ours, dropped, limits, sets, scope is None, stranger, stays)
    check_number(len(change.end.rules), actual, limits)
    return replace(_plan(change, desired, scope, *_chosen(change, method)), untouched=detour.untouched)


@dataclass(frozen=True)
class _Change:
    """`ours` are our rules as they shall be, in their order; `dropped` names those that go, `stays` those that SES
    would refuse to take once more.
    """

    actual: RuleSet
    ours: tuple[Rule, ...]
    dropped: frozenset[str]
    limits: RuleLimits
    sets: Sets
    reorders: bool
    stranger: RuleSet | None = None
    stays: frozenset[str] = frozenset()

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
        """With what makes the set exist and active."""
        exists = self.actual.name in self.sets.names
        making = () if exists else (CreateSet(self.actual.name),)
        return (*making, *self.edits, *(() if self.is_live else (self._activation,)))

    @property
    def _activation(self) -> Activate:
        if self.stranger is None:
            return Activate(self.actual.name)
        return Activate(self.actual.name, self.stranger.name, foreign=digest(list(self.stranger.rules)))

    def on_a_copy(self) -> tuple[Step, ...]:
        """The cheaper of copying the set and of writing a new one, which is possible where no foreign rule stays."""
        old = self.actual.name
        new = next_set_name(old, self.sets.names, self.limits)
        edits = sequence.on_a_copy(self.actual, self.ours, self.dropped, reorders=self.reorders, name=new)
        fresh = sequence.in_new_set(self.ours, new)
        activate = Activate(new, instead_of=old)
        is_whole = not self.stays and all(rule.name in self.dropped for rule in self.actual.foreign)
        if is_whole and len(fresh) < len(edits):
            return (CreateSet(new), *fresh, activate)
        return (CloneSet(old, new), *edits, activate)


def _packed(
    wanted: Mapping[str, RuleDelivery],
    actual: RuleSet,
    scope: frozenset[str] | None,
    limits: RuleLimits,
    stays: frozenset[str],
    *,
    compacting: bool,
) -> tuple[Rule, ...]:
    if scope is not None:
        if compacting:
            raise Refused("Compacting affects all rules and can't be limited to some recipients.")
        return pack(wanted, actual.ours, limits=limits, taken=actual.names, scope=scope, untouched=stays)
    check_bound(wanted, actual, limits)
    ours = tuple(_repaired(actual, wanted, stays))
    packed = pack(wanted, ours, limits=limits, taken=actual.names, untouched=stays)
    tight = compact(wanted, ours, limits=limits, taken=actual.names) if compacting else packed
    return tight if len(tight) < len(packed) else packed


def _repaired(actual: RuleSet, wanted: Mapping[str, RuleDelivery], stays: frozenset[str]) -> Iterable[Rule]:
    """Our rules; one that was damaged by hand as it may have been: with a delivery that its recipients want."""
    for rule in actual.rules:
        if isinstance(rule, Rule):
            yield rule
        elif is_ours(rule.name) and rule.name not in stays:
            delivery = next((wanted[one] for one in sorted(rule.recipient_set) if one in wanted), None)
            if delivery is not None:
                yield Rule(rule.name, delivery, tuple(rule.recipient_set))


def _dropped(actual: RuleSet, ours: Iterable[Rule], scope: frozenset[str] | None) -> frozenset[str]:
    """Our rules that go; a plan with a scope leaves a damaged one to an operator."""
    kept = {rule.name for rule in ours}
    known = {rule.name for rule in actual.rules if isinstance(rule, Rule) or (scope is None and is_ours(rule.name))}
    return frozenset(known - kept)


def _chosen(change: _Change, method: Method) -> tuple[Method, tuple[Step, ...], Moments]:
    """An inactive set receives no mail, so there is nothing to guarantee."""
    if not change.edits or not change.is_live:
        return Method.IN_PLACE, change.in_place(), Moments()
    if method is not Method.BLUE_GREEN:
        seen = moments(change.actual, change.edits, change.end)
        if method is Method.IN_PLACE:
            check_in_place(seen, change.limits)
        if method is Method.IN_PLACE or seen.are_safe(change.limits):
            return Method.IN_PLACE, change.in_place(), seen
    check_room_for_set(change.sets, change.limits)
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
    after = active_after(change.actual, steps)
    return Plan(
        method=method,
        before=change.actual if change.is_live else change.stranger or replace(change.actual, rules=()),
        after=after,
        steps=steps,
        edits=change.edits,
        moments=seen,
        doubles=tuple(each for each in desired.doubles if scope is None or each.recipient in scope),
        warnings=remarks(after, seen),
        emptied=_emptied(change),
        touched=touched,
        digest=digest([*steps, touched]),
    )


def _after(rule_set: RuleSet, steps: Iterable[RuleStep]) -> RuleSet:
    for step in steps:
        rule_set = apply(step, rule_set)
    return rule_set


def active_after(actual: RuleSet, steps: Iterable[Step]) -> RuleSet:
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


def old_style(rule_set: RuleSet, desired: Desired) -> frozenset[str]:
    """Return names of unmanaged rules whose recipients all exist here."""
    return frozenset(rule.name for rule in rule_set.foreign if rule.may_be_taken_over and _is_wanted(rule, desired))


def _is_wanted(rule: ForeignRule, desired: Desired) -> bool:
    return all(
        recipient in desired.entries
        or recipient in desired.covered
        or any(other in desired.entries for other in broader(recipient))
        for recipient in rule.recipient_set
    )


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
