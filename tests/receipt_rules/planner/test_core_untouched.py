"""A rule with a live recipient that SES now refuses stays byte for byte; the plan works around it."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core.desired import DesiredEntries, without_covered
from receipt_rules.planner.core.matching import delivering_rules, route
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.core.rules import (
    ForeignRule,
    Rule,
    RuleDelivery,
    RuleSet,
    broader_entries,
    covering_entries,
    is_ours,
)
from receipt_rules.planner.core.steps import Create, Delete, Update, rule_steps
from receipt_rules.planner.core.untouched import UntouchedRule
from tests.receipt_rules.plan_guarantees import active_sets, check_all
from tests.receipt_rules.strategies import (
    ADDRESSES,
    DELIVERIES,
    LIMITS,
    STRANGERS,
    deliveries,
    desired_deliveries,
    envelopes,
    recipients,
    rule_sets,
    unmanaged_only,
)

SHARED, ALICE, BOB = DELIVERIES
EXAMPLES = int(os.environ.get("PLANNER_EXAMPLES", "200"))
SAME = "PLANNER_EXAMPLES" not in os.environ  # the tests use the same examples each time, the soak other ones
every = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=SAME, max_examples=EXAMPLES // 2)
ALONE = tuple((address,) for address in (*ADDRESSES, *STRANGERS))
refusals = st.sets(recipients, min_size=1, max_size=3)


def with_refusals(raw: dict[str, RuleDelivery], refused: set[str]) -> DesiredEntries:
    """Return the desired state with the refused recipients listed separately, as the rows are read."""
    free = {one: delivery for one, delivery in raw.items() if one not in refused}
    made = without_covered(free)
    return DesiredEntries(
        made.entries, made.covered, made.doubles, {one: raw[one] for one in sorted(refused) if one in raw}
    )


def plan_for(desired: DesiredEntries, actual: RuleSet, **options: object) -> Plan:
    return make_plan(desired, actual, limits=LIMITS, **options)  # type: ignore[arg-type]  # passed on unchanged


def live_refused(actual: RuleSet, refused: set[str]) -> set[str]:
    rules = [rule for rule in actual.rules if rule.enabled and is_ours(rule.name)]
    return {one for rule in rules for one in rule.recipient_set} & refused


def without_impossible(raw: dict[str, RuleDelivery], actual: RuleSet, refused: set[str]) -> DesiredEntries:
    """Return the desired state without recipients that SES refuses and that no rule contains yet."""
    gone = refused - live_refused(actual, refused)
    return without_covered({one: delivery for one, delivery in raw.items() if one not in gone})


@every
@given(desired_deliveries, refusals, rule_sets, st.sampled_from(Method))
def test_ses_accepts_every_step_and_the_untouched_rule_never_changes(
    raw: dict[str, RuleDelivery], refused: set[str], actual: RuleSet, method: Method
) -> None:
    try:
        plan = plan_for(with_refusals(raw, refused), actual, method=method)
    except Refused as problem:
        assert "In place" in str(problem)  # noqa: PT017  # both outcomes are correct, and both are checked
        return
    for step in rule_steps(plan.steps):
        if isinstance(step, Create | Update):
            assert step.new.recipient_set.isdisjoint(refused), step
    names = {each.rule for each in plan.untouched}
    for state in active_sets(plan, actual):
        assert [state.by_name.get(name) for name in names] == [actual.by_name[name] for name in names]


@every
@given(desired_deliveries, refusals, rule_sets, st.lists(envelopes, max_size=5))
def test_no_step_loses_doubles_or_misdirects_mail(
    raw: dict[str, RuleDelivery], refused: set[str], actual: RuleSet, messages: list[tuple[str, ...]]
) -> None:
    check_all(plan_for(with_refusals(raw, refused), actual), actual, (*ALONE, *messages))


@every
@given(desired_deliveries, refusals, rule_sets, st.lists(envelopes, max_size=5))
def test_no_desired_recipient_that_receives_mail_loses_it(
    raw: dict[str, RuleDelivery], refused: set[str], actual: RuleSet, messages: list[tuple[str, ...]]
) -> None:
    plan = plan_for(with_refusals(raw, refused), actual)
    before, after = ours_of(actual), ours_of(plan.after)
    for envelope in (*ALONE, *messages):
        was, becomes = route(before.rules, envelope), route(after.rules, envelope)
        for recipient in was.envelope:
            if was.received_by[recipient] and any(one in raw for one in covering_entries(recipient)):
                assert becomes.received_by[recipient] or is_only_served_by_undesired_rules(
                    recipient, raw, actual, refused
                )


def ours_of(rule_set: RuleSet) -> RuleSet:
    return RuleSet(rule_set.name, tuple(rule for rule in rule_set.rules if is_ours(rule.name)))


def is_only_served_by_undesired_rules(
    recipient: str, raw: dict[str, RuleDelivery], actual: RuleSet, refused: set[str]
) -> bool:
    """Whether every desired recipient for this address is refused and in no rule: an undesired one received its
    mail.
    """
    entries = without_impossible(raw, actual, refused)
    return not any(one in entries.entries or one in entries.covered for one in covering_entries(recipient))


@every
@given(desired_deliveries, refusals, rule_sets)
def test_mail_is_never_stored_more_often_than_before_or_desired(
    raw: dict[str, RuleDelivery], refused: set[str], actual: RuleSet
) -> None:
    check_stored_no_more_often(raw, actual, plan_for(with_refusals(raw, refused), actual), refused)


def check_stored_no_more_often(raw: dict[str, RuleDelivery], actual: RuleSet, plan: Plan, refused: set[str]) -> None:
    check_all(plan, actual, ALONE)
    entries = without_impossible(raw, actual, refused).entries
    for (address,) in ALONE:
        before, after = (delivering_rules(ours_of(each).rules, address) for each in (actual, plan.after))
        copies = sum(one in entries for one in covering_entries(address))
        assert len(after) <= max(len(before), copies, 1) or replaces_undesired(address, raw, actual, plan), (
            address,
            after,
        )


def replaces_undesired(address: str, raw: dict[str, RuleDelivery], actual: RuleSet, plan: Plan) -> bool:
    """Whether the address's delivery replaces an undesired recipient with another delivery, which must be removed."""
    stays = {each.rule for each in plan.untouched}
    going = [rule for rule in actual.rules if rule.enabled and is_ours(rule.name) and rule.name not in stays]
    return any(not rule.recipient_set for rule in going) or any(
        one not in raw
        and (one in broader_entries(entry) or entry in broader_entries(one))
        and rule.delivery != raw[entry]
        for entry in covering_entries(address)
        if entry in raw
        for rule in going
        for one in rule.recipient_set
    )


labels = st.sampled_from([one for one in ADDRESSES if "+" in one])


@every
@given(desired_deliveries, labels, deliveries, rule_sets, deliveries, deliveries)
def test_mail_is_stored_no_more_often_if_two_rules_contain_a_refused_recipient(
    raw: dict[str, RuleDelivery],
    label: str,
    other: RuleDelivery,
    actual: RuleSet,
    first: RuleDelivery,
    second: RuleDelivery,
) -> None:
    """We never write such rules, but a person may; the base address also serves the address with the label."""
    plain = label.replace("+x", "")
    twice = (Rule("inbound-admin-051", first, (plain,)), Rule("inbound-admin-052", second, (plain,)))
    start = RuleSet(actual.name, (*unmanaged_only(actual).rules, *twice))
    copies = raw | {plain: first, label: other}
    check_stored_no_more_often(copies, start, plan_for(with_refusals(copies, {plain}), start), {plain})


@every
@given(desired_deliveries, refusals, rule_sets)
def test_every_change_that_is_not_reported_as_waiting_is_planned(
    raw: dict[str, RuleDelivery], refused: set[str], actual: RuleSet
) -> None:
    plan = plan_for(with_refusals(raw, refused), actual)
    placed = {(one, rule.delivery) for rule in plan.after.rules if rule.enabled for one in rule.recipient_set}
    for one, delivery in without_impossible(raw, actual, refused).entries.items():
        assert (one, delivery) in placed or one in plan.waiting, one


@every
@given(desired_deliveries, refusals, rule_sets)
def test_replanning_is_empty_and_the_desired_state_is_reached_once_ses_accepts_all(
    raw: dict[str, RuleDelivery], refused: set[str], actual: RuleSet
) -> None:
    plan = plan_for(with_refusals(raw, refused), actual)
    again = plan_for(with_refusals(raw, refused), plan.after)
    assert again.is_empty, again.steps
    assert set(again.untouched) == set(plan.untouched) or plan.waiting
    end = plan_for(without_covered(raw), plan.after)
    check_all(end, plan.after, ALONE)
    placed = [(one, rule.delivery) for rule in end.after.ours for one in rule.recipients]
    assert sorted(placed, key=lambda pair: pair[0]) == sorted(without_covered(raw).entries.items())


@every
@given(desired_deliveries, desired_deliveries, refusals, rule_sets, st.lists(envelopes, max_size=5))
def test_no_recipient_is_unserved_between_two_states_with_refused_recipients(
    first: dict[str, RuleDelivery],
    raw: dict[str, RuleDelivery],
    refused: set[str],
    others: RuleSet,
    messages: list[tuple[str, ...]],
) -> None:
    start = plan_for(without_covered(first), unmanaged_only(others)).after
    plan = plan_for(with_refusals(raw, refused), start)
    check_all(plan, start, (*ALONE, *messages))
    for each in plan.untouched:
        assert plan.after.by_name[each.rule] == start.by_name[each.rule]
    for one in live_refused(start, refused) & set(raw):
        for (address,) in ALONE:
            if one in covering_entries(address):
                assert delivering_rules(plan.after.rules, address)


@every
@given(desired_deliveries, refusals, rule_sets, st.sets(recipients), st.lists(envelopes, max_size=3))
def test_the_same_holds_for_a_plan_with_a_scope_that_changes_no_other_recipient(
    raw: dict[str, RuleDelivery],
    refused: set[str],
    actual: RuleSet,
    chosen: set[str],
    messages: list[tuple[str, ...]],
) -> None:
    scope = frozenset(chosen)
    plan = plan_for(with_refusals(raw, refused), actual, scope=scope)
    check_all(plan, actual, (*ALONE, *messages))
    assert scope.issuperset(plan.waiting)
    for each in plan.untouched:
        assert plan.after.by_name[each.rule] == actual.by_name[each.rule]
    is_off = {one for rule in actual.rules if not rule.enabled for one in rule.recipient_set}
    for step in rule_steps(plan.steps):
        if isinstance(step, Create | Update):
            assert step.new.recipient_set & refused & set(raw) <= is_off - scope
    assert plan_for(with_refusals(raw, refused), plan.after, scope=scope).is_empty


@every
@given(
    desired_deliveries, refusals, rule_sets, st.sets(st.sampled_from(("theirs-1", "theirs-2", "theirs-3"))), deliveries
)
def test_adopting_an_unmanaged_rule_with_a_refused_recipient_loses_no_mail(
    raw: dict[str, RuleDelivery], refused: set[str], actual: RuleSet, names: set[str], delivery: RuleDelivery
) -> None:
    rules = tuple(
        ForeignRule(rule.name, "{}", delivery, rule.recipients or ("ann@alice.example",))
        if isinstance(rule, ForeignRule) and rule.name in names
        else rule
        for rule in actual.rules
    )
    start = RuleSet(actual.name, rules)
    adopted = frozenset(names & set(start.names))
    plan = plan_for(with_refusals(raw, refused), start, take_over=adopted)
    check_all(plan, start, ALONE)
    for step in rule_steps(plan.steps):
        if isinstance(step, Create | Update):
            assert step.new.recipient_set.isdisjoint(refused)
        if isinstance(step, Delete):
            is_live = step.old.enabled and step.old.delivery.delivers
            lost = step.old.recipient_set & refused & set(raw) if is_live else frozenset()
            assert all(delivering_rules(plan.after.rules, one) for one in lost if "@" in one)


# Examples


def test_other_recipients_are_placed_in_another_rule() -> None:
    actual = RuleSet("inbound", (Rule("inbound-admin-001", SHARED, ("zoe@shop.com",)),))
    desired = DesiredEntries(dict.fromkeys(("new@shop.com", "b@bob.net"), SHARED), refused={"zoe@shop.com": SHARED})
    plan = plan_for(desired, actual)
    assert [str(step) for step in plan.steps] == ["Create rule inbound-admin-002 with 2 recipients."]
    assert (plan.untouched[0].refused, plan.waiting) == (("zoe@shop.com",), ())


def test_recipients_that_would_leave_the_untouched_rule_wait_and_are_counted() -> None:
    actual = RuleSet(
        "inbound", (Rule("inbound-admin-001", SHARED, ("gone@shop.com", "mine@shop.com", "zoe@shop.com")),)
    )
    desired = DesiredEntries({"mine@shop.com": ALICE}, refused={"zoe@shop.com": SHARED})
    plan = plan_for(desired, actual)
    assert plan.is_empty
    assert plan.waiting == ("gone@shop.com", "mine@shop.com")
    assert plan.untouched[0].sentence.endswith("2 changes wait for it: gone@shop.com, mine@shop.com.")


def test_a_new_catch_all_waits_if_it_would_store_mail_twice() -> None:
    actual = RuleSet(
        "inbound",
        (
            Rule("inbound-admin-001", SHARED, ("ann@shop.com", "zoe@other.net")),
            Rule("inbound-admin-002", SHARED, ("ben@shop.com",)),
        ),
    )
    made = without_covered(dict.fromkeys(("shop.com", "ann@shop.com", "ben@shop.com"), SHARED))
    plan = plan_for(DesiredEntries(made.entries, made.covered, refused={"zoe@other.net": SHARED}), actual)
    assert (plan.is_empty, plan.waiting) == (True, ("shop.com",))


def test_a_catch_all_with_the_same_delivery_replaces_the_refused_recipient() -> None:
    actual = RuleSet("inbound", (Rule("inbound-admin-001", SHARED, ("ann@bob.net", "zoe@shop.com")),))
    desired = DesiredEntries(dict.fromkeys(("shop.com", "ann@bob.net"), SHARED), refused={"zoe@shop.com": SHARED})
    plan = plan_for(desired, actual)
    assert not plan.untouched
    check_all(plan, actual, (("zoe@shop.com",), ("zoe@shop.com", "ann@bob.net")))
    assert len(delivering_rules(plan.after.rules, "zoe@shop.com")) == 1


def test_a_refused_recipient_that_is_no_longer_desired_is_removed() -> None:
    actual = RuleSet("inbound", (Rule("inbound-admin-001", SHARED, ("ann@bob.net", "zoe@shop.com")),))
    plan = plan_for(DesiredEntries({"ann@bob.net": SHARED}), actual)
    assert not delivering_rules(plan.after.rules, "zoe@shop.com")


def test_compacting_is_refused_while_a_rule_stays_untouched() -> None:
    actual = RuleSet("inbound", (Rule("inbound-admin-001", SHARED, ("zoe@shop.com",)),))
    with pytest.raises(Refused, match="can't be compacted now"):
        plan_for(DesiredEntries({}, refused={"zoe@shop.com": SHARED}), actual, compacting=True)


@pytest.mark.parametrize(
    ("number", "waits"),
    [
        (0, ""),
        (1, " 1 change waits for it: a0."),
        (5, " 5 changes wait for it: a0, a1, a2, a3, a4."),
        (6, " 6 changes wait for it: a0, a1, a2, a3, a4 and 1 more."),
        (9, " 9 changes wait for it: a0, a1, a2, a3, a4 and 4 more."),
    ],
)
def test_the_sentence_names_five_waiting_changes_and_counts_the_rest(number: int, waits: str) -> None:
    found = UntouchedRule("r1", ("b",), tuple(f"a{each}" for each in range(number)))
    stays = "Rule r1 stays unchanged: SES now refuses b in it, and without that recipient, its mail would be lost."
    assert found.sentence == f"{stays}{waits}"


def test_an_entry_that_stays_for_a_postponed_one_is_not_postponed_itself() -> None:
    wanted = dict.fromkeys(
        ["ann@bob.example", "ann@in.alice.example", "ann@deep.in.alice.example", "ann+x@alice.example", "bob.example"],
        SHARED,
    )
    theirs = (
        ForeignRule("theirs-1", "{}", SHARED, ("bob.example", "ann@alice.example")),
        ForeignRule("theirs-2", "{}", SHARED, ("ann@alice.example",)),
    )
    start = RuleSet("inbound-mail", (Rule("inbound-admin-001", SHARED, ("alice.example",)), *theirs))
    plan = plan_for(with_refusals(wanted, {"bob.example"}), start, take_over=frozenset({"theirs-1", "theirs-2"}))
    check_all(plan, start, ALONE)
