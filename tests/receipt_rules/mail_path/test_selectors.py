"""The mail path on pages: an endpoint is failing while its alert is open."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from domains.receiving.core import MxFact, RulesFact
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from receipt_rules.mail_path.core import HopState
from receipt_rules.mail_path.selectors import path_of_address, path_of_domain
from receipt_rules.models.addresses import Address, CatchAll
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db


def make_live_address(alices: Customer) -> Address:
    facts = {"mx_facts": {"shop.com": MxFact.HERE}, "mail_rules": {"shop.com": RulesFact.CARRIED}}
    domain = make_verified("shop.com", customer=alices, **facts)
    endpoint = make_endpoint(alices, name="Desk")
    return make_address("billing@shop.com", domain, endpoint=endpoint, rules=RulesFact.CARRIED)


def test_an_endpoint_is_failing_while_its_alert_is_open(alices: Customer) -> None:
    address = make_live_address(alices)
    assert path_of_address(address)[-1].sentence == "Desk (webhook)"
    assert address.endpoint
    now = timezone.now()
    alert = Alert.objects.create(
        kind="endpoint.failing",
        object_type="endpoint",
        object_id=address.endpoint.pk,
        object_name="Desk",
        customer_id=alices.pk,
        severity="high",
        state=AlertState.OPEN,
        since=now,
        looked_at=now,
    )
    assert (path_of_address(address)[-1].state, path_of_address(address)[1].state) == (
        HopState.UNDELIVERED,
        HopState.OK,
    )
    Alert.objects.filter(pk=alert.pk).update(state=AlertState.RECOVERED)
    assert path_of_address(address)[-1].state is HopState.OK


def test_a_disabled_address_has_no_path(alices: Customer) -> None:
    address = make_live_address(alices)
    address.is_active = False
    assert path_of_address(address) == ()


def test_a_domain_lists_each_endpoint_once_and_the_addresses_that_are_stored_only(alices: Customer) -> None:
    address = make_live_address(alices)
    domain = address.domain
    carried = RulesFact.CARRIED
    more = make_address("sales@shop.com", domain, endpoint=address.endpoint, rules=carried)
    catch_all = CatchAll.objects.create(domain=domain, rules=carried)
    off = make_address(
        "old@shop.com", domain, endpoint=make_endpoint(alices, name="Off", is_active=False), rules=carried
    )
    new = make_address("new@shop.com", domain, endpoint=make_endpoint(alices, name="Not yet"))
    end = path_of_domain(domain, [address, more, catch_all, off, new])[-1]
    assert end.name == "Endpoints"
    assert end.sentence == "Stored only (no endpoint). Off is off. Mail is stored only. Desk (webhook)"


def test_the_pages_show_the_mail_path(alice_client: Client, alices: Customer) -> None:
    address = make_live_address(alices)
    for url in (
        reverse("receipt_rules:domain", args=[address.domain_id]),
        reverse("receipt_rules:address", args=[address.pk]),
    ):
        page = alice_client.get(url).text
        assert 'aria-label="Path of mail for ' in page, url
        for hop in ("sender", "mx", "rule", "store", "end"):
            assert f'data-hop="{hop}"' in page, url
        assert "Desk (webhook)." in page, url
    domain = address.domain
    domain.receives = False
    domain.save()
    assert "data-hop" not in alice_client.get(reverse("receipt_rules:domain", args=[domain.pk])).text
