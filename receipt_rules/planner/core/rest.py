"""Plans what is left of a run again, after other runs of ours changed other recipients in its rules.

A run leads to the rules as its last step leaves them. That stays the target: only how the recipients that are left are
distributed over the rules is decided again, from the live rules. So the run does exactly what was approved, whatever
the rows say by now.

No address is served by entries of both runs (`are_independent`), so each state on the way is safe for an address if it
is safe within the one run that concerns it.
"""

from collections.abc import Iterable, Mapping, Sequence

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core.desired import DesiredEntries
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.rules import (
    AnyRule,
    ForeignRule,
    Rule,
    RuleDelivery,
    RuleLimits,
    RuleSet,
    broader_entries,
)
from receipt_rules.planner.core.steps import (
    ContentStep,
    LiveStatus,
    Step,
    live_status,
    rule_steps,
    touched_recipients,
)


def are_independent(some: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether no address can be served by an entry of `some` and by one of `others`."""
    these, those = frozenset(some), frozenset(others)
    return these.isdisjoint(those) and not _has_broader(these, those) and not _has_broader(those, these)


def _has_broader(some: frozenset[str], others: frozenset[str]) -> bool:
    return any(not others.isdisjoint(broader_entries(one)) for one in some)


def fit(steps: Iterable[Step], live: RuleSet) -> bool:
    """Return whether each step can be made, or is made already."""
    return not any(live_status(step, live) is LiveStatus.CHANGED for step in rule_steps(steps))


def plan_of_rest(
    steps: Sequence[Step],
    live: RuleSet,
    *,
    others: frozenset[str],
    refused: Mapping[str, RuleDelivery],
    limits: RuleLimits,
) -> Plan | None:
    """Return the plan from the live rules to where the steps lead. `steps` are those that are left of a run in place.

    `others`: recipients that may differ from what the steps assume. `refused` as in `DesiredEntries`. None if anything
    else differs, if the steps do more than create, update and delete managed rules, or if no plan in place is safe or
    does all that was approved.
    """
    plain = [step for step in steps if isinstance(step, ContentStep)]
    touched = touched_recipients(steps)
    if len(plain) < len(steps) or not are_independent(touched, others):
        return None
    if not all(_is_as_assumed(step, live, others) for step in plain):
        return None
    target = {one: to for one, to in _target(plain, live, touched).items() if one not in refused}
    scope = touched | _near(touched, target)
    try:
        made = make_plan(DesiredEntries(target, refused=refused), live, scope=scope, limits=limits)
    except Refused:
        return None
    return made if made.method is Method.IN_PLACE and not made.waiting else None


def _is_as_assumed(step: ContentStep, live: RuleSet, others: frozenset[str]) -> bool:
    """Return whether the live rule is as before or after the step, except for `others`."""
    if isinstance(step.old, ForeignRule):
        return False
    found = live.by_name.get(step.name)
    return any(_differs_in(found, rule) <= others and _is_same_kind(found, rule) for rule in (step.old, step.new))


def _differs_in(one: AnyRule | None, other: AnyRule | None) -> frozenset[str]:
    sets = [rule.recipient_set if rule else frozenset[str]() for rule in (one, other)]
    return sets[0] ^ sets[1]


def _is_same_kind(one: AnyRule | None, other: AnyRule | None) -> bool:
    """Return whether the rules deliver the same, or one is missing because its only recipients are others'."""
    if one is None or other is None:
        return isinstance(one or other, Rule | None)
    return isinstance(one, Rule) and (one.delivery, one.enabled) == (other.delivery, other.enabled)


def _target(steps: Sequence[ContentStep], live: RuleSet, touched: frozenset[str]) -> dict[str, RuleDelivery]:
    """Return the delivery of each recipient: of touched ones as the steps leave it, of others as it is."""
    ends = {step.name: step.new for step in steps}
    found: dict[str, RuleDelivery] = {}
    for rule in (*(ends.get(rule.name, rule) for rule in live.ours), *ends.values()):
        if rule is not None and rule.enabled:
            found |= {one: rule.delivery for one in rule.recipient_set & touched if one not in found}
    for rule in live.ours:
        if rule.enabled:
            found |= {one: rule.delivery for one in rule.recipients if one not in touched and one not in found}
    return found


def _near(touched: frozenset[str], target: Mapping[str, RuleDelivery]) -> frozenset[str]:
    """Return recipients broader or narrower than a touched one: which comes first may matter."""
    above = {entry for one in touched for entry in broader_entries(one) if entry in target}
    return frozenset(above | {one for one in target if not touched.isdisjoint(broader_entries(one))})
