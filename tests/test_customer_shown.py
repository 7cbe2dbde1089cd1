"""The customer beside each row for a person of several customers, and the ID beside customers of one name."""

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
    """Member of Kite and of Northwind, each with an unverified domain and an address."""
    kite, northwind = make_customer("Kite & Key"), make_customer("Northwind")
    person = make_member(kite)
    for customer, name in ((kite, "kite.example"), (northwind, "northwind.example")):
        make_domain(f"new.{name}", customer=customer)
        make_address(f"billing@{name}", make_verified(name, customer=customer))
    return person


def _join(person: User, customer: str) -> None:
    Membership.objects.create(user=person, customer=Customer.objects.get(name=customer), role=MemberRole.MEMBER)


def _row(person: User, url_name: str, text: str) -> str:
    """Return what the page says beside the text, of its last mention on."""
    client = Client()
    client.force_login(person)
    return client.get(reverse(url_name)).text.rpartition(f">{text}</a>")[2][:1200]


@pytest.mark.parametrize("url_name", OWN)
def test_a_person_of_two_customers_sees_whose_each_row_is(kit: User, url_name: str) -> None:
    text = "billing@northwind.example" if url_name == OWN[2] else "new.northwind.example"
    _join(kit, "Northwind")
    assert "Northwind" in _row(kit, url_name, text)
    assert "Kite &amp; Key" in _row(kit, url_name, text.replace("northwind", "kite"))


@pytest.mark.parametrize("url_name", OWN)
def test_a_person_of_one_customer_sees_no_name_of_it_in_rows(kit: User, url_name: str) -> None:
    text = "billing@kite.example" if url_name == OWN[2] else "new.kite.example"
    assert "Kite &amp; Key</" not in _row(kit, url_name, text)


def test_customers_of_one_name_are_told_apart_by_their_ids() -> None:
    one, other, third = make_customer("Northwind Books"), make_customer("northwind books"), make_customer("Acme")
    client = Client()
    client.force_login(make_staff())
    customers = client.get(reverse("customers:list")).text
    found = client.get(reverse("operations:find"), {"q": "northwind"}).text
    for page in (customers, found):
        assert f">{one.pk}</span>" in page
        assert f">{other.pk}</span>" in page
    assert f">{third.pk}</span>" not in customers


def test_a_member_does_not_learn_that_a_stranger_has_the_same_name() -> None:
    own = make_customer("Northwind Books")
    make_customer("Northwind Books")
    client = Client()
    client.force_login(make_member(own))
    page = client.get(reverse("customers:list"), {"q": "northwind"}).text
    assert "Northwind Books" in page
    assert f">{own.pk}</span>" not in page
