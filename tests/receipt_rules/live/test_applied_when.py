"""The time shown before and after a change is realistic: no "few seconds" while something delays it."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models.people import Customer
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live.selectors import SOON, applied_when, takes_effect
from receipt_rules.models.runs import Run, RunStep, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import dump
from receipt_rules.planner.core.steps import Activate
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_address, make_operator, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
REVIEW = "Our team reviews changes of more than 2 addresses first, unless a catch-all receives their mail already."


@pytest.fixture
def shop(sandbox: Sandbox, alices: Customer, settings: Settings) -> None:
    settings.RECEIVING_SMALL_CHANGE = 2
    set_up_receiving()
    make_verified("shop.com", customer=alices)


def paste(client: Client, *names: str, **more: str) -> str:
    text = "\n".join(f"{name}@shop.com" for name in names)
    return client.post(reverse("receipt_rules:add_many"), {"text": text, **more}).text


def test_preview_and_result_announce_the_review(shop: None, alice_client: Client, alices: Customer) -> None:
    assert REVIEW in paste(alice_client, "a", "b", "c")
    added = paste(alice_client, "a", "b", "c", confirm="1")
    assert (REVIEW in added, SOON in added) == (True, False)
    assert applied_when(alices) == REVIEW  # the next change is reviewed together with the waiting one


def test_a_small_bulk_addition_applies_soon_and_an_empty_one_promises_nothing(shop: None, alice_client: Client) -> None:
    assert SOON not in paste(alice_client, "a")
    assert SOON in paste(alice_client, "a", confirm="1")
    assert SOON not in paste(alice_client, "a", confirm="1")  # the address exists already, so nothing was added


def test_two_small_waiting_changes_are_counted_together(shop: None, alice_client: Client) -> None:
    paste(alice_client, "a", "b", confirm="1")
    assert REVIEW in paste(alice_client, "c")


def test_no_short_delay_is_promised_while_ses_does_not_answer(
    shop: None, sandbox: Sandbox, alice_client: Client
) -> None:
    paste(alice_client, "a", confirm="1")
    sandbox.control.add_fault("error", "DescribeActiveReceiptRuleSet", times=9)
    with pytest.raises(AwsProblem):
        auto_apply_services.work()
    assert "SES isn't answering right now." in takes_effect(1)
    assert "SES isn&#x27;t answering right now." in paste(alice_client, "b", confirm="1")


@pytest.fixture
def run(shop: None, alices: Customer) -> Run:
    make_address("a@shop.com", alices.domains.get())
    return planner_services.approve(
        digest=planner_services.plan_changes().digest, because="as planned", actor=make_operator(), typed="inbound-mail"
    )


def test_the_delay_names_a_run_in_progress_and_how_long_it_lasts_at_most(run: Run, settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 1
    assert takes_effect(1).endswith("Otherwise it takes effect when that change ends, in about a minute.")
    step = run.steps.get()
    RunStep.objects.bulk_create(RunStep(run=run, number=number, step=step.step) for number in range(2, 301))
    assert takes_effect(1) == (
        "A larger change of the receipt rules is in progress. This one goes first if the rules have room for both. "
        "Otherwise it takes effect when that change ends, in about 5 minutes."
    )
    run.steps.filter(number__lte=120).update(state=StepState.DONE)
    assert "in about 3 minutes" in takes_effect(1)


@pytest.mark.parametrize("kind", ["clone", "compaction"])
def test_nothing_goes_before_a_run_that_clones_or_compacts_the_rules(run: Run, kind: str) -> None:
    if kind == "clone":
        RunStep.objects.create(run=run, number=2, step=dump(Activate("inbound-mail-2", "inbound-mail")))
    else:
        Run.objects.filter(pk=run.pk).update(asked={**run.asked, "compacting": True})
    assert takes_effect(1) == (
        "It takes effect once the change of the receipt rules that is in progress ends, in about a minute."
    )


def test_the_domains_page_says_what_a_pending_change_waits_for(
    run: Run, alice_client: Client, alices: Customer
) -> None:
    addresses_services.add_address(text="b@shop.com", customer=alices, actor=None)
    page = alice_client.get(reverse("receipt_rules:domain", args=[alices.domains.get().pk])).text
    assert f"Your last change is being applied. {takes_effect(2)}" in page
