"""A plan's guarantees, checked with the matcher in every state in which mail can arrive while it is applied."""

from collections.abc import Iterator, Sequence

from receipt_rules.planner.core.matching import RoutingResult, route
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import ForeignRule, Rule, RuleSet
from receipt_rules.planner.core.steps import Activate, CloneSet, CreateSet, RuleStep, apply


def active_sets(plan: Plan, actual: RuleSet) -> Iterator[RuleSet]:
    """Yield the active set after each step, applied to all sets as SES would."""
    sets, active = {actual.name: actual}, actual.name
    for step in plan.steps:
        match step:
            case CreateSet():
                sets[step.rule_set] = RuleSet(step.rule_set)
            case CloneSet():
                sets[step.rule_set] = RuleSet(step.rule_set, sets[step.source].rules)
            case Activate():
                assert step.instead_of == active
                active = step.rule_set
            case _:
                _check_old(step, sets[step.rule_set])
                sets[step.rule_set] = apply(step, sets[step.rule_set])
        yield sets[active]


def _check_old(step: RuleStep, rule_set: RuleSet) -> None:
    """Check that the step's old value is the current one."""
    old = getattr(step, "old", None)
    if isinstance(old, Rule | ForeignRule):
        assert rule_set.by_name[old.name] == old
    after = getattr(step, "after", "")
    assert not after or after in rule_set.by_name


def check_all(plan: Plan, actual: RuleSet, envelopes: Sequence[Sequence[str]]) -> None:
    """Check every message in every state: a recipient served before and after is never unserved, doubled or
    misdirected.
    """
    states = [actual, *active_sets(plan, actual)]
    assert states[-1].rules == plan.after.rules
    for envelope in envelopes:
        first, last = route(states[0].rules, envelope), route(states[-1].rules, envelope)
        for state in states[1:-1]:
            _check(first, route(state.rules, envelope), last)


def _check(first: RoutingResult, now: RoutingResult, last: RoutingResult) -> None:
    for recipient in now.envelope:
        before, between, after = (len(routing.received_by[recipient]) for routing in (first, now, last))
        assert between or not (before and after), f"{recipient} is unserved"
        assert between <= max(before, after, 1), f"{recipient} is stored twice"
        ends = {rule.delivery for routing in (first, last) for rule in routing.received_by[recipient]}
        assert {rule.delivery for rule in now.received_by[recipient]} <= ends, f"{recipient} is misdirected"
