"""What holds for every plan, over random desired states and random rule sets; `make soak` tries many more."""

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
from receipt_rules.planner.core.matching import delivering_rules
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.recipient_index import (
    RecipientIndex,
    SampleAddresses,
    affected_addresses,
    relevant_rules,
)
from receipt_rules.planner.core.rules import Rule, RuleDelivery, RuleSet, covering_entries, is_address
from tests.receipt_rules.plan_guarantees import active_sets, check_all
from tests.receipt_rules.strategies import (
    ADDRESSES,
    LIMITS,
    RECIPIENTS,
    STRANGERS,
    deliveries,
    desired_deliveries,
    desired_states,
    envelopes,
    foreign_only,
    recipients,
    rule_sets,
)

EXAMPLES = int(os.environ.get("PLANNER_EXAMPLES", "200"))
SAME = "PLANNER_EXAMPLES" not in os.environ  # a test run tries the same ones each time, the soak others
every = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=SAME)
many = settings(every, max_examples=EXAMPLES)
some = settings(every, max_examples=EXAMPLES // 4)  # what the many would meet too
ALONE = tuple((address,) for address in (*ADDRESSES, *STRANGERS))


def plan_for(desired: DesiredEntries, actual: RuleSet, **options: object) -> Plan:
    return make_plan(desired, actual, limits=LIMITS, **options)  # type: ignore[arg-type]  # passed on as they are


def packed(desired: DesiredEntries, start: RuleSet) -> RuleSet:
    return plan_for(desired, start).after


@many
@given(desired_states, rule_sets)
def test_after_a_plan_nothing_is_left_to_plan(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual)
    again = plan_for(desired, plan.after)
    assert again.is_empty, again.steps


@many
@given(desired_states, rule_sets, st.lists(envelopes, max_size=5))
def test_at_every_step_each_envelope_loses_nobodys_copy(
    desired: DesiredEntries, actual: RuleSet, messages: list[tuple[str, ...]]
) -> None:
    check_all(plan_for(desired, actual), actual, (*ALONE, *messages))


@many
@given(desired_states, desired_states, rule_sets, st.lists(envelopes, max_size=5))
def test_from_one_plans_end_to_anothers_nobody_is_unserved(
    before: DesiredEntries, after: DesiredEntries, others: RuleSet, messages: list[tuple[str, ...]]
) -> None:
    start = packed(before, foreign_only(others))
    check_all(plan_for(after, start), start, (*ALONE, *messages))


@some
@given(desired_states, rule_sets)
def test_every_entry_ends_in_one_rule_that_does_what_is_wanted(desired: DesiredEntries, actual: RuleSet) -> None:
    after = plan_for(desired, actual).after
    held = [(recipient, rule.delivery) for rule in after.ours for recipient in rule.recipients]
    assert sorted(held, key=lambda pair: pair[0]) == sorted(desired.entries.items())
    assert all(rule.enabled and len(rule.recipients) <= LIMITS.recipients for rule in after.ours)


@many
@given(desired_states, rule_sets)
def test_what_steps_mean_is_found_in_the_rules_within_their_reach(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual, scope=frozenset(RECIPIENTS[::3]))
    near = relevant_rules(actual, plan.after, steps=plan.edits)
    everything, start, end = (
        SampleAddresses((*actual.rules, *plan.after.rules)),
        RecipientIndex(actual),
        RecipientIndex(plan.after),
    )
    asked = affected_addresses(plan.edits, everything, order_matters=True)
    assert list(
        affected_addresses(plan.edits, SampleAddresses((*near[0].rules, *near[1].rules)), order_matters=True)
    ) == list(asked)
    for whole, part in ((start, RecipientIndex(near[0])), (end, RecipientIndex(near[1]))):
        for address in asked:
            assert [each.name for each in part.delivering_rules(address)] == [
                each.name for each in whole.delivering_rules(address)
            ]


@some
@given(desired_states, rule_sets)
def test_an_exact_address_stands_before_the_domains_that_cover_it_with_another_delivery(
    desired: DesiredEntries, actual: RuleSet
) -> None:
    place: dict[str, int] = {}
    for number, rule in enumerate(plan_for(desired, actual).after.ours):
        place |= dict.fromkeys(rule.recipients, number)
    for recipient in filter(is_address, desired.entries):
        for entry in covering_entries(recipient):
            if entry in desired.entries and not is_address(entry):
                assert place[recipient] < place[entry]


@some
@given(desired_states, rule_sets)
def test_foreign_rules_are_never_changed_and_keep_their_order(desired: DesiredEntries, actual: RuleSet) -> None:
    theirs = foreign_only(actual).rules
    for state in active_sets(plan_for(desired, actual), actual):
        assert tuple(rule for rule in state.rules if rule in theirs) == theirs


@some
@given(desired_states, rule_sets)
def test_nothing_of_ours_stands_behind_a_foreign_rule_that_may_stop(desired: DesiredEntries, actual: RuleSet) -> None:
    passed = False
    for rule in plan_for(desired, actual).after.rules:
        passed = passed or (not isinstance(rule, Rule) and rule.enabled and rule.delivery.may_stop)
        assert not (passed and isinstance(rule, Rule))


@some
@given(desired_deliveries, recipients, deliveries, rule_sets)
def test_one_recipient_more_touches_one_rule(
    wanted: dict[str, RuleDelivery], recipient: str, delivery: RuleDelivery, others: RuleSet
) -> None:
    before, after = without_covered(wanted), without_covered({**wanted, recipient: delivery})
    assume(recipient not in wanted)
    assume({**before.entries, recipient: delivery} == dict(after.entries) and before.doubles == after.doubles)
    plan = plan_for(after, packed(before, foreign_only(others)))
    assert len(plan.steps) == 1
    assert plan.calls == 3
    assert plan.method is Method.IN_PLACE


@many
@given(desired_deliveries, st.sets(recipients), desired_deliveries, rule_sets)
def test_packing_moves_nothing_needlessly(
    wanted: dict[str, RuleDelivery], gone: set[str], more: dict[str, RuleDelivery], others: RuleSet
) -> None:
    before = without_covered(wanted)
    kept = {one: delivery for one, delivery in wanted.items() if one not in gone}
    after = without_covered({**kept, **{one: delivery for one, delivery in more.items() if one not in wanted}})
    start = packed(before, foreign_only(others))
    where = {one: rule.name for rule in plan_for(after, start).after.ours for one in rule.recipients}
    doubled = {double.recipient for double in after.doubles}
    for rule in start.ours:
        for one in rule.recipients:
            if after.entries.get(one) == rule.delivery and one not in doubled:
                assert where[one] == rule.name


@many
@given(desired_states, rule_sets)
def test_a_compaction_reaches_the_bound(desired: DesiredEntries, actual: RuleSet) -> None:
    """Within one rule where no two deliveries have addresses inside of each other's domains; else one for each such."""
    rules = compact(desired.entries, actual.ours, limits=LIMITS)
    assert len(rules) <= minimum_rules(desired.entries, LIMITS) + max(1, _in_circles(desired))
    after = plan_for(desired, actual, compacting=True).after
    assert len(after.ours) <= len(plan_for(desired, actual).after.ours)
    assert plan_for(desired, after).is_empty
    assert plan_for(desired, after, compacting=True).is_empty


def _in_circles(desired: DesiredEntries) -> int:
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
def test_a_compaction_loses_nobodys_copy(desired: DesiredEntries, actual: RuleSet) -> None:
    start = packed(desired, actual)
    check_all(plan_for(desired, start, compacting=True), start, ALONE)


@many
@given(desired_states, rule_sets, st.sets(recipients), st.lists(envelopes, max_size=3))
def test_a_scope_changes_nothing_else(
    desired: DesiredEntries, actual: RuleSet, chosen: set[str], messages: list[tuple[str, ...]]
) -> None:
    scope = frozenset(chosen)
    plan = plan_for(desired, actual, scope=scope)
    for state in active_sets(plan, actual):
        assert _outside(state, scope) == _outside(actual, scope)
    check_all(plan, actual, (*ALONE, *messages))
    held = [(one, rule.delivery) for rule in plan.after.ours for one in rule.recipients if one in scope]
    wanted = [(one, delivery) for one, delivery in desired.entries.items() if one in scope]
    assert sorted(held, key=lambda pair: pair[0]) == sorted(wanted)
    assert plan_for(desired, plan.after, scope=scope).is_empty


def _outside(state: RuleSet, scope: frozenset[str]) -> list[object]:
    """Who stands where, with what, outside of the scope; the order of the rules included."""
    return [
        rule if not isinstance(rule, Rule) else (rule.name, rule.delivery, rule.enabled, rule.recipient_set - scope)
        for rule in state.rules
        if not isinstance(rule, Rule) or rule.recipient_set - scope
    ]


@some
@given(desired_states, rule_sets)
def test_the_chosen_way_in_place_never_leaves_a_gap(desired: DesiredEntries, actual: RuleSet) -> None:
    try:
        plan = plan_for(desired, actual, method=Method.IN_PLACE)
    except Refused as refused:
        assert "In place" in str(refused)  # noqa: PT017  # both outcomes are right, and both are looked at
        return
    for state in active_sets(plan, actual):
        for address in ADDRESSES:
            if delivering_rules(actual.rules, address) and delivering_rules(plan.after.rules, address):
                assert delivering_rules(state.rules, address)


@some
@given(desired_states, rule_sets)
def test_a_copy_is_one_moment_for_everybody(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual, method=Method.BLUE_GREEN)
    intermediate_states = list(active_sets(plan, actual))
    assert all(state == actual for state in intermediate_states[:-1])
    assert not intermediate_states or intermediate_states[-1].rules == plan.after.rules


@some
@given(rule_sets, st.sampled_from((*ADDRESSES, *STRANGERS)))
def test_the_index_answers_as_the_matcher_does(rule_set: RuleSet, address: str) -> None:
    assert RecipientIndex(rule_set).delivering_rules(address) == delivering_rules(rule_set.rules, address)


@some
@given(desired_states, rule_sets)
def test_consequences_are_what_the_matcher_says(desired: DesiredEntries, actual: RuleSet) -> None:
    plan = plan_for(desired, actual)
    told = {each.address: each for each in plan.consequences}
    known = {one for state in (actual, plan.after) for rule in state.rules for one in rule.recipient_set}
    for address in (one for one in RECIPIENTS if is_address(one) and one in known):
        before = tuple(rule.delivery for rule in delivering_rules(actual.rules, address))
        after = tuple(rule.delivery for rule in delivering_rules(plan.after.rules, address))
        if address in told:
            assert (told[address].before, told[address].after) == (before, after)
        else:
            assert sorted(map(str, before)) == sorted(map(str, after))


@pytest.mark.soak
def test_all_of_this_holds_for_many_more_worlds() -> None:
    """The same properties in a process of their own, with other random numbers each time."""
    tried = (__file__, str(Path(__file__).with_name("test_core_untouched.py")))
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
