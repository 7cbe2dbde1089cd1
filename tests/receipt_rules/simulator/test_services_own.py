"""Customers simulate mail to their own addresses and learn nothing about other customers."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from domains.models.domains import Stage
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.mail_path.selectors import path_of_address, path_of_domain
from receipt_rules.models.addresses import CatchAll
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified, set_up_receiving
from tests.receipt_rules.receiving.test_services import HERE, verified_domain

pytestmark = pytest.mark.django_db


def simulator_page(client: Client, addresses: str) -> str:
    return client.get(reverse("receipt_rules:simulator"), {"addresses": addresses}).content.decode()


def test_a_customer_sees_whether_mail_for_their_address_arrives(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE, customer=alices)
    addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    assert domain.customer == alices
    assert "Mail for a@shop.com arrives here." in simulator_page(alice_client, "a@shop.com")
    assert "None of your addresses or catch-alls receives this mail" in simulator_page(alice_client, "b@shop.com")


def test_a_claim_shows_nothing_of_who_holds_the_name(sandbox: Sandbox, alice_client: Client, alices: Customer) -> None:
    bobs = make_verified("books.com", customer=make_customer("Bob's Books"))
    CatchAll.objects.create(domain=bobs, endpoint=make_endpoint(bobs.customer, name="Bob's desk"))
    claim = make_domain("books.com", customer=alices, stage=Stage.CLAIM)
    row = make_address("a@books.com", claim)
    page = simulator_page(alice_client, "b@books.com")
    assert "an address at one of your domains." in page
    assert "desk" not in page
    assert "desk" not in str(path_of_address(row))
    assert "desk" in str(path_of_domain(bobs, CatchAll.objects.select_related("domain", "endpoint")))


def test_another_customers_address_looks_like_an_unknown_one(sandbox: Sandbox, alice_client: Client) -> None:
    make_verified("books.com", customer=make_customer("Bob's Books"))
    for name in ("books.com", "nowhere.example.com"):
        page = simulator_page(alice_client, f"a@{name}")
        assert "an address at one of your domains." in page
        assert "Bob" not in page
    assert alice_client.post(reverse("receipt_rules:simulator")).status_code == 403
