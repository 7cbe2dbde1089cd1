"""A small change of one customer between the steps of a large run: both end as approved, and no mail is lost."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipt_rules.planner.core.desired import DesiredEntries, without_covered
from receipt_rules.planner.core.matching import RoutingResult, delivering_rules, route
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.rest import are_independent, plan_of_rest
from receipt_rules.planner.core.rules import Rule, RuleDelivery, RuleLimits, RuleSet
from receipt_rules.planner.core.steps import (
    LiveStatus,
    Step,
    Update,
    apply,
    live_status,
    rule_steps,
    touched_recipients,
)
from tests.receipt_rules.plan_guarantees import _check
from tests.receipt_rules.planner.test_core_properties import many
from tests.receipt_rules.strategies import (
    ADDRESSES,
    DELIVERIES,
    LIMITS,
    RECIPIENTS,
    STRANGERS,
    deliveries,
    desired_deliveries,
    rule_sets,
    unmanaged_only,
)

BOBS = frozenset(one for one in RECIPIENTS if one.endswith("bob.example"))
ALICES = frozenset(RECIPIENTS) - BOBS
NONE_REFUSED: Mapping[str, RuleDelivery] = MappingProxyType({})
TIGHT = RuleLimits(rules=4, recipients=3, rule_sets=40)
bobs_deliveries = st.dictionaries(st.sampled_from(sorted(BOBS)), deliveries, max_size=3)


def replaced(wanted: dict[str, RuleDelivery], names: frozenset[str], by: dict[str, RuleDelivery]) -> DesiredEntries:
    kept = {one: to for one, to in wanted.items() if one not in names}
    return without_covered(kept | {one: to for one, to in by.items() if one in names})


def states_of(start: RuleSet, plan: Plan) -> Iterator[RuleSet]:
    """Yield the active set after each step in place; what a step replaces must be there."""
    for step in rule_steps(plan.steps):
        assert live_status(step, start) is LiveStatus.TO_DO
        start = apply(step, start)
        yield start


def rest_after(steps: tuple[Step, ...], small: Plan, limits: RuleLimits) -> Plan | None:
    if small.method is not Method.IN_PLACE:
        return None
    return plan_of_rest(steps, small.after, others=BOBS, refused=NONE_REFUSED, limits=limits)


@pytest.mark.parametrize("limits", [LIMITS, TIGHT], ids=["with room", "nearly full"])
@many
@given(desired_deliveries, desired_deliveries, bobs_deliveries, rule_sets)
def test_no_mail_is_lost_or_doubled_while_a_small_change_goes_before_the_rest(
    limits: RuleLimits,
    wanted: dict[str, RuleDelivery],
    larger: dict[str, RuleDelivery],
    bobs: dict[str, RuleDelivery],
    others: RuleSet,
) -> None:
    start = make_plan(without_covered(wanted), unmanaged_only(others), limits=LIMITS).after
    after_large = replaced(wanted, ALICES, larger)
    large = make_plan(after_large, start, limits=LIMITS)
    if large.method is not Method.IN_PLACE:
        return
    after_both = replaced({**wanted, **larger}, ALICES, larger)
    after_both = replaced({**dict(after_both.entries)}, BOBS, bobs)
    states = [start, *states_of(start, large)]
    for done, now in enumerate(states):
        small = make_plan(after_both, now, scope=BOBS, limits=LIMITS)
        rest = rest_after(large.steps[done:], small, limits)
        if rest is not None:
            check_both(states[: done + 1], large, small, rest, limits)


def check_both(before: list[RuleSet], large: Plan, small: Plan, rest: Plan, limits: RuleLimits) -> None:
    after_small = [*states_of(before[-1], small)]
    states = [*before, *after_small, *states_of(small.after, rest)]
    most = max((len(state.rules) for state in states[len(before) + len(after_small) :]), default=0)
    assert most <= max(limits.rules, len(small.after.rules))
    for address in (*ADDRESSES, *STRANGERS):
        routed: list[RoutingResult] = [route(state.rules, (address,)) for state in states]
        for now in routed[1:-1]:
            _check(routed[0], now, routed[-1])
        as_approved = small.after if address.endswith("bob.example") else large.after
        assert sorted(str(rule.delivery) for rule in delivering_rules(states[-1].rules, address)) == sorted(
            str(rule.delivery) for rule in delivering_rules(as_approved.rules, address)
        )


def test_the_rest_is_planned_around_a_recipient_that_was_added_to_its_rule_meanwhile() -> None:
    a, b, c, d = (f"{name}@alice.example" for name in "abcd")
    one, to = "me@bob.example", DELIVERIES[0]
    start = RuleSet("inbound", (Rule("inbound-001", to, (a,)),))
    large = make_plan(DesiredEntries(dict.fromkeys((a, b, c, d), to)), start, limits=LIMITS)
    small = make_plan(DesiredEntries({one: to}), start, scope=frozenset([one]), limits=LIMITS)
    assert [type(step) for step in small.steps] == [Update]
    rest = rest_after(large.steps, small, LIMITS)
    assert rest is not None
    assert sorted(each for rule in rest.after.ours for each in rule.recipients) == sorted((a, b, c, d, one))


def test_a_small_change_that_takes_the_last_room_of_the_rest_waits() -> None:
    """Two rules of three: with the small change there would be seven recipients."""
    to, full = DELIVERIES[0], RuleLimits(rules=2, recipients=3)
    names = [f"{name}@alice.example" for name in "abcdef"]
    start = RuleSet("inbound", (Rule("inbound-001", to, (names[0],)),))
    large = make_plan(DesiredEntries(dict.fromkeys(names, to)), start, limits=full)
    one = "me@bob.example"
    small = make_plan(DesiredEntries({one: to}), start, scope=frozenset([one]), limits=full)
    assert rest_after(large.steps, small, full) is None
    assert rest_after(large.steps, small, LIMITS) is not None


def test_a_rule_that_somebody_else_changed_is_not_planned_around() -> None:
    to, other = DELIVERIES[:2]
    rule = Rule("inbound-001", to, ("a@alice.example",))
    steps = make_plan(
        DesiredEntries(dict.fromkeys(("a@alice.example", "b@alice.example"), to)),
        RuleSet("inbound", (rule,)),
        limits=LIMITS,
    ).steps
    for changed in (
        Rule("inbound-001", other, ("a@alice.example",)),
        Rule("inbound-001", to, ("a@alice.example",), enabled=False),
        Rule("inbound-001", to, ("a@alice.example", "x@stranger.example")),
        Rule("inbound-001", to, ("c@alice.example",)),
    ):
        live = RuleSet("inbound", (changed,))
        assert plan_of_rest(steps, live, others=BOBS, refused=NONE_REFUSED, limits=LIMITS) is None
    assert plan_of_rest(steps, RuleSet("inbound", (rule,)), others=BOBS, refused=NONE_REFUSED, limits=LIMITS)


def test_a_rest_that_would_do_less_than_was_approved_is_no_plan() -> None:
    """Its rule has a recipient that SES refuses since: it must stay as it is, so the other one can't leave it."""
    to = DELIVERIES[0]
    removed, refused = "a@alice.example", "x@alice.example"
    start = RuleSet("inbound", (Rule("inbound-admin-001", to, (removed, refused)),))
    steps = make_plan(DesiredEntries({refused: to}), start, limits=LIMITS).steps
    assert plan_of_rest(steps, start, others=BOBS, refused=NONE_REFUSED, limits=LIMITS)
    assert plan_of_rest(steps, start, others=BOBS, refused={refused: to}, limits=LIMITS) is None


def test_recipients_that_can_share_an_address_are_not_independent() -> None:
    assert are_independent({"a@alice.example", "bob.example"}, {"b@alice.example"})
    for entry in ("a@alice.example", "alice.example", ".example"):
        assert not are_independent({entry}, {"a@alice.example"})
        assert not are_independent({"a@alice.example"}, {entry})
    assert touched_recipients(()) == frozenset()
