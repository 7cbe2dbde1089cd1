"""The known state after a run: touched rules as they were read, all others as last applied."""

from receipt_rules.planner.core.plans import known_state_after
from receipt_rules.planner.core.rules import S3, Rule, RuleDelivery, RuleSet
from receipt_rules.planner.core.steps import Create, CreateSet, Delete, Move, Step, Update

STORED = RuleDelivery((S3("inbound-mail"),))


def rule(name: str, *recipients: str) -> Rule:
    return Rule(name, STORED, recipients or (f"{name}.com",))


def make_set(*rules: Rule) -> RuleSet:
    return RuleSet("set", rules)


A, B, C = rule("a"), rule("b"), rule("c")


def after_steps(known: RuleSet, after: RuleSet, *steps: Step) -> RuleSet:
    return known_state_after(known, after, steps)


def test_a_rule_that_the_run_touched_is_known_as_read() -> None:
    more = rule("b", "b.com", "x.com")
    assert after_steps(make_set(A, B), make_set(A, more), Update("set", B, more)) == make_set(A, more)
    assert after_steps(make_set(A, B), make_set(A), Delete("set", B)) == make_set(A)


def test_an_outside_change_does_not_enter_the_known_state() -> None:
    changed, more = rule("a", "else.com"), rule("b", "b.com", "x.com")
    assert after_steps(make_set(A, B), make_set(changed, more, C), Update("set", B, more)) == make_set(A, more)
    assert after_steps(make_set(A, B), make_set(more), Update("set", B, more)) == make_set(A, more)


def test_a_new_rule_follows_its_predecessor_and_an_outside_reordering_is_not_accepted() -> None:
    assert after_steps(make_set(A, B), make_set(A, C, B), Create("set", C, "a")) == make_set(A, C, B)
    assert after_steps(make_set(A, B), make_set(C, B, A), Create("set", C)) == make_set(C, A, B)


def test_an_order_that_the_run_made_is_known() -> None:
    assert after_steps(make_set(A, B), make_set(B, A), Move("set", B)) == make_set(B, A)


def test_a_new_rule_set_is_known_completely() -> None:
    assert after_steps(make_set(A), make_set(B, C), CreateSet("set"), Create("set", B)) == make_set(B, C)
