"""Send only: nothing is called wrong, and either change loses no mail."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.preflight import services as preflight_services
from domains.receiving.core import ReceivingState
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.receiving import services as receiving_services
from sandbox.process import Sandbox
from tests.factories import make_user
from tests.receipt_rules.factories import set_up_receiving, taken
from tests.receipt_rules.receiving.test_services import GOOGLE, HERE, asked, checked, move_mx, verified

pytestmark = pytest.mark.django_db


def page(domain: Domain) -> str:
    return reverse("receipt_rules:send_only", args=[domain.pk])


def test_a_domain_that_only_sends_is_right_with_another_mail_services_mx(sandbox: Sandbox) -> None:
    domain = verified(sandbox, mx=GOOGLE)
    receiving_services.choose(domain=domain, receives=False, actor=make_user())
    domain = checked(domain)
    assert (domain.state, domain.receiving.state, asked(domain)) == (State.VERIFIED, ReceivingState.SEND_ONLY, set())
    assert domain.summary == "Ready to send. This domain doesn't receive mail here."


def test_it_may_be_chosen_when_the_domain_is_added(sandbox: Sandbox, alice_client: Client, alices: Customer) -> None:
    alice_client.post(reverse("domains:add"), {"name": "shop.com", "send_only": "on", "confirm": "1"})
    assert not Domain.objects.get(name="shop.com").receives
    assert preflight_services.add(text="books.com", customer=alices, actor=None).receives


def test_to_send_only_the_mx_leads_away_before_the_rules_go(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE, customer=alices)
    addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    assert checked(domain).receiving.is_live
    refused = alice_client.post(page(domain), {"do": "send_only"})
    assert refused.status_code == 422
    assert "Point it to your other mail service first" in refused.content.decode()
    assert taken("a@shop.com") == 1
    move_mx(sandbox, domain, "shop.com", GOOGLE)
    checked(domain)
    assert alice_client.post(page(domain), {"do": "send_only"}).status_code == 302
    auto_apply_services.work()
    assert taken("a@shop.com") == 0


def test_back_to_receiving_the_addresses_are_used_again_and_the_mx_comes_last(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=GOOGLE, customer=alices)
    addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    receiving_services.choose(domain=checked(domain), receives=False, actor=make_user())
    auto_apply_services.work()
    assert asked(checked(domain)) == set()
    alice_client.post(page(domain), {"do": "receive"})
    domain.refresh_from_db()
    assert asked(domain) == set()
    auto_apply_services.work()
    assert taken("a@shop.com") == 1
    assert asked(checked(domain)) == {"shop.com"}


def test_an_mx_that_leads_here_is_red_for_a_domain_that_only_sends(sandbox: Sandbox) -> None:
    domain = verified(sandbox, mx=GOOGLE)
    receiving_services.choose(domain=domain, receives=False, actor=make_user())
    move_mx(sandbox, domain, "shop.com", HERE)
    domain = checked(domain)
    assert domain.state == State.WRONG
    assert "it's set to send only, but its MX record points here" in domain.summary


def test_no_address_is_added_to_a_domain_that_only_sends(sandbox: Sandbox) -> None:
    domain = verified(sandbox, mx=GOOGLE)
    receiving_services.choose(domain=domain, receives=False, actor=make_user())
    with pytest.raises(Refused, match="send only"):
        addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
