"""A stop by staff is applied before a run that has begun, and that run then goes on."""

import pytest
from pytest_django import Settings

from accounts.models.people import Customer
from accounts.roles import Role
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.runs import PendingChange, ReceivingStop, Run, RunState, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.runs.selectors import steps_in_progress
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import (
    make_address,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def begun(sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that waits for SES when the stop comes: it has made one of its two steps."""
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    settings.SES_RECIPIENTS_PER_RULE = 1
    alice, bob = make_customer("Alice"), make_customer("Bob")
    make_address("a@alice.com", make_verified("alice.com", customer=alice))
    olga = set_up_receiving()
    domain = make_verified("bob.com", customer=bob)
    for name in ("b", "c"):
        make_address(f"{name}@bob.com", domain)
    made = planner_services.plan_changes()
    run = planner_services.approve(digest=made.digest, because="as planned", actor=olga)
    sandbox.control.add_fault("throttle", "CreateReceiptRule", nth=2, times=1)
    with pytest.raises(AwsBusy):
        auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, run.steps.filter(state=StepState.DONE).count()) == (RunState.RUNNING, 1)
    return run


def test_a_stop_is_applied_before_the_run_that_has_begun_and_that_goes_on(begun: Run) -> None:
    alice = Customer.objects.get(name="Alice")
    auto_apply_services.stop(customer=alice, because="phishing", actor=make_staff(Role.TRUST_AND_SAFETY))
    auto_apply_services.work()
    assert (rule_count("a@alice.com"), rule_count("b@bob.com"), rule_count("c@bob.com")) == (0, 1, 1)
    assert ReceivingStop.objects.get().settled_at is not None
    begun.refresh_from_db()
    assert begun.state == RunState.DONE


def test_while_a_stop_goes_first_the_run_counts_as_begun(begun: Run, sandbox: Sandbox) -> None:
    alice = Customer.objects.get(name="Alice")
    auto_apply_services.stop(customer=alice, because="phishing", actor=make_staff(Role.TRUST_AND_SAFETY))
    sandbox.control.add_fault("throttle", "DeleteReceiptRule", times=1)
    with pytest.raises(AwsBusy):
        auto_apply_services.work()
    begun.refresh_from_db()
    assert begun.state == RunState.WAITING
    assert len(steps_in_progress()) == 3
    assert drift_services.check_drift() == ()
    auto_apply_services.work()
    begun.refresh_from_db()
    assert (begun.state, rule_count("a@alice.com"), rule_count("c@bob.com")) == (RunState.DONE, 0, 1)


def test_a_stop_that_waits_for_ses_is_one_run_however_often_it_is_tried(begun: Run, sandbox: Sandbox) -> None:
    alice = Customer.objects.get(name="Alice")
    auto_apply_services.stop(customer=alice, because="phishing", actor=make_staff(Role.TRUST_AND_SAFETY))
    sandbox.control.add_fault("throttle", "DeleteReceiptRule", times=3)
    for _ in range(3):
        with pytest.raises(AwsBusy):
            auto_apply_services.work()
    auto_apply_services.work()
    own = Run.objects.get(customer=alice)
    assert (own.state, own.problem, rule_count("a@alice.com")) == (RunState.DONE, "", 0)


def test_a_stop_by_a_copy_of_the_rules_delays_no_other_change(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_WAIT_SECONDS, settings.SES_RECIPIENTS_PER_RULE = 0, 1
    alice, bob = make_customer("Alice"), make_customer("Bob")
    shop = make_verified("alice.com", customer=alice)
    make_verified("bob.com", customer=bob)
    for name in ("a", "b"):
        make_address(f"{name}@alice.com", shop)
    set_up_receiving()
    make_unmanaged_rule("stops", ["x@strange.com"], actions=[{"StopAction": {"Scope": "RuleSet"}}])
    tess = make_staff(Role.TRUST_AND_SAFETY)
    auto_apply_services.stop(customer=alice, because="phishing", actor=tess)
    PendingChange.objects.update(waits_because="as after an outage")  # so both are in the pass over all
    addresses_services.add_address(text="b@bob.com", customer=bob, actor=None)
    auto_apply_services.apply_pending_changes()
    assert Run.objects.get(customer=alice).asked["method"] == "blue_green"
    assert (rule_count("a@alice.com"), rule_count("b@alice.com"), rule_count("b@bob.com")) == (0, 0, 1)
    assert not PendingChange.objects.exists()
