"""What a rule set is after a step, as SES makes it: for the plan's preview, and for the tests of its promises."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from receipt_rules.core.ordering import inserted, moved
from receipt_rules.core.rules import RuleSet
from receipt_rules.core.steps import Create, Delete, Move, Reorder, RuleStep, Step, Update


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


def states(steps: Iterable[Step], rule_set: RuleSet) -> Iterator[RuleSet]:
    """The set after each of the steps that change its rules."""
    for step in rule_steps(steps):
        rule_set = apply(step, rule_set)
        yield rule_set
