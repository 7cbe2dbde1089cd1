"""Runs that wait, fail, are cancelled or lose their worker."""

import pytest
from pytest_django import Settings

from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, AwsProblem, Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, Run, RunKind, RunState
from receipt_rules.planner import services as planner_services
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
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


def test_a_cancelled_run_stops_between_two_steps(sandbox: Sandbox) -> None:
    addresses_services.set_catch_all(domain=make_verified("shop.com"), actor=None)
    operator = make_operator()
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    runs_services.cancel(run=run, actor=operator)
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, live().name) == (RunState.CANCELLED, "")
    assert Change.objects.get(what="rules.cancelled").actor_name == operator.email
    with pytest.raises(Refused, match="already ended"):
        runs_services.cancel(run=run, actor=operator)


def test_a_run_with_an_unwritable_bucket_fails_after_a_few_attempts_and_says_why(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.RECEIVING_BUCKET = "not-there"
    addresses_services.set_catch_all(domain=make_verified("shop.com"), actor=None)
    run = planner_services.approve(
        digest=planner_services.plan_changes().digest, because="as planned", actor=make_operator()
    )
    for _ in range(3):
        with pytest.raises(AwsProblem, match="InvalidS3Configuration"):
            auto_apply_services.work()
    runs_services.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "No such bucket" in run.problem
    assert "Setup page shows the policy" in run.problem
    assert Change.objects.filter(what="rules.failed").count() == 1


def test_a_run_waits_while_ses_throttles(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    addresses_services.set_catch_all(domain=make_verified("shop.com"), actor=None)
    run = planner_services.approve(
        digest=planner_services.plan_changes().digest, because="as planned", actor=make_operator()
    )
    sandbox.control.add_fault("throttle", "CreateReceiptRule", times=6)
    for _ in range(6):
        with pytest.raises(AwsBusy):
            auto_apply_services.work()
        run.refresh_from_db()
        assert (run.state, "throttling" in run.problem) == (RunState.RUNNING, True)
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, run.problem, rule_count("a@shop.com")) == (RunState.DONE, "", 1)


def test_a_customers_change_that_ses_refuses_is_not_retried_forever(sandbox: Sandbox) -> None:
    operator = set_up_receiving()
    domain = make_verified("shop.com")
    broken = make_endpoint(domain.customer, s3_bucket="not-there")
    addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None, endpoint=broken)
    for _ in range(3):
        with pytest.raises(AwsProblem, match="InvalidS3Configuration"):
            auto_apply_services.work()
    auto_apply_services.work()
    assert "didn't apply all" in PendingChange.objects.get().waits_because
    number = Run.objects.count()
    other = make_verified("else.com")
    addresses_services.set_catch_all(domain=other, actor=None)
    auto_apply_services.work()
    assert (rule_count("a@else.com"), Run.objects.count()) == (1, number + 1)
    broken.s3_bucket = ""
    broken.save()
    approve_and_run(operator)
    assert rule_count("a@shop.com") == 1
    assert not PendingChange.objects.exists()


def test_a_change_made_while_the_worker_runs_is_not_lost(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = make_verified("shop.com")
    addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
    events = aws.client("ses").meta.events

    def add_meanwhile(**_: object) -> None:
        events.unregister("before-call.ses.CreateReceiptRule", add_meanwhile)
        addresses_services.add_address(text="b@shop.com", customer=domain.customer, actor=None)

    events.register("before-call.ses.CreateReceiptRule", add_meanwhile)
    auto_apply_services.work()
    assert (rule_count("a@shop.com"), rule_count("b@shop.com")) == (1, 0)
    assert PendingChange.objects.filter(waits_because="").exists()
    auto_apply_services.work()
    assert rule_count("b@shop.com") == 1
    assert not PendingChange.objects.exists()


def test_after_a_worker_died_at_the_end_only_a_read_is_left_to_do(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = make_verified("shop.com")
    addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
    change = PendingChange.objects.get()
    auto_apply_services.work()
    change.save(force_insert=True)
    number = Run.objects.count()
    sandbox.control.clear_calls()
    auto_apply_services.work()
    assert sandbox.control.call_counts() == {"DescribeActiveReceiptRuleSet": 1}
    assert (Run.objects.count(), PendingChange.objects.exists()) == (number, False)


def test_a_change_in_a_region_without_receiving_waits_without_a_call(sandbox: Sandbox, settings: Settings) -> None:
    settings.AWS_REGION = "eu-south-2"
    addresses_services.set_catch_all(domain=make_verified("shop.com"), actor=None)
    auto_apply_services.work()
    assert "doesn't receive mail in eu-south-2" in PendingChange.objects.get().waits_because
    assert sandbox.control.call_counts() == {}


def test_a_customers_cancelled_run_is_not_started_again(sandbox: Sandbox) -> None:
    operator = set_up_receiving()
    domain = make_verified("shop.com")
    addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
    sandbox.control.add_fault("cut_before", "CreateReceiptRule", times=3)
    with pytest.raises(AwsProblem):
        auto_apply_services.work()
    run = Run.objects.get(kind=RunKind.CUSTOMER)
    runs_services.cancel(run=run, actor=operator)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert (rule_count("a@shop.com"), bool(PendingChange.objects.get().waits_because)) == (0, True)


@pytest.mark.parametrize("is_first", [True, False], ids=["a new rule", "a rule of others"])
def test_a_run_brings_back_no_mail_of_a_domain_that_was_deleted_after_its_approval(
    sandbox: Sandbox, is_first: bool
) -> None:
    if not is_first:
        make_address("a@kept.com", make_verified("kept.com"))
    operator = set_up_receiving()
    shop = make_verified("shop.com")
    make_address("a@shop.com", shop)
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=operator)
    Address.objects.filter(domain=shop).delete()
    shop.delete()
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, rule_count("a@shop.com")) == (RunState.REFUSED, 0)
    assert "shop.com is deleted" in run.problem
