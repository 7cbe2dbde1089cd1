"""What we know of a set after a run: the touched rules as they were read, all others as we left them."""

from receipt_rules.planner.core.plans import known_state_after
from receipt_rules.planner.core.rules import S3, Rule, RuleDelivery, RuleSet
from receipt_rules.planner.core.steps import Create, CreateSet, Delete, Move, Step, Update

STORED = RuleDelivery((S3("inbound-mail"),))


def rule(name: str, *recipients: str) -> Rule:
    return Rule(name, STORED, recipients or (f"{name}.com",))


def of(*rules: Rule) -> RuleSet:
    return RuleSet("set", rules)


A, B, C = rule("a"), rule("b"), rule("c")


def after_steps(known: RuleSet, after: RuleSet, *steps: Step) -> RuleSet:
    return known_state_after(known, after, steps)


def test_what_the_run_touched_is_known_as_it_was_read() -> None:
    more = rule("b", "b.com", "x.com")
    assert after_steps(of(A, B), of(A, more), Update("set", B, more)) == of(A, more)
    assert after_steps(of(A, B), of(A), Delete("set", B)) == of(A)


def test_what_somebody_else_changed_made_or_deleted_is_not() -> None:
    changed, more = rule("a", "else.com"), rule("b", "b.com", "x.com")
    assert after_steps(of(A, B), of(changed, more, C), Update("set", B, more)) == of(A, more)
    assert after_steps(of(A, B), of(more), Update("set", B, more)) == of(A, more)


def test_a_new_rule_stands_behind_its_predecessor_and_an_order_of_others_is_not_taken_on() -> None:
    assert after_steps(of(A, B), of(A, C, B), Create("set", C, "a")) == of(A, C, B)
    assert after_steps(of(A, B), of(C, B, A), Create("set", C)) == of(C, A, B)


def test_an_order_that_the_run_made_is_taken_on() -> None:
    assert after_steps(of(A, B), of(B, A), Move("set", B)) == of(B, A)


def test_a_new_set_is_known_whole() -> None:
    assert after_steps(of(A), of(B, C), CreateSet("set"), Create("set", B)) == of(B, C)
