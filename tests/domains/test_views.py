"""The pages of domains, as a visit, as a swap, and for whom."""

import pytest
from django.test import Client
from django.urls import reverse

from domains.models import Domain
from inbound_admin.sandbox.process import Sandbox
from tenants.models import Customer
from tests.domains.making import make_domain, publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice_client(client: Client) -> Client:
    client.force_login(make_member(email="alice@alice.com"))
    return client


def own(client: Client) -> Customer:
    return Customer.objects.get(memberships__user=client.session["_auth_user_id"])


def test_the_list_of_nobody_yet_says_what_it_is_for(alice_client: Client) -> None:
    page = alice_client.get(reverse("domains:list"))
    assert "Add your first domain" in page.text


def test_a_domain_is_added_in_two_steps(alice_client: Client, sandbox: Sandbox) -> None:
    looked = alice_client.post(reverse("domains:add"), {"name": "https://Shop.Example.CO.UK/"})
    assert looked.status_code == 200
    assert "shop.example.co.uk" in looked.text
    assert not Domain.objects.exists()
    added = alice_client.post(reverse("domains:add"), {"name": "https://Shop.Example.CO.UK/", "confirm": "1"})
    assert added.status_code == 302
    assert Domain.objects.get().name == "shop.example.co.uk"
    waiting = alice_client.get(added["Location"])
    assert "Setting up with Amazon" in waiting.text


def test_the_records_are_shown_and_then_seen_verified(alice_client: Client, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, customer=own(alice_client))
    page = alice_client.get(reverse("domains:detail", args=[domain.id]))
    for record in domain.records:
        assert record.value in page.text
    publish(sandbox, domain)
    sandbox.control.tick()
    swapped = alice_client.post(reverse("domains:check", args=[domain.id]), headers=HTMX)
    assert "<html" not in swapped.text
    assert "Everything is in place" in swapped.text
    assert "hx-trigger" not in swapped.text


@pytest.mark.parametrize(
    "name", ["detail", "check", "history", "settings", "new_keys", "start_again", "delete", "support"]
)
def test_another_customers_domain_does_not_exist_for_alice(alice_client: Client, name: str) -> None:
    bobs = make_domain(customer=make_customer("Bob Ltd"))
    url = reverse(f"domains:{name}", args=[bobs.id])
    for answer in (alice_client.get(url), alice_client.post(url, {"do": "hold", "name": bobs.name})):
        assert answer.status_code in (404, 405)
    assert alice_client.post(url).status_code in (404, 405)
