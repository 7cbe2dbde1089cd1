"""Plans for common cases: their steps, their method and their sentences."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core.consequences import Consequence, ConsequenceKind
from receipt_rules.planner.core.desired import DesiredEntries, live_state
from receipt_rules.planner.core.planner import make_plan, replaceable_rules
from receipt_rules.planner.core.plans import Method, Plan, RuleSetNames
from receipt_rules.planner.core.rules import (
    S3,
    AnyRule,
    ForeignRule,
    Lambda,
    Opaque,
    Rule,
    RuleDelivery,
    RuleSet,
    Stop,
)
from receipt_rules.planner.core.steps import Activate, CloneSet, Create, CreateSet, Delete, Move, Reorder, Update
from tests.receipt_rules.desired_rows import DesiredAddress, DesiredCatchAll, desired_entries
from tests.receipt_rules.plan_guarantees import check_all

HANDLER = Lambda("arn:aws:lambda:eu-west-1:123456789012:function:inbound-mail-handler")
SHARED, BILLING = RuleDelivery((S3("mail"), HANDLER)), RuleDelivery((S3("mail", "billing/"), HANDLER))
EMPTY = RuleSet("inbound")


def addresses(*names: str, delivery: RuleDelivery = SHARED) -> list[DesiredAddress]:
    return [DesiredAddress(name, delivery) for name in names]


def live(desired: DesiredEntries, start: RuleSet = EMPTY) -> RuleSet:
    return make_plan(desired, start).after


def of_kind(plan: Plan, kind: ConsequenceKind) -> list[Consequence]:
    return [each for each in plan.consequences if each.kind == kind]


def unmanaged(name: str, *recipients: str, actions: Sequence[object] = (S3("old"),)) -> ForeignRule:
    return ForeignRule(name, "{}", RuleDelivery(tuple(actions)), recipients)  # type: ignore[arg-type]  # actions, in short


THREE = addresses("info@example.com", "sales@example.com", "help@example.com")


# Desired state


def test_an_address_with_its_catch_alls_delivery_needs_no_recipient() -> None:
    desired = desired_entries(
        [*THREE, DesiredAddress("Billing@example.com", BILLING)], [DesiredCatchAll("example.com", SHARED)]
    )
    assert dict(desired.entries) == {"billing@example.com": BILLING, "example.com": SHARED}
    assert desired.covered["info@example.com"] == "example.com"
    assert [double.recipient for double in desired.doubles] == ["billing@example.com"]
    assert "same SES options" in desired.doubles[0].sentence


def test_a_subdomain_catch_all_covers_addresses_at_subdomains_only() -> None:
    desired = desired_entries(
        addresses("a@in.example.com", "a@example.com"), [DesiredCatchAll("example.com", SHARED, subdomains=True)]
    )
    assert desired.entries.keys() == {"a@example.com", ".example.com"}


def test_an_address_with_a_label_is_covered_by_its_base_address() -> None:
    assert desired_entries(addresses("a@example.com", "a+x@example.com")).entries.keys() == {"a@example.com"}


# The first plan


def test_the_first_plan_creates_the_set_fills_it_and_activates_it_last() -> None:
    plan = make_plan(desired_entries(THREE), EMPTY, sets=RuleSetNames(frozenset(), ""))
    assert [type(step) for step in plan.steps] == [CreateSet, Create, Activate]
    assert plan.calls == 6
    assert plan.summary.endswith("3 addresses start receiving.")


def test_activating_an_inactive_rule_set_starts_receiving_for_all_its_addresses() -> None:
    plan = make_plan(
        desired_entries(THREE), live(desired_entries(THREE)), sets=RuleSetNames(frozenset(["inbound"]), "")
    )
    assert plan.steps == (Activate("inbound"),)
    assert len(of_kind(plan, ConsequenceKind.GAINS)) == 3


def test_another_active_rule_set_is_never_replaced() -> None:
    with pytest.raises(Refused, match="the rule set theirs") as caught:
        make_plan(desired_entries(THREE), EMPTY, sets=RuleSetNames(frozenset(["inbound", "theirs"]), "theirs"))
    assert caught.value.code == "RULE_SET_NOT_OURS"


def test_our_rules_are_placed_before_a_stop_rule_of_an_adopted_set() -> None:
    theirs = (unmanaged("theirs", "old.com"), unmanaged("stopper", "old.com", actions=(S3("old"), Stop())))
    plan = make_plan(desired_entries(THREE), RuleSet("theirs-set", theirs))
    assert plan.steps == (Create("theirs-set", plan.after.ours[0]),)
    assert plan.after.rules == (plan.after.ours[0], *theirs)


# Changing between addresses and catch-all


def test_switching_a_domain_to_catch_all_and_back_takes_one_call_without_a_gap() -> None:
    others = addresses(*(f"info@d{number}.com" for number in range(50)))
    individual, catch_all = (
        desired_entries([*THREE, *others]),
        desired_entries([*THREE, *others], [DesiredCatchAll("example.com", SHARED)]),
    )
    for before, after in ((individual, catch_all), (catch_all, individual)):
        plan = make_plan(after, live(before))
        assert [type(step) for step in plan.steps] == [Update]
        assert (plan.calls, plan.method) == (3, Method.IN_PLACE)
        check_all(plan, live(before), [[each.address] for each in THREE])


def test_with_address_and_catch_all_the_address_comes_first_and_duplicates_are_reported() -> None:
    plan = make_plan(
        desired_entries(addresses("billing@example.com", delivery=BILLING), [DesiredCatchAll("example.com", SHARED)]),
        EMPTY,
    )
    assert [rule.recipients for rule in plan.after.ours] == [("billing@example.com",), ("example.com",)]
    assert len(plan.doubles) == 1


def test_an_address_that_changes_destination_is_never_in_both_rules() -> None:
    start = live(desired_entries([*THREE, *addresses("x@other.com", delivery=BILLING)]))
    after = desired_entries([*THREE[:2], *addresses("help@example.com", "x@other.com", delivery=BILLING)])
    plan = make_plan(after, start)
    assert plan.method is Method.BLUE_GREEN
    assert [type(step) for step in plan.steps] in (
        [CloneSet, Update, Update, Activate],
        [CreateSet, Create, Create, Activate],
    )
    assert plan.summary.startswith("1 address changes destination")
    check_all(plan, start, [["help@example.com"], ["help@example.com", "x@other.com"]])
    forced = make_plan(after, start, method=Method.IN_PLACE)
    assert forced.transition_issues.twice == ("help@example.com",)
    assert "stored twice" in forced.warnings[0]


def test_a_rule_changes_its_delivery_in_one_call() -> None:
    plan = make_plan(desired_entries([replace(each, delivery=BILLING) for each in THREE]), live(desired_entries(THREE)))
    assert [type(step) for step in plan.steps] == [Update]
    assert len(of_kind(plan, ConsequenceKind.REDIRECTED)) == 3


# Drift


def test_a_disabled_rule_of_ours_is_enabled() -> None:
    start = live(desired_entries(THREE))
    off = replace(start, rules=(replace(start.ours[0], enabled=False),))
    assert make_plan(desired_entries(THREE), off).steps == (Update("inbound", off.ours[0], start.ours[0]),)


def test_a_damaged_rule_of_ours_is_repaired_in_place() -> None:
    damaged = unmanaged(
        "inbound-admin-001", *(each.address for each in THREE), actions=(Opaque("WorkmailAction", "{}"),)
    )
    plan = make_plan(desired_entries(THREE), RuleSet("inbound", (damaged,)))
    assert [type(step) for step in plan.steps] == [Update]
    assert plan.after.ours[0].recipients == tuple(sorted(each.address for each in THREE))


def test_one_misplaced_rule_is_moved_and_many_are_reordered_in_one_call() -> None:
    desired = desired_entries(
        [DesiredAddress(f"billing@d{number}.com", RuleDelivery((S3("mail", f"{number}/"),))) for number in range(8)],
        [DesiredCatchAll(f"d{number}.com", SHARED) for number in range(8)],
    )
    start = live(desired)
    last_first = replace(start, rules=(start.rules[-1], *start.rules[:-1]))
    assert [type(step) for step in make_plan(desired, last_first).steps] == [Move]
    stopper = unmanaged("stopper", "old.com", actions=(Stop(),))
    behind = replace(start, rules=(stopper, *start.rules))
    plan = make_plan(desired, behind)
    assert [type(step) for step in plan.steps] == [Reorder]
    assert plan.after.rules == (*start.rules, stopper)


def test_repairing_a_rule_hidden_behind_a_stop_restores_no_unwanted_recipient_meanwhile() -> None:
    start = RuleSet(
        "inbound",
        (
            Rule("inbound-admin-001", SHARED, ("ann@example.com",)),
            unmanaged("stopper", actions=(S3("old"), Stop())),
            unmanaged("inbound-admin-first-001", "ann@example.com", "info@example.com"),
        ),
    )
    plan = make_plan(desired_entries(THREE[:1]), start)
    assert plan.method is Method.BLUE_GREEN
    check_all(plan, start, [["ann@example.com"], ["info@example.com", "ann@example.com"]])


def test_only_a_plan_without_scope_repairs_the_order() -> None:
    rules = (
        Rule("inbound-admin-001", SHARED, ("example.com",)),
        Rule("inbound-admin-002", BILLING, ("b@example.com",)),
    )
    desired = desired_entries(addresses("b@example.com", delivery=BILLING), [DesiredCatchAll("example.com", SHARED)])
    start = RuleSet("inbound", rules)
    assert make_plan(desired, start, scope=frozenset(desired.entries)).is_empty
    assert [rule.recipients[0] for rule in make_plan(desired, start).after.ours] == ["b@example.com", "example.com"]


def test_a_plan_with_a_scope_leaves_drift_elsewhere_unchanged() -> None:
    start = live(desired_entries([*THREE, *addresses("stale@other.com")]))
    desired = desired_entries([*THREE, *addresses("new@example.com")])
    plan = make_plan(desired, start, scope=frozenset(desired.entries))
    (step,) = plan.steps
    assert isinstance(step, Update)
    assert (step.added, step.removed) == (("new@example.com",), ())


# Adopting rules, and limits


def old_set(number: int) -> RuleSet:
    """Return the old system's rule set: two rules for each domain, catch-all first."""
    rules: list[AnyRule] = []
    for each in range(number):
        rules.append(unmanaged(f"d{each}.com-catchall-rule", f"d{each}.com"))
        rules.append(unmanaged(f"d{each}.com-rule", f"billing@d{each}.com", f"info@d{each}.com"))
    return RuleSet("old", tuple(rules))


def test_a_full_old_rule_set_is_compacted_without_an_unserved_moment() -> None:
    start = old_set(100)
    desired = desired_entries([], [DesiredCatchAll(f"d{each}.com", SHARED) for each in range(100)])
    plan = make_plan(desired, start, take_over=frozenset(start.names))
    assert plan.method is Method.BLUE_GREEN
    assert [type(step) for step in plan.steps] == [CreateSet, Create, Activate]
    assert len(plan.after.rules) == 1
    assert not of_kind(plan, ConsequenceKind.LOSES)
    check_all(plan, start, [["billing@d0.com"], ["info@d1.com", "any@d2.com"]])


def test_adopting_some_rules_keeps_the_order_of_the_others() -> None:
    start = old_set(3)
    adopted = frozenset(["d0.com-rule", "d0.com-catchall-rule"])
    plan = make_plan(desired_entries([], [DesiredCatchAll("d0.com", SHARED)]), start, take_over=adopted)
    assert plan.after.foreign == start.rules[2:]
    assert {step.old.name for step in plan.steps if isinstance(step, Delete)} == adopted
    check_all(plan, start, [["info@d0.com", "info@d1.com"], ["x@d0.com"]])


@pytest.mark.parametrize("name", ["nothing", "inbound-admin-001", "opaque", "blank"])
def test_a_rule_that_we_could_not_write_is_not_adopted(name: str) -> None:
    rules = (
        Rule("inbound-admin-001", SHARED, ("a@a.com",)),
        unmanaged("opaque", "a.com", actions=(Opaque("WorkmailAction", "{}"),)),
        unmanaged("blank"),
    )
    with pytest.raises(Refused):
        make_plan(desired_entries(), RuleSet("inbound", rules), take_over=frozenset([name]))


def test_more_rules_than_ses_allows_are_refused_with_a_remedy() -> None:
    apart = desired_entries(
        [DesiredAddress(f"a@d{number}.com", RuleDelivery((S3("mail", f"{number}/"),))) for number in range(201)]
    )
    with pytest.raises(Refused, match="This needs 201 rules") as caught:
        make_plan(apart, EMPTY)
    assert caught.value.code == "RULES_FULL"
    full = RuleSet("inbound", tuple(unmanaged(f"theirs-{number}", f"t{number}.com") for number in range(200)))
    with pytest.raises(Refused, match="200 of them are unmanaged"):
        make_plan(desired_entries(THREE), full)


def test_a_delivery_with_too_many_actions_is_refused() -> None:
    with pytest.raises(Refused, match="10 actions"):
        make_plan(desired_entries([DesiredAddress("a@a.com", RuleDelivery((S3("mail"),) * 11))]), EMPTY)


def test_blue_green_is_refused_if_the_rule_set_quota_is_full() -> None:
    sets = RuleSetNames(frozenset({"inbound", *(f"s{number}" for number in range(39))}), "inbound")
    with pytest.raises(Refused, match="another rule set"):
        make_plan(desired_entries(THREE[:1]), live(desired_entries(THREE)), sets=sets, method=Method.BLUE_GREEN)


# Approving a plan


def test_equal_plans_have_equal_digests_and_different_plans_do_not() -> None:
    start = live(desired_entries(THREE[:2]))
    assert (
        make_plan(desired_entries(THREE), start).digest
        == make_plan(desired_entries(list(reversed(THREE))), start).digest
    )
    assert make_plan(desired_entries(THREE), start).digest != make_plan(desired_entries(THREE[:1]), start).digest
    edited = replace(start, rules=(replace(start.ours[0], enabled=False),))
    assert make_plan(desired_entries(THREE), start).touched != make_plan(desired_entries(THREE), edited).touched


def test_a_rollback_is_planned_like_any_other_change() -> None:
    before = live(desired_entries([*THREE, *addresses("x@other.com", delivery=BILLING)]))
    now = live(desired_entries(THREE[:1]), before)
    plan = make_plan(live_state(before), now)
    assert live_state(plan.after) == live_state(before)
    assert make_plan(live_state(now), now).is_empty


def test_each_consequence_is_a_sentence_that_names_the_affected_recipient() -> None:
    start = live(
        desired_entries(
            THREE[:1], [DesiredCatchAll("other.com", SHARED), DesiredCatchAll("other.com", SHARED, subdomains=True)]
        )
    )
    sentences = [each.sentence for each in make_plan(desired_entries(THREE[1:2]), start).consequences]
    assert sorted(sentences[:3]) == [
        "All other mail at other.com stops receiving. SES will reject its mail.",
        "All other mail below other.com stops receiving. SES will reject its mail.",
        "info@example.com stops receiving. SES will reject its mail.",
    ]
    assert sentences[3:] == [
        "sales@example.com starts receiving: store in mail/, then call the function inbound-mail-handler."
    ]


def test_old_style_rules_are_replaceable_if_all_their_recipients_are_desired() -> None:
    start = RuleSet(
        "inbound",
        (
            unmanaged("d0.com-rule", "billing@d0.com", "help@d0.com"),
            unmanaged("d0.com-catchall-rule", "d0.com"),
            unmanaged("half", "billing@d0.com", "ann@else.com"),
            unmanaged("theirs", "else.com"),
            unmanaged("everybody"),
        ),
    )
    everything = desired_entries([], [DesiredCatchAll("d0.com", SHARED)])
    assert replaceable_rules(start, everything) == {"d0.com-rule", "d0.com-catchall-rule"}
    assert replaceable_rules(start, desired_entries([DesiredAddress("billing@d0.com", SHARED)])) == frozenset()


def test_a_new_set_that_a_plan_for_some_recipients_writes_keeps_the_order_of_the_other_rules() -> None:
    """Two rules stay and three go: a new set costs fewer calls than a clone, but would have the second rule first."""
    gone = tuple(f"{name}@example.com" for name in "abc")
    stay = (
        Rule("inbound-admin-001", SHARED, ("x@example.org",)),
        Rule("inbound-admin-first-002", SHARED, ("y@example.org",)),
    )
    old = tuple(Rule(f"inbound-admin-10{n}", SHARED, (one,)) for n, one in enumerate(gone))
    actual = RuleSet("inbound", (*stay, *old))
    plan = make_plan(DesiredEntries({}), actual, scope=frozenset(gone), method=Method.BLUE_GREEN)
    assert plan.after.rules == stay
    assert isinstance(plan.steps[0], CloneSet)
    in_order = RuleSet("inbound", (*stay[::-1], *old))
    other = make_plan(DesiredEntries({}), in_order, scope=frozenset(gone), method=Method.BLUE_GREEN)
    assert other.after.rules == stay[::-1]
    assert isinstance(other.steps[0], CreateSet)
