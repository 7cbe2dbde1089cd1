"""The page of the fake AWS: faults, throttle, clock, calls and reset."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, set_up_domain
from tests.messages import message_text

pytestmark = pytest.mark.django_db
Answer = Any  # the test client's response has no public type


def post_action(client: Client, do: str, **fields: str) -> Answer:
    return client.post(reverse("sandbox:faults"), {"do": do, **fields})


def test_a_fault_is_turned_on_and_off(sandbox: Sandbox, alice_client: Client) -> None:
    post_action(alice_client, "add", kind="throttle", operation="ses:VerifyDomainIdentity", nth="2", times="3")
    post_action(alice_client, "add", kind="slow", operation="*", nth="1", times="", seconds="2.5")
    ordered = [(it.kind, it.operation, it.nth, it.times, it.seconds) for it in sandbox.control.faults()]
    assert ordered == [("throttle", "ses:VerifyDomainIdentity", 2, 3, 0.0), ("slow", "*", 1, None, 2.5)]
    page = alice_client.get(reverse("sandbox:faults")).text
    assert "ses:VerifyDomainIdentity" in page
    assert "for 3 calls, from call 2 on" in page
    assert "until turned off" in page
    post_action(alice_client, "remove", id=sandbox.control.faults()[0].id)
    assert [it.kind for it in sandbox.control.faults()] == ["slow"]
    post_action(alice_client, "clear")
    assert sandbox.control.faults() == ()


def test_a_slow_fault_needs_its_seconds(sandbox: Sandbox, alice_client: Client) -> None:
    refused = post_action(alice_client, "add", kind="slow", operation="*", nth="1", times="1", seconds="")
    assert refused.status_code == 422
    assert "Enter how many seconds" in refused.text
    assert sandbox.control.faults() == ()


def test_the_throttle_is_turned_on_and_off(sandbox: Sandbox, alice_client: Client) -> None:
    post_action(alice_client, "throttle", on="1")
    assert sandbox.control.throttle() == 1.0
    post_action(alice_client, "throttle", on="0")
    assert sandbox.control.throttle() is None


def test_advancing_the_clock_changes_statuses(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    set_up_domain(sandbox, "alice.com", customer=alice)
    before = sandbox.control.now()
    response = post_action(alice_client, "advance", amount="4", unit="86400")
    assert (sandbox.control.now() - before).days == 4
    assert "3 status changes" in message_text(response)
    assert "ahead of the real time" in alice_client.get(reverse("sandbox:faults")).text


def test_the_calls_are_shown_and_their_subject_only_to_its_owner(
    sandbox: Sandbox, alice: Customer, alice_client: Client, sam_client: Client
) -> None:
    set_up_domain(sandbox, "alice.com", customer=alice)
    set_up_domain(sandbox, "bob.com")
    page = alice_client.get(reverse("sandbox:faults")).text
    assert "ses:VerifyDomainIdentity" in page
    assert "alice.com" in page
    assert "bob.com" not in page
    assert "bob.com" in sam_client.get(reverse("sandbox:faults")).text


def test_a_reset_requires_the_typed_word(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("alice.com", customer=alice)
    alice_client.get(reverse("sandbox:zones"))
    refused = post_action(alice_client, "reset", word="no")
    assert refused.status_code == 422
    assert sandbox.control.list_zones() == ("alice.com",)
    post_action(alice_client, "reset", word="Reset")
    assert sandbox.control.list_zones() == ()
