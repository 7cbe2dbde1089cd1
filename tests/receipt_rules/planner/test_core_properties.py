"""Properties of every plan, over random desired states and random rule sets; `make soak` tries many more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core.compaction import compact, minimum_rules
from receipt_rules.planner.core.desired import DesiredEntries, without_covered
from receipt_rules.planner.core.matching import delivering_rules, match
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.recipient_index import (
    RecipientIndex,
    SampleAddresses,
    affected_addresses,
    relevant_rules,
)
from receipt_rules.planner.core.rules import (
    AnyRule,
    Rule,
    RuleDelivery,
    RuleSet,
    covering_entries,
    domain_of,
    is_address,
)
from tests.receipt_rules.plan_guarantees import active_sets, check_all
from tests.receipt_rules.strategies import (
    ADDRESSES,
    DELIVERIES,
    LIMITS,
    RECIPIENTS,
    SHARED_ENTRIES,
    STRANGERS,
    deliveries,
    desired_deliveries,
    desired_states,
    envelopes,
    owner,
    recipients,
    rule_sets,
    unmanaged_only,
)

EXAMPLES = int(os.environ.get("PLANNER_EXAMPLES", "200"))
SAME = "PLANNER_EXAMPLES" not in os.environ  # the tests use the same examples each time, the soak other ones
every = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=SAME)
many = settings(every, max_examples=EXAMPLES)
some = settings(every, max_examples=EXAMPLES // 4)  # for properties that the larger sample covers too
ALONE = tuple((address,) for address in (*ADDRESSES, *STRANGERS))


def plan_for(desired: DesiredEntries, actual: RuleSet, **options: object) -> Plan:
    return make_plan(desired, actual, limits=LIMITS, **options)  # type: ignore[arg-type]  # passed on unchanged


def planned_rules(desired: DesiredEntries, start: RuleSet) -> RuleSet:
    return plan_for(desired, start).after


@many
@given(desired_states, rule_sets)
def test_after_a_plan_the_next_plan_is_empty(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual)
    again = plan_for(desired, plan.after)
    assert again.is_empty, again.steps


@many
@given(desired_states, rule_sets, st.lists(envelopes, max_size=5))
def test_no_step_of_a_plan_loses_a_recipients_mail(
    desired: DesiredEntries, actual: RuleSet, messages: list[tuple[str, ...]]
) -> None:
    check_all(plan_for(desired, actual), actual, (*ALONE, *messages))


@many
@given(desired_states, desired_states, rule_sets, st.lists(envelopes, max_size=5))
def test_no_recipient_is_unserved_between_two_desired_states(
    before: DesiredEntries, after: DesiredEntries, others: RuleSet, messages: list[tuple[str, ...]]
) -> None:
    start = planned_rules(before, unmanaged_only(others))
    check_all(plan_for(after, start), start, (*ALONE, *messages))


@some
@given(desired_states, rule_sets)
def test_every_desired_recipient_ends_in_one_rule_with_its_delivery(desired: DesiredEntries, actual: RuleSet) -> None:
    after = plan_for(desired, actual).after
    placed = [(recipient, rule.delivery) for rule in after.ours for recipient in rule.recipients]
    assert sorted(placed, key=lambda pair: pair[0]) == sorted(desired.entries.items())
    assert all(rule.enabled and len(rule.recipients) <= LIMITS.recipients for rule in after.ours)


@many
@given(desired_states, rule_sets)
def test_consequences_can_be_computed_from_the_relevant_rules_alone(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual, scope=frozenset(RECIPIENTS[::3]))
    near = relevant_rules(actual, plan.after, steps=plan.edits)
    everything, start, end = (
        SampleAddresses((*actual.rules, *plan.after.rules)),
        RecipientIndex(actual),
        RecipientIndex(plan.after),
    )
    affected = affected_addresses(plan.edits, everything, order_matters=True)
    assert list(
        affected_addresses(plan.edits, SampleAddresses((*near[0].rules, *near[1].rules)), order_matters=True)
    ) == list(affected)
    for whole, part in ((start, RecipientIndex(near[0])), (end, RecipientIndex(near[1]))):
        for address in affected:
            assert [each.name for each in part.delivering_rules(address)] == [
                each.name for each in whole.delivering_rules(address)
            ]


@some
@given(desired_states, rule_sets)
def test_an_address_precedes_the_domains_that_cover_it_with_another_delivery(
    desired: DesiredEntries, actual: RuleSet
) -> None:
    place: dict[str, int] = {}
    for number, rule in enumerate(plan_for(desired, actual).after.ours):
        place |= dict.fromkeys(rule.recipients, number)
    for recipient in filter(is_address, desired.entries):
        own = desired.entries[recipient]
        for entry in covering_entries(recipient):
            if not is_address(entry) and desired.entries.get(entry, own) != own:
                assert place[recipient] < place[entry]


@some
@given(desired_states, rule_sets)
def test_unmanaged_rules_never_change_and_keep_their_order(desired: DesiredEntries, actual: RuleSet) -> None:
    theirs = unmanaged_only(actual).rules
    for state in active_sets(plan_for(desired, actual), actual):
        assert tuple(rule for rule in state.rules if rule in theirs) == theirs


@some
@given(desired_states, rule_sets)
def test_no_rule_of_ours_follows_an_unmanaged_rule_that_may_stop(desired: DesiredEntries, actual: RuleSet) -> None:
    passed = False
    for rule in plan_for(desired, actual).after.rules:
        passed = passed or (not isinstance(rule, Rule) and rule.enabled and rule.delivery.may_stop)
        assert not (passed and isinstance(rule, Rule))


@some
@given(desired_deliveries, recipients, deliveries, rule_sets)
def test_an_additional_recipient_changes_one_rule(
    desired: dict[str, RuleDelivery], recipient: str, delivery: RuleDelivery, others: RuleSet
) -> None:
    before, after = without_covered(desired), without_covered({**desired, recipient: delivery})
    assume(recipient not in desired)
    assume({**before.entries, recipient: delivery} == dict(after.entries) and before.doubles == after.doubles)
    plan = plan_for(after, planned_rules(before, unmanaged_only(others)))
    assert len(plan.steps) == 1
    assert plan.calls == 3
    assert plan.method is Method.IN_PLACE


@many
@given(desired_deliveries, st.sets(recipients), desired_deliveries, rule_sets)
def test_recipients_are_not_moved_between_rules_without_need(
    desired: dict[str, RuleDelivery], gone: set[str], more: dict[str, RuleDelivery], others: RuleSet
) -> None:
    before = without_covered(desired)
    kept = {one: delivery for one, delivery in desired.items() if one not in gone}
    after = without_covered({**kept, **{one: delivery for one, delivery in more.items() if one not in desired}})
    start = planned_rules(before, unmanaged_only(others))
    where = {one: rule.name for rule in plan_for(after, start).after.ours for one in rule.recipients}
    doubled = {double.recipient for double in after.doubles}
    for rule in start.ours:
        for one in rule.recipients:
            if after.entries.get(one) == rule.delivery and one not in doubled:
                assert where[one] == rule.name


@many
@given(desired_states, rule_sets)
def test_a_compaction_reaches_the_minimum_number_of_rules(desired: DesiredEntries, actual: RuleSet) -> None:
    """Allow one more rule, or one for each delivery in a cycle: with addresses inside each other's domains."""
    rules = compact(desired.entries, actual.ours, limits=LIMITS)
    assert len(rules) <= minimum_rules(desired.entries, LIMITS) + max(1, _deliveries_in_cycles(desired))
    after = plan_for(desired, actual, compacting=True).after
    assert len(after.ours) <= len(plan_for(desired, actual).after.ours)
    assert plan_for(desired, after).is_empty
    assert plan_for(desired, after, compacting=True).is_empty


def _deliveries_in_cycles(desired: DesiredEntries) -> int:
    pairs = {
        (desired.entries[one], desired.entries[entry])
        for one in filter(is_address, desired.entries)
        for entry in covering_entries(one)
        if entry in desired.entries and not is_address(entry)
    }
    reached = set(pairs)
    while True:
        longer = reached | {(a, d) for a, b in reached for c, d in pairs if b == c}
        if longer == reached:
            return len({a for a, b in reached if a == b})
        reached = longer


@some
@given(desired_states, rule_sets)
def test_a_compaction_loses_no_mail(desired: DesiredEntries, actual: RuleSet) -> None:
    start = planned_rules(desired, actual)
    check_all(plan_for(desired, start, compacting=True), start, ALONE)


@many
@given(desired_states, rule_sets, st.sets(recipients), st.lists(envelopes, max_size=3))
def test_a_plan_with_a_scope_changes_no_other_recipient(
    desired: DesiredEntries, actual: RuleSet, chosen: set[str], messages: list[tuple[str, ...]]
) -> None:
    scope = frozenset(chosen)
    plan = plan_for(desired, actual, scope=scope)
    for state in active_sets(plan, actual):
        assert _outside(state, scope) == _outside(actual, scope)
    check_all(plan, actual, (*ALONE, *messages))
    placed = [(one, rule.delivery) for rule in plan.after.ours for one in rule.recipients if one in scope]
    expected = [(one, delivery) for one, delivery in desired.entries.items() if one in scope]
    assert sorted(placed, key=lambda pair: pair[0]) == sorted(expected)
    assert plan_for(desired, plan.after, scope=scope).is_empty


def _outside(state: RuleSet, scope: frozenset[str]) -> list[object]:
    """Return each rule's recipients outside of the scope, in order, with their delivery."""
    return [
        rule if not isinstance(rule, Rule) else (rule.name, rule.delivery, rule.enabled, rule.recipient_set - scope)
        for rule in state.rules
        if not isinstance(rule, Rule) or rule.recipient_set - scope
    ]


@some
@given(desired_states, rule_sets)
def test_a_plan_in_place_is_refused_or_leaves_no_gap(desired: DesiredEntries, actual: RuleSet) -> None:
    try:
        plan = plan_for(desired, actual, method=Method.IN_PLACE)
    except Refused as refused:
        assert "In place" in str(refused)  # noqa: PT017  # both outcomes are correct, and both are checked
        return
    for state in active_sets(plan, actual):
        for address in ADDRESSES:
            if delivering_rules(actual.rules, address) and delivering_rules(plan.after.rules, address):
                assert delivering_rules(state.rules, address)


@some
@given(desired_states, rule_sets)
def test_blue_green_changes_all_recipients_at_one_moment(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual, method=Method.BLUE_GREEN)
    intermediate_states = list(active_sets(plan, actual))
    assert all(state == actual for state in intermediate_states[:-1])
    assert not intermediate_states or intermediate_states[-1].rules == plan.after.rules


@some
@given(rule_sets, st.sampled_from((*ADDRESSES, *STRANGERS)))
def test_the_index_agrees_with_the_matcher(rule_set: RuleSet, address: str) -> None:
    assert RecipientIndex(rule_set).delivering_rules(address) == delivering_rules(rule_set.rules, address)


def received(state: RuleSet, address: str) -> tuple[RuleDelivery, ...]:
    """Return each delivery; that of a subdomain entry only if no other rule delivers the same way."""
    rules = delivering_rules(state.rules, address)
    above = [isinstance(each, Rule) and match_of(each, address).startswith(".") for each in rules]
    own = [rule.delivery for rule, is_above in zip(rules, above, strict=True) if not is_above]
    pairs = zip(rules, above, strict=True)
    return tuple(rule.delivery for rule, is_above in pairs if not (is_above and rule.delivery in own))


def match_of(rule: AnyRule, address: str) -> str:
    found = match(rule, address)
    assert found
    return found.entry


@some
@given(desired_deliveries)
def test_what_a_customer_has_in_the_rules_depends_on_no_other_customer(wanted: dict[str, RuleDelivery]) -> None:
    whole = without_covered(wanted, shared=SHARED_ENTRIES, owner=owner)
    for customer in {*map(owner, map(domain_of, RECIPIENTS))}:
        own = {each: to for each, to in wanted.items() if owner(domain_of(each)) == customer}
        alone = without_covered(own, shared=SHARED_ENTRIES, owner=owner)
        assert alone.entries == {each: to for each, to in whole.entries.items() if each in own}
        assert alone.covered == {each: by for each, by in whole.covered.items() if each in own}


@many
@given(
    desired_deliveries,
    rule_sets,
    st.sampled_from([each for each in RECIPIENTS if each[0] == "."]),
    st.lists(envelopes, max_size=5),
)
def test_the_end_of_a_customers_catch_all_takes_no_other_customers_mail(
    wanted: dict[str, RuleDelivery], others: RuleSet, ending: str, messages: list[tuple[str, ...]]
) -> None:
    """Whole envelopes, with recipients of several customers, after each step."""
    before = without_covered({**wanted, ending: DELIVERIES[0]}, shared=SHARED_ENTRIES, owner=owner)
    after = without_covered(
        {each: to for each, to in wanted.items() if each != ending}, shared=SHARED_ENTRIES, owner=owner
    )
    start = planned_rules(before, unmanaged_only(others))
    plan = plan_for(after, start)
    check_all(plan, start, (*ALONE, *messages))
    for each, to in wanted.items():
        if is_address(each) and owner(domain_of(each)) != owner(domain_of(ending)):
            for state in active_sets(plan, start):
                served = [rule.delivery for rule in delivering_rules(state.ours, each)]
                assert to in served


@some
@given(desired_states, rule_sets)
def test_consequences_agree_with_the_matcher(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual)
    by_address = {each.address: each for each in plan.consequences}
    known = {one for state in (actual, plan.after) for rule in state.rules for one in rule.recipient_set}
    for address in (one for one in RECIPIENTS if is_address(one) and one in known):
        before, after = (received(state, address) for state in (actual, plan.after))
        if address in by_address:
            assert (by_address[address].before, by_address[address].after) == (before, after)
        else:
            assert sorted(map(str, before)) == sorted(map(str, after))


@pytest.mark.soak
def test_the_properties_hold_for_many_more_examples() -> None:
    """Run the same properties in a separate process with other random numbers each time."""
    others = ("test_core_untouched.py", "test_core_rest.py")
    tried = (__file__, *(str(Path(__file__).with_name(name)) for name in others))
    command = [sys.executable, "-m", "pytest", *tried, "-q", "-x", "-m", "not soak", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        command,
        env={**os.environ, "PLANNER_EXAMPLES": "2000"},
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
