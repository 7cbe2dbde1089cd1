"""An endpoint entered in an address form is created once, together with the address or not at all."""

import threading

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from receipt_rules.endpoints.services import endpoint_for
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db
URL = "https://hooks.shop.com/mail"


def test_a_url_creates_a_webhook_and_an_email_address_creates_a_forward(alices: Customer) -> None:
    with endpoint_for(target=f" {URL} ", chosen=None, customer=alices, actor=None) as made:
        assert made
        assert (made.type, made.name, made.config["url"]) == (EndpointType.WEBHOOK, "hooks.shop.com", URL)
    with endpoint_for(target="desk@elsewhere.com", chosen=made, customer=alices, actor=None) as forwards:
        assert forwards
        assert (forwards.type, forwards.name) == (EndpointType.EMAIL, "desk@elsewhere.com")
    with endpoint_for(target="", chosen=made, customer=alices, actor=None) as chosen:
        assert chosen == made


def test_the_same_target_reuses_its_endpoint_and_a_taken_name_gets_a_number(alices: Customer) -> None:
    make_endpoint(alices, name="Hooks.shop.com", config={"url": "https://hooks.shop.com/other"})
    names = []
    for _ in range(2):
        with endpoint_for(target=URL, chosen=None, customer=alices, actor=None) as made:
            assert made
            names.append(made.name)
    assert names == ["hooks.shop.com 2"] * 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_submissions_create_one_endpoint(alices: Customer) -> None:
    start, created = threading.Barrier(4), list[str]()

    def submit() -> None:
        try:
            start.wait()
            with endpoint_for(target=URL, chosen=None, customer=alices, actor=None) as made:
                created.append(str(made))
        finally:
            connection.close()

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert created == ["hooks.shop.com"] * 4
    assert Endpoint.objects.count() == 1


def test_another_customers_endpoint_is_never_reused(alices: Customer) -> None:
    make_endpoint(name="Theirs", config={"url": URL})
    with endpoint_for(target=URL, chosen=None, customer=alices, actor=None) as made:
        assert made
        assert made.customer == alices


def test_an_address_is_added_with_its_endpoint(alice_client: Client, alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    url = reverse("receipt_rules:domain", args=[domain.pk])
    answer = alice_client.post(url, {"do": "address", "address-address": "billing", "address-target": URL})
    assert answer.status_code == 302
    endpoint = Address.objects.get().endpoint
    assert endpoint
    assert endpoint.name == "hooks.shop.com"
    alice_client.post(url, {"do": "everything", "everything-is_active": "on", "everything-target": URL})
    assert CatchAll.objects.get().endpoint == endpoint


@pytest.mark.parametrize(
    ("address", "target", "problem"),
    [("not an address", URL, "before the @"), ("billing", "http://", "URL"), ("billing", "a@", "an email address")],
)
def test_neither_address_nor_endpoint_is_created_if_one_is_refused(
    alice_client: Client, alices: Customer, address: str, target: str, problem: str
) -> None:
    url = reverse("receipt_rules:domain", args=[make_verified("shop.com", customer=alices).pk])
    answer = alice_client.post(url, {"do": "address", "address-address": address, "address-target": target})
    assert answer.status_code == 422
    assert problem in answer.text
    assert not Endpoint.objects.exists()
    assert not Address.objects.exists()


def test_an_address_can_be_given_a_new_endpoint(alice_client: Client, alices: Customer) -> None:
    address = make_address("billing@shop.com", make_verified("shop.com", customer=alices))
    url = reverse("receipt_rules:address", args=[address.pk])
    answer = alice_client.post(url, {"do": "save", "is_active": "on", "target": "ftp://nowhere"})
    assert answer.status_code == 422
    assert alice_client.post(url, {"do": "save", "is_active": "on", "target": URL}).status_code == 302
    address.refresh_from_db()
    assert address.endpoint
    assert address.endpoint.config["url"] == URL


def test_a_customer_tests_a_webhook_on_the_endpoint_page(alice_client: Client, alices: Customer) -> None:
    forwards = make_endpoint(alices, type=EndpointType.EMAIL, config={"address": "desk@shop.com"})
    url = reverse("receipt_rules:endpoint", args=[forwards.pk])
    assert "Send test event" not in alice_client.get(url).text
    assert "Only webhooks can be tested here." in alice_client.post(url, {"do": "test"}, follow=True).text
    inside = make_endpoint(alices, config={"url": "https://127.0.0.1:1/mail"})
    url = reverse("receipt_rules:endpoint", args=[inside.pk])
    assert "Send test event" in alice_client.get(url).text
    assert " ms." in alice_client.post(url, {"do": "test"}, follow=True).text
    assert "one test every" in alice_client.post(url, {"do": "test"}, follow=True).text
    theirs = reverse("receipt_rules:endpoint", args=[make_endpoint().pk])
    assert alice_client.post(theirs, {"do": "test"}).status_code == 404
