"""A rollback holds until an operator releases it; a customer's own change is carried out for that change alone."""

import pytest

from domains.domain_list.selectors import domains_rejecting
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import PendingChange, RollbackHold, RunState, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import PlanRequest
from receipt_rules.receiving_stops.selectors import stopped_customers
from receipt_rules.rollback import services as rollback_services
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff, make_user
from tests.receipt_rules.factories import (
    approve_and_run,
    foreign_rule,
    make_address,
    make_operator,
    make_verified,
    set_up_receiving,
    taken,
)

pytestmark = pytest.mark.django_db


def _rolled_back(sandbox: Sandbox) -> None:
    """a@shop.com was received, was then removed, and a rollback has brought it back."""
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    for name in "abc":
        make_address(f"{name}@shop.com", shop)
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    Address.objects.filter(address="a@shop.com").delete()
    approve_and_run(operator, typed="inbound-mail")
    assert taken("a@shop.com") == 0
    approve_and_run(operator, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    assert taken("a@shop.com") == 1


def test_what_a_rollback_brought_back_no_plan_and_no_other_change_undoes(sandbox: Sandbox) -> None:
    _rolled_back(sandbox)
    assert planner_services.plan_changes().is_empty
    shop = Address.objects.first().domain  # type: ignore[union-attr]
    addresses_services.add_address(text="new@shop.com", customer=shop.customer, actor=None)
    auto_apply_services.work()
    assert (taken("a@shop.com"), taken("new@shop.com")) == (1, 1)
    assert not PendingChange.objects.exists()


def test_the_customers_change_of_what_is_held_waits_until_it_is_released(sandbox: Sandbox) -> None:
    _rolled_back(sandbox)
    customer = Address.objects.first().domain.customer  # type: ignore[union-attr]
    made = addresses_services.add_address(text="a@shop.com", customer=customer, actor=None)
    addresses_services.remove_address(address=made, actor=None)
    auto_apply_services.work()
    assert "rolled this back" in PendingChange.objects.get().waits_because
    hold = RollbackHold.objects.get()
    with pytest.raises(Refused, match="Only operators"):
        rollback_services.release(hold=hold, because="I want to", actor=make_staff())
    with pytest.raises(Refused, match="Enter a reason"):
        rollback_services.release(hold=hold, because=" ", actor=make_operator())
    rollback_services.release(hold=hold, because="It is mended.", actor=make_operator())
    auto_apply_services.work()
    assert taken("a@shop.com") == 0
    assert not PendingChange.objects.exists()


def test_a_hold_ends_for_a_name_that_changes_hands(sandbox: Sandbox) -> None:
    _rolled_back(sandbox)
    domain = Address.objects.first().domain  # type: ignore[union-attr]
    domain.customer = make_customer("Bob")
    domain.save()
    assert "a@shop.com" not in rollback_services.recipients_on_hold(stopped=stopped_customers())
    assert not planner_services.plan_changes().is_empty


def test_a_held_catch_all_ends_where_another_customer_holds_a_name_below(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    addresses_services.remove_catch_all(domain=shop, actor=None, subdomains=True)
    approve_and_run(operator, typed="inbound-mail")
    approve_and_run(operator, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    assert rollback_services.recipients_on_hold(stopped=stopped_customers()) == {".shop.com"}
    make_verified("sub.shop.com", customer=make_customer("Bob"))
    assert rollback_services.recipients_on_hold(stopped=stopped_customers()) == frozenset()


def test_a_customers_own_change_is_planned_for_that_change_alone(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    for name in "ab":
        addresses_services.add_address(text=f"{name}@shop.com", customer=alice, actor=None)
    set_up_receiving()
    Address.objects.filter(address="a@shop.com").delete()  # as if by hand
    make_address("by-hand@shop.com", shop)
    addresses_services.add_address(text="c@shop.com", customer=alice, actor=make_user())
    auto_apply_services.work()
    assert [taken(f"{name}@shop.com") for name in ("a", "b", "c", "by-hand")] == [1, 1, 1, 0]
    assert not planner_services.plan_changes().is_empty


def test_a_catch_all_takes_the_place_of_the_entries_that_it_covers(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    for name in "ab":
        addresses_services.add_address(text=f"{name}@shop.com", customer=alice, actor=None)
    set_up_receiving()
    addresses_services.set_catch_all(domain=shop, actor=None)
    auto_apply_services.work()
    assert (taken("a@shop.com"), taken("else@shop.com")) == (1, 1)
    assert planner_services.plan_changes().is_empty


def test_a_plan_that_would_do_more_harm_by_now_is_not_begun(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    make_address("a@shop.com", shop)
    operator = set_up_receiving()
    make_address("b@shop.com", shop)
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    foreign_rule("somebodys", ["b@shop.com"], rule_set="inbound-mail")
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert "would now do more harm: b@shop.com is stored and processed more than once" in run.problem


def test_done_is_said_of_what_stands_at_the_end(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = make_verified("shop.com")
    make_address("a@shop.com", shop)
    operator = set_up_receiving()
    make_address("b@shop.com", shop)
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    sandbox.control.add_fault("throttle", "DescribeActiveReceiptRuleSet", nth=2)
    with pytest.raises(AwsBusy):
        runs_services.execute_run(run_id=run.pk)
    foreign_rule("somebodys", ["b@shop.com"], rule_set="inbound-mail")
    runs_services.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert "is stored more than once" in run.outcome
    assert any("b@shop.com is stored and processed more than once" in sentence for sentence in run.consequences)


def test_what_a_rollback_took_out_is_said_to_be_held_and_its_name_to_lose_mail(sandbox: Sandbox) -> None:
    """Of an address beside one that still receives, of a catch-all and of a name below."""
    facts = {"shop.com": "here", "rest.com": "here", "in.rest.com": "here"}
    alice = make_customer("Alice")
    shop, rest = (make_verified(name, customer=alice, mx_facts=facts) for name in ("shop.com", "rest.com"))
    make_address("a@shop.com", shop)
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    lost = [make_address("b@shop.com", shop), CatchAll.objects.create(domain=rest), make_address("c@in.rest.com", rest)]
    approve_and_run(operator, typed="inbound-mail")
    approve_and_run(operator, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    for each in lost:
        each.refresh_from_db()
        assert (each.rules, each.receiving.word) == ("held", "Held by a rollback")
    assert Address.objects.get(address="a@shop.com").receiving.is_live
    sentence = "SES rejects mail for some or all addresses at shop.com: our team has rolled back the receipt rules."
    for domain in (shop, rest):
        domain.refresh_from_db()
        assert domain.receiving_state == "rejected"
    assert shop.receiving.sentence == sentence
    assert domains_rejecting(operator).count() == 2
    rollback_services.release(hold=RollbackHold.objects.get(), because="All is well", actor=operator)
    drift_services.check_drift()
    lost[0].refresh_from_db()
    assert lost[0].rules == "waiting"
