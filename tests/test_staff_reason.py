"""Staff who change a customer's things say why, and its owners are told at once; customers are never asked."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, MemberRole, User
from accounts.roles import Role
from audit.models import Change
from notifications.email.services import send_due
from notifications.models.alerts import Alert, Notice
from receipt_rules.models.addresses import Address
from tests.domains.making import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.making import make_address, make_verified
from tests.tenants.visiting import signed_in, url

pytestmark = pytest.mark.django_db

WHY, ZOE = "She asked us by phone.", "Zoë rief an."


@pytest.fixture
def alice() -> User:
    return make_member(make_customer("Alice Ltd"), email="alice@alice.example")


@pytest.fixture
def customer(alice: User) -> Customer:
    return alice.customers.get()


def rename(client: Client, customer: Customer, **more: Any) -> Any:
    headers = {"HTTP_X_REASON": "", **{key: more.pop(key) for key in list(more) if key.startswith("HTTP_")}}
    return client.post(url("rename", customer.pk), {"name": "Alice & Co", **more}, **headers)


def test_staff_without_a_reason_change_nothing_and_are_asked_for_it(customer: Customer) -> None:
    answer = rename(signed_in(make_staff()), customer)
    customer.refresh_from_db()
    assert (answer.status_code, customer.name) == (422, "Alice Ltd")
    assert answer["X-Problem"] == "REASON_MISSING"
    page = answer.content.decode()
    assert 'name="name" value="Alice &amp; Co"' in page
    assert 'name="staff_reason"' in page
    assert not Change.objects.exists()
    assert not Alert.objects.exists()


def test_what_was_sent_once_more_with_a_reason_is_done_and_logged_with_it(customer: Customer) -> None:
    assert rename(signed_in(make_staff()), customer, staff_reason=f" {WHY}\n").status_code == 302
    assert Change.objects.get(what="customer.renamed").because == WHY


def test_the_question_fits_into_the_page_for_htmx(customer: Customer) -> None:
    answer = rename(signed_in(make_staff()), customer, HTTP_HX_REQUEST="true")
    assert answer["HX-Retarget"] == "#problem"
    assert "<html" not in answer.content.decode()


def test_the_owners_and_they_alone_are_told_at_once_who_what_and_why(customer: Customer, alice: User) -> None:
    make_member(customer, role=MemberRole.MEMBER)
    make_member(make_customer("Bob"))
    sam = make_staff(Role.SUPPORT, email="sam@ours.example")
    rename(signed_in(sam), customer, HTTP_X_REASON=WHY)
    notice = Notice.objects.get()
    assert (notice.person, notice.alert.customer_id) == (alice, customer.pk)
    assert send_due(now=timezone.now()) == 1
    (sent,) = mail.outbox
    assert sent.to == ["alice@alice.example"]
    for words in ("sam@ours.example (Support)", "Changed the name", WHY):
        assert words in sent.body
    inbox = signed_in(alice).get(reverse("notifications:inbox")).content.decode()
    assert WHY in inbox


def test_each_act_is_told_of(customer: Customer) -> None:
    client = signed_in(make_staff())
    rename(client, customer, HTTP_X_REASON="First.")
    client.post(url("rename", customer.pk), {"name": "Third"}, HTTP_X_REASON="Second.")
    assert [alert.why.rpartition(": ")[2] for alert in Alert.objects.order_by("since")] == ["First.", "Second."]
    assert Notice.objects.count() == 2
    assert Alert.objects.filter(state="open").count() == 1


def test_a_customer_is_neither_asked_nor_told_of_their_own_act(customer: Customer, alice: User) -> None:
    assert rename(signed_in(alice), customer).status_code == 302
    assert Change.objects.get().because == ""
    assert not Alert.objects.exists()


def test_staff_in_a_customer_of_their_own_are_not_asked() -> None:
    sam = make_staff()
    own = make_customer("Sam's")
    own.memberships.create(user=sam, role=MemberRole.OWNER)
    assert rename(signed_in(sam), own).status_code == 302


@pytest.mark.parametrize(("reason", "status"), [("", 422), ("   ", 422), (ZOE.encode().decode("latin-1"), 200)])
def test_the_api_takes_the_reason_by_header(customer: Customer, reason: str, status: int) -> None:
    address = make_address("a@shop.com", make_verified("shop.com", customer=customer))
    client = signed_in(make_staff(Role.SUPPORT))
    path = f"/api/v1.1/email-addresses/{address.pk}"
    answer = client.put(path, {"isActive": False}, "application/json", HTTP_X_REASON=reason)
    assert answer.status_code == status, answer.content
    assert Address.objects.get().is_active is (status == 422)
    if status == 422:
        assert answer.json()["code"] == "REASON_MISSING"
    else:
        assert Change.objects.get().because == ZOE


def test_deletion_is_told_when_it_is_asked_for(customer: Customer) -> None:
    domain = make_domain("shop.com", customer=customer)
    client, path = signed_in(make_staff()), reverse("operations:delete_domain", args=[domain.pk])
    assert client.post(path, {"name": "shop.com"}, HTTP_X_REASON="").status_code == 422
    domain.refresh_from_db()
    assert domain.stage != "deleting"
    client.post(path, {"name": "shop.com"}, HTTP_X_REASON=WHY)
    assert WHY in Alert.objects.get().why
