"""Plans are shown, approved by digest and executed; customers' own small changes need no approval."""

import pytest
from pytest_django import Settings

from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.expectations import Expected
from receipt_rules.models.runs import PendingChange, Run, RunKind, RunState, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import PlanRequest
from receipt_rules.runs import services as runs_services
from receipt_rules.simulator import services as simulator_services
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_user
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


def test_the_first_plan_creates_and_activates_a_rule_set(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    make_verified("shop.com", customer=alice)
    addresses_services.add_address(text="Billing@Shop.com", customer=alice, actor=None)
    run = approve_and_run(make_operator())
    assert (run.state, run.problem) == (RunState.DONE, "")
    assert live().name == "inbound-mail"
    assert rule_count("billing@shop.com") == 1
    assert Address.objects.get().is_served
    assert not PendingChange.objects.exists()
    assert Change.objects.filter(what="rules.applied").count() == 1
    assert Snapshot.objects.count() == 1


def test_a_customers_own_address_is_live_without_approval_after_three_calls(sandbox: Sandbox) -> None:
    set_up_receiving()
    alice = make_customer("Alice")
    actor = make_member(alice)
    make_verified("shop.com", customer=alice)
    addresses_services.add_address(text="billing@shop.com", customer=alice, actor=actor)
    auto_apply_services.work()
    sandbox.control.clear_calls()
    addresses_services.add_address(text="help@shop.com", customer=alice, actor=actor)
    auto_apply_services.work()
    assert sum(sandbox.control.call_counts().values()) == 3
    assert rule_count("help@shop.com") == 1
    run = Run.objects.latest("created_at")
    assert (run.kind, run.state, run.approved_by, run.customer) == (RunKind.CUSTOMER, RunState.DONE, actor, alice)
    assert not PendingChange.objects.exists()


def test_a_change_before_receiving_is_set_up_waits_and_says_why(sandbox: Sandbox) -> None:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    auto_apply_services.work()
    assert "isn't set up" in PendingChange.objects.get().waits_because
    assert live().name == ""
    approve_and_run(make_operator())
    assert rule_count("anybody@shop.com") == 1
    assert not PendingChange.objects.exists()


def test_a_customers_plan_repairs_nothing_of_another_customer(sandbox: Sandbox) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    make_verified("shop.com", customer=alice)
    make_verified("bob.net", customer=bob)
    addresses_services.add_address(text="a@shop.com", customer=alice, actor=None)
    addresses_services.add_address(text="b@bob.net", customer=bob, actor=None)
    set_up_receiving()
    Address.objects.filter(address="b@bob.net").delete()  # as if deleted manually, without a pending change
    addresses_services.add_address(text="c@shop.com", customer=alice, actor=None)
    auto_apply_services.work()
    assert (rule_count("b@bob.net"), rule_count("c@shop.com")) == (1, 1)


def test_a_change_of_many_addresses_waits_for_an_operator(sandbox: Sandbox, settings: Settings) -> None:
    set_up_receiving()
    settings.RECEIVING_SMALL_CHANGE = 2
    alice = make_customer("Alice")
    make_verified("shop.com", customer=alice)
    for name in "abc":
        addresses_services.add_address(text=f"{name}@shop.com", customer=alice, actor=None)
    auto_apply_services.work()
    assert "3 addresses" in PendingChange.objects.get().waits_because
    assert rule_count("a@shop.com") == 0


def test_a_plan_that_changed_since_it_was_shown_is_not_approved(sandbox: Sandbox) -> None:
    operator = set_up_receiving()
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    shown = planner_services.plan_changes()
    addresses_services.add_address(text="a@sub.shop.com", customer=domain.customer, actor=None)
    with pytest.raises(Refused, match="changed since you opened"):
        planner_services.approve(digest=shown.digest, because="as planned", actor=operator)
    assert not Run.objects.filter(state=RunState.WAITING).exists()


def test_only_operators_approve_a_plan_and_only_with_a_reason(sandbox: Sandbox) -> None:
    made = planner_services.plan_changes()
    with pytest.raises(Refused, match="Only operators"):
        planner_services.approve(digest=made.digest, because="I may", actor=make_user())
    with pytest.raises(Refused, match="Enter a reason"):
        planner_services.approve(digest=made.digest, because=" ", actor=make_operator())


def test_a_plan_that_empties_a_third_of_the_rules_requires_typing(sandbox: Sandbox) -> None:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    operator = set_up_receiving()
    CatchAll.objects.all().delete()
    with pytest.raises(Refused, match="Type inbound-mail"):
        approve_and_run(operator)
    assert approve_and_run(operator, typed="inbound-mail").state == RunState.DONE
    assert rule_count("anybody@shop.com") == 0


def test_a_run_is_refused_if_a_rule_that_it_touches_was_changed(sandbox: Sandbox) -> None:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    operator = set_up_receiving()
    addresses_services.add_address(text="a@sub.shop.com", customer=domain.customer, actor=None)
    made = planner_services.plan_changes()
    run = planner_services.approve(digest=made.digest, because="as planned", actor=operator)
    rule = live().ours[0]
    edited = {"Name": rule.name, "Recipients": ["shop.com", "else.com"], "Enabled": True}
    aws.client("ses").update_receipt_rule(RuleSetName="inbound-mail", Rule=edited)
    runs_services.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert "changed since it was approved" in run.problem
    assert live().rules[0].recipient_set == {"shop.com", "else.com"}


def test_an_edit_of_another_rule_does_not_stop_a_run(sandbox: Sandbox) -> None:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    operator = set_up_receiving()
    addresses_services.add_address(text="a@sub.shop.com", customer=domain.customer, actor=None)
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    make_unmanaged_rule("theirs", ["else.com"], rule_set="inbound-mail")
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, rule_count("a@sub.shop.com"), rule_count("x@else.com")) == (RunState.DONE, 1, 1)


def test_an_unmanaged_rule_set_is_never_replaced_or_changed(sandbox: Sandbox) -> None:
    make_unmanaged_rule("theirs", ["shop.com"], rule_set="marketing", create_set=True)
    addresses_services.set_catch_all(domain=make_verified("shop.com"), actor=None)
    auto_apply_services.work()
    assert PendingChange.objects.get().waits_because
    with pytest.raises(Refused, match="the rule set marketing"):
        planner_services.plan_changes()
    assert live().name == "marketing"


def test_an_unmanaged_rule_set_activated_after_the_approval_is_not_replaced(sandbox: Sandbox) -> None:
    addresses_services.set_catch_all(domain=make_verified("shop.com"), actor=None)
    run = planner_services.approve(
        digest=planner_services.plan_changes().digest, because="as planned", actor=make_operator()
    )
    make_unmanaged_rule("theirs", ["shop.com"], rule_set="marketing", create_set=True)
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, live().name) == (RunState.REFUSED, "marketing")
    assert "The rule set marketing is active" in run.problem


def test_blue_green_edits_a_clone_and_then_activates_it(sandbox: Sandbox) -> None:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    operator = set_up_receiving()
    addresses_services.add_address(text="a@sub.shop.com", customer=domain.customer, actor=None)
    run = approve_and_run(operator, PlanRequest(method=Method.BLUE_GREEN))
    assert (run.state, run.problem) == (RunState.DONE, "")
    assert live().name == "inbound-mail-002"
    assert (rule_count("a@sub.shop.com"), rule_count("b@shop.com")) == (1, 1)
    assert planner_services.plan_changes().is_empty


def test_an_old_rule_set_is_adopted_without_an_unserved_moment(sandbox: Sandbox) -> None:
    make_unmanaged_rule("shop.com-rule", ["a@shop.com", "b@shop.com"], rule_set="inbound-mail", create_set=True)
    domain = make_verified("shop.com")
    for name in "ab":
        addresses_services.add_address(text=f"{name}@shop.com", customer=domain.customer, actor=None)
    operator = make_operator()
    run = approve_and_run(operator, PlanRequest(take_over=frozenset(["shop.com-rule"])), typed="inbound-mail")
    assert run.state == RunState.DONE
    assert (rule_count("a@shop.com"), rule_count("b@shop.com")) == (1, 1)
    assert not live().foreign


def test_a_rollback_restores_an_earlier_state(sandbox: Sandbox) -> None:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    operator = set_up_receiving()
    before = Snapshot.objects.get()
    addresses_services.add_address(text="a@sub.shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    assert rule_count("a@sub.shop.com") == 1
    run = approve_and_run(operator, PlanRequest(snapshot=before.pk), typed="inbound-mail")
    assert (run.state, run.kind) == (RunState.DONE, RunKind.ROLLBACK)
    assert (rule_count("a@sub.shop.com"), rule_count("b@shop.com")) == (0, 1)


def test_ten_snapshots_of_customer_changes_are_kept_in_addition_to_the_approved_plans(sandbox: Sandbox) -> None:
    set_up_receiving()
    alice = make_customer("Alice")
    make_verified("shop.com", customer=alice)
    for number in range(12):
        addresses_services.add_address(text=f"a{number}@shop.com", customer=alice, actor=None)
        auto_apply_services.work()
    assert Snapshot.objects.count() == 10 + 1
    assert Snapshot.objects.order_by("-at")[0].recipients == 12


def test_a_plan_that_breaks_an_expectation_is_refused(sandbox: Sandbox) -> None:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    operator = set_up_receiving()
    simulator_services.save_expectation(text="Billing@shop.com", expected=Expected.ONCE, actor=operator)
    addresses_services.set_catch_all(domain=domain, actor=None, is_active=False)
    auto_apply_services.work()
    assert rule_count("billing@shop.com") == 1
    assert PendingChange.objects.get().waits_because
    with pytest.raises(Refused, match=r"billing@shop\.com must be received exactly once; no rule would"):
        approve_and_run(operator, typed="inbound-mail")


def test_approving_a_plan_twice_creates_one_run(sandbox: Sandbox) -> None:
    operator, digest = make_operator(), planner_services.plan_changes().digest
    first = planner_services.approve(digest=digest, because="as planned", actor=operator)
    assert planner_services.approve(digest=digest, because="as planned", actor=operator) == first


def test_a_plan_can_be_limited_to_a_customer_or_a_domain(sandbox: Sandbox) -> None:
    operator = set_up_receiving()
    alice = make_customer("Alice")
    first, second = make_verified("one.com", customer=alice), make_verified("two.com", customer=alice)
    other = make_verified("else.com")
    for domain in (first, second, other):
        Address.objects.create(address=f"a@{domain.name}", domain=domain)
    Address.objects.create(address="a@eu.one.com", domain=first)
    alices_scope = planner_services.build_plan_request(alice.pk).scope
    assert alices_scope == frozenset(["a@one.com", "a@eu.one.com", "a@two.com"])
    approve_and_run(operator, planner_services.build_plan_request(first.name))
    assert [rule_count(f"a@{name}") for name in ("one.com", "eu.one.com", "two.com", "else.com")] == [1, 1, 0, 0]


def test_our_deactivated_rule_set_is_activated_again(sandbox: Sandbox) -> None:
    addresses_services.set_catch_all(domain=make_verified("shop.com"), actor=None)
    operator = set_up_receiving()
    aws.client("ses").set_active_receipt_rule_set()
    assert live().name == ""
    assert approve_and_run(operator).state == RunState.DONE
    assert (live().name, rule_count("a@shop.com")) == ("inbound-mail", 1)


def test_a_full_old_rule_set_is_compacted_into_one_rule(sandbox: Sandbox) -> None:
    names = [f"shop{number}.com" for number in range(200)]
    for number, name in enumerate(names):
        make_unmanaged_rule(f"{name}-rule", [f"a@{name}"], rule_set="inbound-mail", create_set=not number)
        domain = make_verified(name)
        Address.objects.create(address=f"a@{name}", domain=domain)
    operator = make_operator()
    with pytest.raises(Refused, match="can have 200"):
        planner_services.plan_changes()
    asked = PlanRequest(take_over=frozenset(f"{name}-rule" for name in names))
    made = planner_services.plan_changes(asked)
    assert made.summary == "200 addresses change destination."
    run = planner_services.approve(
        digest=made.digest, because="as planned", actor=operator, request=asked, typed="inbound-mail"
    )
    sandbox.control.clear_calls()
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, run.problem) == (RunState.DONE, "")
    assert sum(sandbox.control.call_counts().values()) == 7
    assert [len(rule.recipient_set) for rule in live().rules] == [200]


def test_a_broken_expectation_does_not_block_another_customers_change(sandbox: Sandbox) -> None:
    operator = set_up_receiving()
    simulator_services.save_expectation(text="billing@shop.com", expected=Expected.TAKEN, actor=operator)
    domain = make_verified("else.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    auto_apply_services.work()
    assert rule_count("a@else.com") == 1
