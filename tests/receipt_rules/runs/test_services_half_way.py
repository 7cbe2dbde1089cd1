"""During a run, each address shows the effect of the completed steps, and no page says that all are applied."""

import pytest
from django.test import Client
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from domains.receiving.core import MxFact, RulesFact
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, AwsUnreachable
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.inbound_summary.selectors import inbound_summary
from receipt_rules.jobs import DRIFT_CHECK
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import Run, RunState, Snapshot, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import PlanRequest
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
NAMES = "abcdef"


@pytest.fixture
def shop(sandbox: Sandbox, alices: Customer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Domain:
    """Create a domain whose rules hold two addresses each."""
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    settings.SES_RECIPIENTS_PER_RULE = 2
    return make_verified("shop.com", customer=alices, mx_facts={"shop.com": MxFact.HERE})


@pytest.fixture
def stuck_rollback(sandbox: Sandbox, shop: Domain) -> Run:
    """Roll back to the first address alone while SES throttles the second deletion."""
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None)
    olga = set_up_receiving()
    before = Snapshot.objects.get()
    for name in NAMES[1:]:
        addresses_services.add_address(text=f"{name}@shop.com", customer=shop.customer, actor=None)
    auto_apply_services.work()
    run = _approve(olga, PlanRequest(snapshot=before.pk))
    sandbox.control.add_fault("throttle", "DeleteReceiptRule", nth=2, times=None)
    with pytest.raises(AwsBusy):
        auto_apply_services.work()
    return run


def _approve(olga: User, asked: PlanRequest) -> Run:
    made = planner_services.plan_changes(asked)
    return planner_services.approve(
        digest=made.digest, because="as planned", actor=olga, typed="inbound-mail", request=asked
    )


def _live_in_ses() -> dict[str, bool]:
    return {name: bool(rule_count(f"{name}@shop.com")) for name in NAMES}


def test_each_address_reflects_the_completed_steps(stuck_rollback: Run) -> None:
    stuck_rollback.refresh_from_db()
    assert (stuck_rollback.state, stuck_rollback.steps.filter(state=StepState.DONE).exists()) == (
        RunState.RUNNING,
        True,
    )
    live = _live_in_ses()
    assert set(live.values()) == {True, False}
    facts = {row.address[0]: row.rules for row in Address.objects.all()}
    assert facts == {name: RulesFact.CARRIED if live[name] else RulesFact.HELD for name in NAMES}


def test_pages_show_the_change_in_progress_and_never_that_all_is_applied(
    stuck_rollback: Run, shop: Domain, alice_client: Client
) -> None:
    shop.refresh_from_db()
    page = alice_client.get(reverse("receipt_rules:domain", args=[shop.pk])).text
    assert "All changes are applied." not in page
    assert "The receipt rules are being changed." in page
    assert "are changing: their receipt rule is being changed now" in inbound_summary(shop).sentence
    listed = alice_client.get(reverse("receipt_rules:addresses")).text.split("<tr ")
    for name, is_live in _live_in_ses().items():
        row = next(each for each in listed if f"{name}@shop.com" in each)
        word = "Held by a rollback" if not is_live else "Stored only" if name == "a" else "Applying"
        assert f"{word}</span>" in row, name


def test_the_rules_are_read_again_after_the_run(stuck_rollback: Run, sandbox: Sandbox) -> None:
    ProcrastinateJob.objects.filter(task_name=DRIFT_CHECK).delete()
    assert stuck_rollback.approved_by is not None
    runs_services.cancel(run=stuck_rollback, actor=stuck_rollback.approved_by)
    auto_apply_services.work()
    stuck_rollback.refresh_from_db()
    assert stuck_rollback.state == RunState.CANCELLED
    assert ProcrastinateJob.objects.filter(task_name=DRIFT_CHECK, status="todo").exists()


def test_an_address_is_changing_after_a_lost_response_until_the_rules_are_read(sandbox: Sandbox, shop: Domain) -> None:
    addresses_services.add_address(text="a@shop.com", customer=shop.customer, actor=None)
    olga = set_up_receiving()
    Address.objects.update(is_active=False)
    _approve(olga, PlanRequest())
    sandbox.control.add_fault("cut_after", "DeleteReceiptRule")
    sandbox.control.add_fault("error", "DescribeReceiptRuleSet", times=None)  # a read right afterwards fails too
    with pytest.raises(AwsUnreachable):
        auto_apply_services.work()
    sandbox.control.clear_faults()
    assert not rule_count("a@shop.com")
    Address.objects.update(is_active=True)
    assert inbound_summary(shop).sentence.startswith("a@ is changing: its receipt rule is being changed now")
    auto_apply_services.work()
    assert Address.objects.get().rules == RulesFact.WAITING
    assert inbound_summary(shop).sentence.startswith("a@ isn't receiving yet: SES rejects its mail")
