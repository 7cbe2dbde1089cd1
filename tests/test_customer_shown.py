"""The customer's name in rows for members of several customers, and the ID next to customers with the same name."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer, MemberRole, Membership, User
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db
OWN = ("operations:overview", "domains:list", "receipt_rules:addresses")


@pytest.fixture
def kit(sandbox: Sandbox) -> User:
    """Return a member of Kite. Kite and Northwind each have an unverified domain and an address."""
    kite, northwind = make_customer("Kite & Key"), make_customer("Northwind")
    person = make_member(kite)
    for customer, name in ((kite, "kite.example"), (northwind, "northwind.example")):
        make_domain(f"new.{name}", customer=customer)
        make_address(f"billing@{name}", make_verified(name, customer=customer))
    return person


def _join(person: User, customer: str) -> None:
    Membership.objects.create(user=person, customer=Customer.objects.get(name=customer), role=MemberRole.MEMBER)


def _row(person: User, url_name: str, text: str) -> str:
    """Return the part of the page after the last occurrence of the text."""
    client = Client()
    client.force_login(person)
    return client.get(reverse(url_name)).text.rpartition(f">{text}</a>")[2][:1200]


@pytest.mark.parametrize("url_name", OWN)
def test_a_member_of_two_customers_sees_the_customer_of_each_row(kit: User, url_name: str) -> None:
    text = "billing@northwind.example" if url_name == OWN[2] else "new.northwind.example"
    _join(kit, "Northwind")
    assert "Northwind" in _row(kit, url_name, text)
    assert "Kite &amp; Key" in _row(kit, url_name, text.replace("northwind", "kite"))


@pytest.mark.parametrize("url_name", OWN)
def test_a_member_of_one_customer_sees_no_customer_in_rows(kit: User, url_name: str) -> None:
    text = "billing@kite.example" if url_name == OWN[2] else "new.kite.example"
    assert "Kite &amp; Key</" not in _row(kit, url_name, text)


def test_customers_with_the_same_name_show_their_ids() -> None:
    one, other, third = make_customer("Northwind Books"), make_customer("northwind books"), make_customer("Acme")
    client = Client()
    client.force_login(make_staff())
    customers = client.get(reverse("customers:list")).text
    found = client.get(reverse("operations:find"), {"q": "northwind"}).text
    for page in (customers, found):
        assert f">{one.pk}</span>" in page
        assert f">{other.pk}</span>" in page
    assert f">{third.pk}</span>" not in customers


def test_a_member_does_not_learn_about_a_customer_with_the_same_name() -> None:
    own = make_customer("Northwind Books")
    make_customer("Northwind Books")
    client = Client()
    client.force_login(make_member(own))
    page = client.get(reverse("customers:list"), {"q": "northwind"}).text
    assert "Northwind Books" in page
    assert f">{own.pk}</span>" not in page
