"""Send-only domains have no errors, and switching to or from send only loses no mail."""

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
from tests.receipt_rules.factories import rule_count, set_up_receiving
from tests.receipt_rules.receiving.test_services import (
    GOOGLE,
    HERE,
    check_domain,
    move_mx,
    required_mx_names,
    verified_domain,
)

pytestmark = pytest.mark.django_db


def page(domain: Domain) -> str:
    return reverse("receipt_rules:send_only", args=[domain.pk])


def test_a_send_only_domain_is_verified_with_another_mail_services_mx(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox, mx=GOOGLE)
    receiving_services.choose(domain=domain, receives=False, actor=make_user())
    domain = check_domain(domain)
    assert (domain.state, domain.receiving.state, required_mx_names(domain)) == (
        State.VERIFIED,
        ReceivingState.SEND_ONLY,
        set(),
    )
    assert domain.summary == "Ready to send. This domain doesn't receive mail here."


def test_send_only_can_be_chosen_when_a_domain_is_added(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    alice_client.post(reverse("domains:add"), {"name": "shop.com", "send_only": "on", "confirm": "1"})
    assert not Domain.objects.get(name="shop.com").receives
    assert preflight_services.add(text="books.com", customer=alices, actor=None).receives


def test_send_only_requires_the_mx_to_point_away_before_rules_are_removed(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE, customer=alices)
    addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    assert check_domain(domain).receiving.is_live
    refused = alice_client.post(page(domain), {"do": "send_only"})
    assert refused.status_code == 422
    assert "Point it to your other mail service first" in refused.content.decode()
    assert rule_count("a@shop.com") == 1
    move_mx(sandbox, domain, "shop.com", GOOGLE)
    check_domain(domain)
    assert alice_client.post(page(domain), {"do": "send_only"}).status_code == 302
    auto_apply_services.work()
    assert rule_count("a@shop.com") == 0


def test_a_domain_that_receives_again_uses_its_addresses_before_the_mx_is_required(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=GOOGLE, customer=alices)
    addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    receiving_services.choose(domain=check_domain(domain), receives=False, actor=make_user())
    auto_apply_services.work()
    assert required_mx_names(check_domain(domain)) == set()
    alice_client.post(page(domain), {"do": "receive"})
    domain.refresh_from_db()
    assert required_mx_names(domain) == set()
    auto_apply_services.work()
    assert rule_count("a@shop.com") == 1
    assert required_mx_names(check_domain(domain)) == {"shop.com"}


def test_an_mx_that_points_here_is_red_for_a_send_only_domain(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox, mx=GOOGLE)
    receiving_services.choose(domain=domain, receives=False, actor=make_user())
    move_mx(sandbox, domain, "shop.com", HERE)
    domain = check_domain(domain)
    assert domain.state == State.WRONG
    assert "it's set to send only, but its MX record points here" in domain.summary


def test_no_address_can_be_added_to_a_send_only_domain(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox, mx=GOOGLE)
    receiving_services.choose(domain=domain, receives=False, actor=make_user())
    with pytest.raises(Refused, match="send only"):
        addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
