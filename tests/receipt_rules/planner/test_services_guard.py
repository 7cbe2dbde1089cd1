"""An approval requires confirmation, a second person, met expectations, and no other run in progress."""

import pytest
from pytest_django import Settings

from audit.models import Change
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.expectations import Expected
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import PlanRequest, build_plan_request, needs_typing, plan_impact
from receipt_rules.runs import services as runs_services
from receipt_rules.simulator import services as simulator_services
from sandbox.process import Sandbox
from tests.factories import make_customer
from tests.receipt_rules.factories import (
    approve_and_run,
    make_address,
    make_endpoint,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


def test_stopping_two_of_three_addresses_requires_typing_the_rule_set_name(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    for name in "abc":
        make_address(f"{name}@shop.com", shop)
    operator = set_up_receiving()
    Address.objects.exclude(address="a@shop.com").delete()
    with pytest.raises(Refused, match=r"2 of 3 addresses stop receiving\. Type inbound-mail"):
        approve_and_run(operator)
    assert approve_and_run(operator, typed="inbound-mail").state == RunState.DONE


def test_the_share_of_addresses_that_requires_typing_is_a_setting(sandbox: Sandbox, settings: Settings) -> None:
    shop = make_verified("shop.com")
    for name in "abc":
        make_address(f"{name}@shop.com", shop)
    operator = set_up_receiving()
    Address.objects.filter(address="a@shop.com").delete()
    settings.RECEIVING_CONFIRM_PERCENT = 34
    assert not needs_typing(plan_impact(planner_services.plan_changes()))
    settings.RECEIVING_CONFIRM_PERCENT = 33
    with pytest.raises(Refused, match="1 of 3"):
        approve_and_run(operator)


def test_affecting_another_customers_address_requires_typing(sandbox: Sandbox) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    make_address("a@shop.com", make_verified("shop.com", customer=alice))
    make_address("b@bob.net", make_verified("bob.net", customer=bob))
    made = planner_services.plan_changes()
    found = plan_impact(made, PlanRequest(customer=alice.pk))
    assert found.others == ("b@bob.net",)
    assert needs_typing(found)
    assert not needs_typing(plan_impact(made))


def test_a_plan_can_be_limited_to_a_domain_or_a_customer_by_name(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    make_address("a@shop.com", make_verified("shop.com", customer=alice))
    make_address("b@bob.net", make_verified("bob.net"))
    assert build_plan_request("Shop.com").scope == build_plan_request("alice").scope == frozenset({"a@shop.com"})
    with pytest.raises(Refused, match="no domain or customer named “nobody.example”"):
        build_plan_request("nobody.example")


def test_a_second_operator_must_approve_if_the_settings_require_it(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_SECOND_PERSON = True
    shop = make_verified("shop.com")
    for name in "ab":
        make_address(f"{name}@shop.com", shop)
    operator = set_up_receiving()
    Address.objects.filter(address="a@shop.com").delete()
    run = approve_and_run(operator, typed="inbound-mail")
    assert (run.state, run.is_over, rule_count("a@shop.com")) == (RunState.PROPOSED, False, 1)
    with pytest.raises(Refused, match="Another operator"):
        runs_services.confirm(run=run, actor=operator)
    other = make_operator()
    runs_services.confirm(run=run, actor=other)
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, run.confirmed_by, rule_count("a@shop.com")) == (RunState.DONE, other, 0)
    assert Change.objects.filter(what="rules.confirmed").count() == 1


def test_a_plan_that_waits_for_a_second_operator_can_be_cancelled(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_SECOND_PERSON = True
    make_address("a@shop.com", make_verified("shop.com"))
    operator = set_up_receiving()
    Address.objects.all().delete()
    run = approve_and_run(operator, typed="inbound-mail")
    runs_services.cancel(run=run, actor=operator)
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, rule_count("a@shop.com")) == (RunState.CANCELLED, 1)


def test_a_plan_is_withdrawn_while_another_run_is_at_work(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_SECOND_PERSON = True
    make_address("a@shop.com", make_verified("shop.com"))
    operator = set_up_receiving()
    Address.objects.all().delete()
    run = approve_and_run(operator, typed="inbound-mail")
    other = Run.objects.create(region=run.region, state=RunState.RUNNING, kind=run.kind, calls=1)
    runs_services.cancel(run=run, actor=operator)
    run.refresh_from_db()
    other.refresh_from_db()
    assert (run.state, run.cancelled_by, other.state) == (RunState.CANCELLED, operator, RunState.RUNNING)


def test_no_plan_is_approved_while_a_run_is_in_progress(sandbox: Sandbox) -> None:
    operator = make_operator()
    shop = make_verified("shop.com")
    make_address("a@shop.com", shop)
    planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    make_address("b@shop.com", shop)
    with pytest.raises(Refused, match=f"A run started by {operator} is in progress"):
        planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    assert Run.objects.count() == 1


def test_an_expectation_that_is_already_broken_does_not_block_a_repair(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    operator = set_up_receiving()
    for name in ("one", "two"):
        make_unmanaged_rule(name, ["a@shop.com"], rule_set="inbound-mail")
    simulator_services.save_expectation(text="a@shop.com", expected=Expected.NOT_TAKEN, actor=operator)
    run = (
        approve_and_run(operator, PlanRequest(take_over=frozenset({"one"})))
        if planner_services.plan_changes().steps
        else None
    )
    assert run is None
    make_address("a@shop.com", shop)
    assert approve_and_run(operator, typed="inbound-mail").state == RunState.DONE
    assert rule_count("a@shop.com") == 3


def test_an_expectation_of_no_delivery_blocks_a_plan_that_starts_receiving(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    operator = set_up_receiving()
    simulator_services.save_expectation(text="a@shop.com", expected=Expected.NOT_TAKEN, actor=operator)
    make_address("a@shop.com", shop)
    with pytest.raises(Refused, match="a@shop.com"):
        approve_and_run(operator, typed="inbound-mail")
    assert rule_count("a@shop.com") == 0


def test_an_expectation_can_require_our_delivery_or_one_endpoint(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    desk = make_endpoint(alice, name="Desk")
    addresses_services.add_address(text="a@shop.com", customer=alice, actor=None, endpoint=desk)
    operator = set_up_receiving()
    simulator_services.save_expectation(text="a@shop.com", expected=Expected.ENDPOINT, endpoint="desk", actor=operator)
    with pytest.raises(Refused, match="Alice has no endpoint with this name"):
        simulator_services.save_expectation(
            text="b@shop.com", expected=Expected.ENDPOINT, endpoint="elsewhere", actor=operator
        )
    Address.objects.all().delete()
    made = planner_services.plan_changes()
    with pytest.raises(
        Refused, match="Mail for a@shop.com must be delivered to the endpoint Desk; no rule would receive it"
    ):
        planner_services.approve(digest=made.digest, because="x", actor=operator, typed="inbound-mail")
    make_address("a@shop.com", shop, endpoint=desk)
    make_unmanaged_rule("somebodys", ["a@shop.com"], rule_set="inbound-mail")
    simulator_services.save_expectation(text="a@shop.com", expected=Expected.BY_US, actor=operator)
    assert planner_services.plan_changes().is_empty
