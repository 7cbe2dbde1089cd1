"""Two tabs with one form: the second to save overwrites nothing of the first."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from inbound_admin.lib.seen import fingerprint
from receipt_rules.models.addresses import CatchAll
from tests.factories import make_customer, make_member
from tests.messages import message_text
from tests.notifications.factories import make_target
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_verified

pytestmark = pytest.mark.django_db
TOLD = "somebody else made changes after you opened this page"


@dataclass(frozen=True)
class Tabs:
    """One form: what the first tab saves, what the second then tries to, and what stays stored."""

    url: str
    seen: str
    first: Mapping[str, str]
    second: Mapping[str, str]
    stored: Callable[[], Any]
    shows: str
    stays: Any


def endpoint_tabs(customer: Customer) -> Tabs:
    endpoint = make_endpoint(customer, name="Desk", config={"url": "https://old.example/"})
    first = {"do": "save", "name": "Desk", "url": "https://new.example/"}  # and off
    second = {"do": "save", "name": "Second", "url": "https://old.example/", "is_active": "on"}

    def stored() -> Any:
        endpoint.refresh_from_db()
        return endpoint.name, endpoint.config["url"], endpoint.is_active

    url = reverse("receipt_rules:endpoint", args=[endpoint.pk])
    return Tabs(url, "seen", first, second, stored, "https://new.example/", ("Desk", "https://new.example/", False))


def address_tabs(customer: Customer) -> Tabs:
    old, new = make_endpoint(customer, name="Old"), make_endpoint(customer, name="New")
    address = make_address("a@shop.com", make_verified("shop.com", customer=customer), endpoint=old)
    first = {"do": "save", "endpoint": new.pk, "is_active": "on"}

    def stored() -> Any:
        address.refresh_from_db()
        return address.is_active, address.endpoint_id

    url = reverse("receipt_rules:address", args=[address.pk])
    shows = f'value="{new.pk}" selected'
    return Tabs(url, "seen", first, {"do": "save", "endpoint": old.pk}, stored, shows, (True, new.pk))


def catch_all_tabs(customer: Customer, prefix: str) -> Tabs:
    old, new = make_endpoint(customer, name="Old"), make_endpoint(customer, name="New")
    domain = make_verified("shop.com", customer=customer)
    first = {"do": prefix, f"{prefix}-endpoint": new.pk, f"{prefix}-is_active": "on"}
    second = {"do": prefix, f"{prefix}-endpoint": old.pk, f"{prefix}-is_active": "on"}

    def stored() -> Any:
        return CatchAll.objects.values_list("subdomains", "is_active", "endpoint").get()

    url, stays = reverse("receipt_rules:domain", args=[domain.pk]), (prefix == "below", True, new.pk)
    return Tabs(url, f"{prefix}-seen", first, second, stored, f'value="{new.pk}" selected', stays)


def everything_tabs(customer: Customer) -> Tabs:
    return catch_all_tabs(customer, "everything")


def below_tabs(customer: Customer) -> Tabs:
    return catch_all_tabs(customer, "below")


def webhook_tabs(customer: Customer) -> Tabs:
    target = make_target("https://old.example/hooks", customer_id=customer.pk)
    first = {"name": "Ours", "url": "https://new.example/hooks"}  # and off
    second = {"name": "Second", "url": "https://old.example/hooks", "is_on": "on"}

    def stored() -> Any:
        target.refresh_from_db()
        return target.name, target.url, target.is_on

    url, stays = reverse("notifications:webhook", args=[target.pk]), ("Ours", "https://new.example/hooks", False)
    return Tabs(url, "seen", first, second, stored, "https://new.example/", stays)


def settings_tabs(customer: Customer) -> Tabs:
    domain = make_verified("shop.com", customer=customer)
    kept = {"on_mx_failure": "UseDefaultValue", "dkim_signing": "on"}
    first = kept | {"mail_from_label": "new"}

    def stored() -> Any:
        domain.refresh_from_db()
        return domain.mail_from_label, domain.dkim_signing

    url = reverse("domains:settings", args=[domain.pk])
    second = {"on_mx_failure": "UseDefaultValue", "mail_from_label": "old"}
    return Tabs(url, "seen", first, second, stored, 'value="new"', ("new", True))


ALL = (endpoint_tabs, address_tabs, everything_tabs, below_tabs, webhook_tabs, settings_tabs)


def open_tab(client: Client, tabs: Tabs) -> dict[str, str]:
    found = re.search(rf'name="{tabs.seen}" value="(\w+)"', client.get(tabs.url).text)
    assert found
    return {tabs.seen: found[1]}


@pytest.fixture
def owner() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice_client(client: Client, owner: Customer) -> Client:
    client.force_login(make_member(owner, email="alice@alice.com"))
    return client


@pytest.mark.parametrize("make", ALL)
def test_the_second_tab_overwrites_nothing_and_reads_the_current_values(
    alice_client: Client, owner: Customer, make: Callable[[Customer], Tabs]
) -> None:
    tabs = make(owner)
    first, second = open_tab(alice_client, tabs), open_tab(alice_client, tabs)
    assert alice_client.post(tabs.url, {**tabs.first, **first}).status_code == 302
    assert tabs.stored() == tabs.stays
    refused = alice_client.post(tabs.url, {**tabs.second, **second})
    assert (refused.status_code, tabs.stored()) == (409, tabs.stays)
    assert TOLD in refused.text
    assert tabs.shows in refused.text
    again = open_tab(alice_client, tabs)
    assert again[tabs.seen] in refused.text
    assert alice_client.post(tabs.url, {**tabs.second, **again}).status_code == 302
    assert tabs.stored() != tabs.stays


@pytest.mark.parametrize("make", ALL)
def test_a_second_press_of_save_is_no_conflict(
    alice_client: Client, owner: Customer, make: Callable[[Customer], Tabs]
) -> None:
    tabs = make(owner)
    first = open_tab(alice_client, tabs)
    for _ in range(2):
        assert alice_client.post(tabs.url, {**tabs.first, **first}).status_code == 302
    assert tabs.stored() == tabs.stays


def test_a_form_with_mistakes_still_knows_what_it_showed(alice_client: Client, owner: Customer) -> None:
    tabs = endpoint_tabs(owner)
    first, second = open_tab(alice_client, tabs), open_tab(alice_client, tabs)
    alice_client.post(tabs.url, {**tabs.first, **first})
    invalid = alice_client.post(tabs.url, {**tabs.second, **second, "name": ""})
    assert invalid.status_code == 422
    assert second["seen"] in invalid.text
    assert alice_client.post(tabs.url, {**tabs.second, **second}).status_code == 409


def test_an_operators_ses_options_overwrite_no_newer_ones(client: Client, owner: Customer) -> None:
    client.force_login(make_operator())
    endpoint = make_endpoint(owner)
    url = reverse("receipt_rules:endpoint", args=[endpoint.pk])
    found = re.search(r'name="ses-seen" value="(\w+)"', client.get(url).text)
    assert found
    endpoint.s3_prefix = "new/"
    endpoint.save()
    refused = client.post(url, {"do": "ses", "ses-s3_prefix": "old/", "ses-seen": found[1]})
    endpoint.refresh_from_db()
    assert (refused.status_code, endpoint.s3_prefix) == (409, "new/")
    assert TOLD in message_text(refused)


def test_a_fingerprint_depends_on_each_value_and_shows_none() -> None:
    one = fingerprint({"url": "https://a.example/", "headers": {"X-Key": "secret"}})
    assert one != fingerprint({"url": "https://a.example/", "headers": {"X-Key": "other"}})
    assert "secret" not in one
