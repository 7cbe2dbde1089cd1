"""A rollback holds its recipients until an operator releases them; a customer's change is planned on its own."""

import pytest
from django.test import Client
from django.urls import reverse

from domains.domain_list.selectors import domains_rejecting
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import PendingChange, RollbackHold, RunState, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.selectors import stopped_customers
from receipt_rules.planner.services import PlanRequest
from receipt_rules.rollback import services as rollback_services
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
from tests.api_client import api_of
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import (
    approve_and_run,
    make_address,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


def _roll_back(sandbox: Sandbox) -> None:
    """Receive mail for a@shop.com, remove the address, and restore it by a rollback."""
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    for name in "abc":
        make_address(f"{name}@shop.com", shop)
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    Address.objects.filter(address="a@shop.com").delete()
    approve_and_run(operator, typed="inbound-mail")
    assert rule_count("a@shop.com") == 0
    approve_and_run(operator, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    assert rule_count("a@shop.com") == 1


def test_no_plan_and_no_other_change_undoes_a_rollback(sandbox: Sandbox) -> None:
    _roll_back(sandbox)
    assert planner_services.plan_changes().is_empty
    shop = Address.objects.first().domain  # type: ignore[union-attr]
    addresses_services.add_address(text="new@shop.com", customer=shop.customer, actor=None)
    auto_apply_services.work()
    assert (rule_count("a@shop.com"), rule_count("new@shop.com")) == (1, 1)
    assert not PendingChange.objects.exists()


def test_a_customers_change_of_a_held_recipient_waits_for_the_release(sandbox: Sandbox) -> None:
    _roll_back(sandbox)
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
    assert rule_count("a@shop.com") == 0
    assert not PendingChange.objects.exists()


def test_a_held_recipient_waits_alone_and_the_rest_of_the_customers_change_is_applied(sandbox: Sandbox) -> None:
    _roll_back(sandbox)
    customer = Address.objects.first().domain.customer  # type: ignore[union-attr]
    other = make_verified("books.com", customer=customer)
    for text in ("a@shop.com", "fresh@shop.com", "later@books.com"):
        addresses_services.add_address(text=text, customer=customer, actor=None)
    Address.objects.filter(address="a@shop.com").update(is_active=False)
    auto_apply_services.work()
    assert [rule_count(each) for each in ("a@shop.com", "fresh@shop.com", "later@books.com")] == [1, 1, 1]
    left = PendingChange.objects.get()
    assert (left.recipients, "rolled this back" in left.waits_because) == (["a@shop.com"], True)
    assert not left.concerns(other.pk)
    rows = api_of(make_member(customer)).get("/api/v2/email-addresses").json()["data"]
    warned = {row["address"] for row in rows if "rolled this back" in (row.get("warning") or "")}
    assert warned == {"a@shop.com"}
    addresses_services.add_address(text="more@books.com", customer=customer, actor=None)
    auto_apply_services.work()
    assert rule_count("more@books.com") == 1
    assert PendingChange.objects.get().recipients == ["a@shop.com"]
    rollback_services.release(hold=RollbackHold.objects.get(), because="It is mended.", actor=make_operator())
    auto_apply_services.work()
    assert (rule_count("a@shop.com"), PendingChange.objects.exists()) == (0, False)


def test_a_held_address_that_was_added_again_says_so_once_its_change_waits(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com", mx_facts={"shop.com": "here"})
    make_address("b@shop.com", shop)
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    addresses_services.add_address(text="jane@shop.com", customer=shop.customer, actor=None)
    auto_apply_services.work()
    approve_and_run(operator, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    assert rule_count("jane@shop.com") == 0
    addresses_services.remove_address(address=Address.objects.get(address="jane@shop.com"), actor=None)
    auto_apply_services.work()
    addresses_services.add_address(text="jane@shop.com", customer=shop.customer, actor=None)
    auto_apply_services.work()
    row = Address.objects.select_related("domain").get(address="jane@shop.com")
    assert (row.rules, row.receiving.state) == ("held", "held")


def test_a_hold_ends_when_the_domain_is_transferred(sandbox: Sandbox) -> None:
    _roll_back(sandbox)
    domain = Address.objects.first().domain  # type: ignore[union-attr]
    domain.customer = make_customer("Bob")
    domain.save()
    assert "a@shop.com" not in rollback_services.recipients_on_hold(stopped=stopped_customers())
    assert not planner_services.plan_changes().is_empty


def test_a_held_subdomain_catch_all_ends_once_another_customer_owns_a_subdomain(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    addresses_services.set_catch_all(domain=shop, actor=None, is_active=False, subdomains=True)
    approve_and_run(operator, typed="inbound-mail")
    approve_and_run(operator, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    assert rollback_services.recipients_on_hold(stopped=stopped_customers()) == {".shop.com"}
    make_verified("sub.shop.com", customer=make_customer("Bob"))
    assert rollback_services.recipients_on_hold(stopped=stopped_customers()) == frozenset()


def test_a_customers_change_is_planned_on_its_own(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    for name in "ab":
        addresses_services.add_address(text=f"{name}@shop.com", customer=alice, actor=None)
    set_up_receiving()
    Address.objects.filter(address="a@shop.com").delete()  # as if deleted manually
    make_address("by-hand@shop.com", shop)
    addresses_services.add_address(text="c@shop.com", customer=alice, actor=make_member(alice))
    auto_apply_services.work()
    assert [rule_count(f"{name}@shop.com") for name in ("a", "b", "c", "by-hand")] == [1, 1, 1, 0]
    assert not planner_services.plan_changes().is_empty


def test_a_catch_all_replaces_the_addresses_that_it_covers(sandbox: Sandbox) -> None:
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    for name in "ab":
        addresses_services.add_address(text=f"{name}@shop.com", customer=alice, actor=None)
    set_up_receiving()
    addresses_services.set_catch_all(domain=shop, actor=None)
    auto_apply_services.work()
    assert (rule_count("a@shop.com"), rule_count("else@shop.com")) == (1, 1)
    assert planner_services.plan_changes().is_empty


def test_a_plan_that_would_now_do_more_harm_is_not_executed(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    make_address("a@shop.com", shop)
    operator = set_up_receiving()
    make_address("b@shop.com", shop)
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    make_unmanaged_rule("somebodys", ["b@shop.com"], rule_set="inbound-mail")
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert "would now do more harm: b@shop.com is stored and processed more than once" in run.problem


def test_the_outcome_of_a_run_describes_the_final_rules(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = make_verified("shop.com")
    make_address("a@shop.com", shop)
    operator = set_up_receiving()
    make_address("b@shop.com", shop)
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    sandbox.control.add_fault("throttle", "DescribeActiveReceiptRuleSet", nth=2)
    with pytest.raises(AwsBusy):
        runs_services.execute_run(run_id=run.pk)
    make_unmanaged_rule("somebodys", ["b@shop.com"], rule_set="inbound-mail")
    runs_services.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert "is stored more than once" in run.outcome
    assert any("b@shop.com is stored and processed more than once" in sentence for sentence in run.consequences)


def test_addresses_removed_by_a_rollback_are_shown_as_held_and_their_domain_as_rejecting(sandbox: Sandbox) -> None:
    """This includes an address next to a live one, a catch-all, and an address at a subdomain."""
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


def test_a_release_of_no_hold_is_a_page_that_is_not_found(sandbox: Sandbox, client: Client) -> None:
    client.force_login(set_up_receiving())
    for hold in ("", "x", "7"):
        assert client.post(reverse("receipt_rules:plan"), {"do": "release", "hold": hold}).status_code == 404
