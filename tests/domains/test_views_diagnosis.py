"""The diagnosis as a page: the frame at once, the result when it is there, and the same for machines."""

import json

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from domains.core.diagnosis.catalogue import CODES
from domains.models import Domain
from inbound_admin.sandbox.process import Sandbox
from tenants.models import User
from tests.domains.making import publish, set_up_domain, wanted
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    cache.clear()


@pytest.fixture
def alice() -> User:
    return make_member(make_customer("Alice Ltd"))


@pytest.fixture
def domain(sandbox: Sandbox, alice: User) -> Domain:
    return set_up_domain(sandbox, "shop.com", customer=alice.customers.get())


@pytest.fixture
def page(client: Client, alice: User, domain: Domain) -> str:
    client.force_login(alice)
    return reverse("domains:diagnosis", args=[domain.pk])


def test_the_frame_comes_at_once_and_asks_nobody(client: Client, page: str, sandbox: Sandbox) -> None:
    sandbox.control.set_dns_fault("shop.com", "silent")
    text = client.get(page).content.decode()
    assert 'hx-trigger="load"' in text
    assert "?look=1" in text


def test_the_swap_has_the_first_break_with_its_code(
    client: Client, page: str, sandbox: Sandbox, domain: Domain
) -> None:
    publish(sandbox, domain)
    record = next(record for record in wanted(domain) if record.key == "identity")
    sandbox.control.make_mistake("shop.com", record, "name.doubled_zone")
    text = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert text.strip().startswith('<div id="result"')
    assert "dns.name.doubled_zone" in text
    assert 'hx-trigger="load"' not in text


def test_without_javascript_the_same_is_a_page(client: Client, page: str) -> None:
    text = client.get(f"{page}?look=1").content.decode()
    assert "<title>" in text
    assert "Step by step" in text
    assert "Your DNS host says" in text


def test_what_stands_in_the_dns_is_never_html(client: Client, page: str, sandbox: Sandbox, domain: Domain) -> None:
    record = next(record for record in wanted(domain) if record.key == "identity")
    sandbox.control.add_record("shop.com", record.name, "TXT", "<script>alert(1)</script>")
    assert "<script>alert" not in client.get(f"{page}?look=1").content.decode()


def test_machines_get_the_same_as_json_reply_and_lookups(client: Client, page: str, domain: Domain) -> None:
    found = json.loads(client.get(reverse("domains:diagnosis_file", args=[domain.pk, "json"])).content)
    assert found["domain"] == "shop.com"
    assert found["finding"]["code"] in CODES
    reply = client.get(reverse("domains:diagnosis_file", args=[domain.pk, "txt"])).content.decode()
    assert reply.startswith("shop.com")
    lookups = client.get(reverse("domains:diagnosis_file", args=[domain.pk, "log"])).content.decode()
    assert len(lookups.splitlines()) >= found["asked"] > 0


def test_another_customers_is_not_there(client: Client, page: str) -> None:
    client.force_login(make_member())
    assert client.get(page).status_code == 404


def test_every_code_can_be_linked_to_by_anybody(client: Client) -> None:
    text = client.get(reverse("domains:codes")).content.decode()
    assert not [code for code in CODES if f'id="{code}"' not in text]
