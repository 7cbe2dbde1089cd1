"""A recipient that SES refuses is identified and set aside with the reason, and delays no other."""

import pytest
from django.test import Client

from accounts.models.people import User
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy
from notifications.models.alerts import Alert
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import PendingChange, Run, RunState, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import EVERYTHING, PlanRequest
from receipt_rules.refusals.services import KNOWN_GOOD, SET_PREFIX
from receipt_rules.runs import services as runs_services
from receipt_rules.tasks import check_drift
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_endpoint,
    make_operator,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


def _rule_sets() -> set[str]:
    return {each["Name"] for each in aws.client("ses").list_receipt_rule_sets()["RuleSets"]}


@pytest.mark.parametrize("number_of_others", [1, 2, 7])
def test_one_refused_recipient_of_an_approved_plan_delays_no_other(sandbox: Sandbox, number_of_others: int) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    shop, other = make_verified("shop.com", customer=alice), make_verified("bob.net", customer=bob)
    make_address("bad@shop.com", shop)
    for number in range(number_of_others):
        make_address(f"a{number}@bob.net", other)
    sandbox.control.set_refused_recipients(["bad@shop.com"])
    run = approve_and_run(make_operator())
    assert (run.state, run.set_aside) == (RunState.DONE, ["bad@shop.com"])
    assert "SES refused bad@shop.com. The rest was applied." in run.problem
    assert [rule_count(f"a{number}@bob.net") for number in range(number_of_others)] == [1] * number_of_others
    row = Address.objects.get(address="bad@shop.com")
    assert "refuses bad@shop.com" in row.refused_because
    assert not row.is_served
    assert {name for name in _rule_sets() if name.startswith(SET_PREFIX)} == set()
    assert planner_services.plan_changes().is_empty
    assert Change.objects.filter(what="address.refused").count() == 1
    assert Alert.objects.get(kind="address.refused").customer_id == alice.pk


def test_a_customers_change_is_applied_without_the_refused_recipient(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    addresses_services.add_address(text="old@shop.com", customer=shop.customer, actor=None)
    set_up_receiving()
    sandbox.control.set_refused_recipients(["bad@shop.com"])
    for name in ("bad", "good", "better"):
        addresses_services.add_address(text=f"{name}@shop.com", customer=shop.customer, actor=None)
    auto_apply_services.work()
    assert [rule_count(f"{name}@shop.com") for name in ("old", "good", "better", "bad")] == [1, 1, 1, 0]
    assert not PendingChange.objects.exists()
    assert Run.objects.latest("created_at").state == RunState.DONE


def test_a_step_whose_only_recipient_is_refused_is_left_out(sandbox: Sandbox) -> None:
    set_up_receiving()
    shop = make_verified("shop.com")
    sandbox.control.set_refused_recipients(["shop.com"])
    addresses_services.set_catch_all(domain=shop, actor=None)
    auto_apply_services.work()
    run = Run.objects.latest("created_at")
    assert (run.state, [step.state for step in run.steps.all()]) == (RunState.DONE, [StepState.LEFT_OUT])
    assert CatchAll.objects.get().refused_because


def test_blue_green_applies_all_other_recipients_too(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    make_address("old@shop.com", shop)
    operator = set_up_receiving()
    make_address("bad@shop.com", shop)
    make_address("good@shop.com", shop)
    sandbox.control.set_refused_recipients(["bad@shop.com"])
    run = approve_and_run(operator, PlanRequest(method=Method.BLUE_GREEN))
    assert (run.state, live().name) == (RunState.DONE, "inbound-mail-002")
    assert [rule_count(f"{name}@shop.com") for name in ("old", "good", "bad")] == [1, 1, 0]


def test_the_customer_can_retry_a_refused_address(sandbox: Sandbox) -> None:
    set_up_receiving()
    alice = make_customer("Alice")
    shop = make_verified("shop.com", customer=alice)
    sandbox.control.set_refused_recipients(["bad@shop.com"])
    made = addresses_services.add_address(text="bad@shop.com", customer=alice, actor=None)
    auto_apply_services.work()
    client = Client()
    client.force_login(make_member(alice))
    page = client.get(f"/inbound/addresses/{made.pk}/")
    assert "Amazon SES refuses this address" in page.content.decode()
    assert "Refused by SES" in client.get(f"/inbound/domains/{shop.pk}/", follow=True).content.decode()
    sandbox.control.set_refused_recipients([])
    client.post(f"/inbound/addresses/{made.pk}/", {"do": "on"})
    auto_apply_services.work()
    made.refresh_from_db()
    assert (rule_count("bad@shop.com"), made.refused_because, made.is_served) == (1, "", True)
    assert Alert.objects.get(kind="address.refused").state == "recovered"


def _refuse_zoe(sandbox: Sandbox, *more: str) -> User:
    """Put zoe@ and old@ into a live rule, then let SES refuse zoe@."""
    shop = make_verified("shop.com")
    make_address("old@shop.com", shop)
    make_address("zoe@shop.com", shop)
    operator = set_up_receiving()
    for name in more:
        make_address(f"{name}@shop.com", shop)
    sandbox.control.set_refused_recipients(["zoe@shop.com"])
    return operator


def test_no_recipient_is_set_aside_if_ses_refuses_every_rule(sandbox: Sandbox) -> None:
    operator = _refuse_zoe(sandbox, "new")
    sandbox.control.set_refused_recipients(["old@shop.com", "new@shop.com", KNOWN_GOOD])
    run = approve_and_run(operator)
    assert run.state == RunState.FAILED
    assert not Address.objects.exclude(refused_because="").exists()


def test_a_live_address_that_ses_refuses_keeps_its_rule_and_others_get_another(sandbox: Sandbox) -> None:
    operator = _refuse_zoe(sandbox, "new", "newer")
    before = live().rules
    run = approve_and_run(operator)
    assert (run.state, run.set_aside) == (RunState.REFUSED, [])
    assert " applies the rest" in run.problem
    auto_apply_services.work()
    assert Run.objects.latest("created_at").state == RunState.DONE
    assert [rule_count(f"{name}@shop.com") for name in ("old", "zoe", "new", "newer")] == [1, 1, 1, 1]
    assert live().rules[: len(before)] == before
    assert planner_services.plan_changes().is_empty
    zoe = Address.objects.get(address="zoe@shop.com")
    assert "It receives mail as before." in zoe.refused_because
    assert zoe.is_served
    assert Alert.objects.get(kind="address.refused").state == "open"


def test_where_the_rest_cannot_be_planned_for_want_of_an_answer_the_run_says_why_it_ended(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = _refuse_zoe(sandbox, "new")
    digest = planner_services.plan_changes().digest
    run = planner_services.approve(digest=digest, because="x", actor=operator, request=EVERYTHING)

    def is_busy(*args: object) -> None:
        raise AwsBusy("Amazon is busy.")

    monkeypatch.setattr(planner_services, "plan_changes", is_busy)
    assert runs_services.execute_run(run_id=run.pk) is None
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert "SES now refuses zoe@shop.com" in run.problem
    assert "Create a new plan for the rest." in run.problem


def test_changes_of_the_untouched_rule_wait_and_open_an_alert(sandbox: Sandbox) -> None:
    operator = _refuse_zoe(sandbox)
    Address.objects.filter(address="old@shop.com").delete()
    assert approve_and_run(operator, typed="inbound-mail").state == RunState.REFUSED
    made = planner_services.plan_changes()
    assert (made.is_empty, made.waiting) == (True, ("old@shop.com",))
    drift_services.check_drift()
    alert = Alert.objects.get(kind="rule.untouched")
    assert "1 change waits for it: old@shop.com." in alert.why
    client = Client()
    client.force_login(operator)
    page = client.get("/inbound/plan/").content.decode()
    assert "1 change waits" in page
    assert "SES now refuses zoe@shop.com" in page
    plan = client.get("/api/v2/receipt-rules/plan").json()
    assert (plan["waiting"], plan["isEmpty"]) == (["old@shop.com"], True)
    sandbox.control.set_refused_recipients([])
    addresses_services.change_address(address=Address.objects.get(), actor=operator, is_active=True, endpoint=None)
    assert approve_and_run(operator, typed="inbound-mail").state == RunState.DONE
    assert [rule_count(f"{name}@shop.com") for name in ("old", "zoe")] == [0, 1]
    drift_services.check_drift()
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_another_customers_change_is_applied_and_a_waiting_one_says_why(sandbox: Sandbox) -> None:
    _refuse_zoe(sandbox)
    bob = make_verified("bob.net", customer=make_customer("Bob"))
    addresses_services.add_address(text="ann@bob.net", customer=bob.customer, actor=None)
    addresses_services.remove_address(address=Address.objects.get(address="old@shop.com"), actor=None)
    auto_apply_services.work()
    auto_apply_services.work()
    assert [rule_count(each) for each in ("ann@bob.net", "zoe@shop.com", "old@shop.com")] == [1, 1, 1]
    waiting = PendingChange.objects.get()
    assert waiting.waits_because == auto_apply_services.UNTOUCHED
    assert waiting.customer != bob.customer


def test_disabling_the_refused_address_releases_its_rule(sandbox: Sandbox) -> None:
    operator = _refuse_zoe(sandbox, "new")
    approve_and_run(operator)
    auto_apply_services.work()
    zoe = Address.objects.get(address="zoe@shop.com")
    addresses_services.change_address(address=zoe, actor=operator, is_active=False, endpoint=None)
    auto_apply_services.work()
    assert [rule_count(f"{name}@shop.com") for name in ("old", "zoe", "new")] == [1, 0, 1]


def test_the_rest_of_a_plan_with_changed_consequences_requires_a_new_approval(sandbox: Sandbox) -> None:
    operator = _refuse_zoe(sandbox, "new")
    made = planner_services.plan_changes()
    run = planner_services.approve(digest=made.digest, because="as planned", actor=operator)
    endpoint = make_endpoint(Address.objects.get(address="new@shop.com").domain.customer, s3_prefix="else/")
    Address.objects.filter(address="new@shop.com").update(endpoint=endpoint)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.problem.endswith("Create a new plan for the rest.")
    assert rule_count("new@shop.com") == 0


def test_a_throttled_search_for_the_refused_recipient_continues_where_it_stopped(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    shop = make_verified("shop.com")
    make_address("old@shop.com", shop)
    operator = set_up_receiving()
    for name in ("bad", "good", "better", "best"):
        make_address(f"{name}@shop.com", shop)
    sandbox.control.set_refused_recipients(["bad@shop.com"])
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    sandbox.control.add_fault("throttle", "CreateReceiptRule", nth=4)
    with pytest.raises(Exception, match="throttling"):
        auto_apply_services.work()
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, run.set_aside) == (RunState.DONE, ["bad@shop.com"])
    assert [rule_count(f"{name}@shop.com") for name in ("good", "better", "best")] == [1, 1, 1]


def test_the_probe_rule_set_is_deleted_once_its_run_has_ended(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    operator = _refuse_zoe(sandbox, "new")
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    sandbox.control.add_fault("throttle", "CreateReceiptRule", nth=3)
    with pytest.raises(Exception, match="throttling"):
        auto_apply_services.work()
    probe = f"{SET_PREFIX}{run.pk}"[:64]
    runs_services.delete_probe_sets()
    assert probe in _rule_sets()
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED)
    check_drift()
    assert probe not in _rule_sets()
    assert live().name in _rule_sets()
