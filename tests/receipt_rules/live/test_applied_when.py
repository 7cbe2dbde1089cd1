"""The time shown before and after a change is realistic: no "few seconds" while something delays it."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models.people import Customer
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live.selectors import SOON, applied_when, takes_effect
from receipt_rules.planner import services as planner_services
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


def test_the_delay_names_a_run_in_progress(shop: None, alices: Customer) -> None:
    make_address("a@shop.com", alices.domains.get())
    planner_services.approve(
        digest=planner_services.plan_changes().digest, because="as planned", actor=make_operator(), typed="inbound-mail"
    )
    assert "in progress" in takes_effect(1)
