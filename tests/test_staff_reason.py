"""Staff who change a customer's objects give a reason, and its owners are notified at once; customers give none."""

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
from notifications.models.webhooks import Delivery
from receipt_rules.models.addresses import Address
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.notifications.factories import make_target
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified
from tests.tenants.factories import make_tenant
from tests.tenants.pages import signed_in, url

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


def test_the_form_resent_with_a_reason_is_applied_and_logged(customer: Customer) -> None:
    assert rename(signed_in(make_staff()), customer, staff_reason=f" {WHY}\n").status_code == 302
    assert Change.objects.get(what="customer.renamed").because == WHY


def test_an_htmx_request_gets_the_question_as_a_part(customer: Customer) -> None:
    answer = rename(signed_in(make_staff()), customer, HTTP_HX_REQUEST="true")
    assert answer["HX-Retarget"] == "#problem"
    assert "<html" not in answer.content.decode()


def test_only_the_owners_are_notified_with_actor_act_and_reason(customer: Customer, alice: User) -> None:
    make_member(customer, role=MemberRole.MEMBER)
    make_member(make_customer("Bob"))
    sam = make_staff(Role.SUPPORT, email="sam@ours.example")
    rename(signed_in(sam), customer, HTTP_X_REASON=WHY)
    notice = Notice.objects.get()
    assert (notice.person, notice.alert.customer_id) == (alice, customer.pk)
    assert send_due(now=timezone.now()) == 1
    (sent,) = mail.outbox
    assert sent.to == ["alice@alice.example"]
    for words in ("sam@ours.example (Support)", "Renamed the customer", WHY):
        assert words in sent.body
    inbox = signed_in(alice).get(reverse("notifications:inbox")).content.decode()
    assert WHY in inbox


def test_each_act_is_notified(customer: Customer) -> None:
    client = signed_in(make_staff())
    rename(client, customer, HTTP_X_REASON="First.")
    client.post(url("rename", customer.pk), {"name": "Third"}, HTTP_X_REASON="Second.")
    assert [alert.why.rpartition(": ")[2] for alert in Alert.objects.order_by("since")] == ["First.", "Second."]
    assert Notice.objects.count() == 2
    assert Alert.objects.filter(state="open").count() == 1


def test_a_customers_own_act_needs_no_reason_and_no_notice(customer: Customer, alice: User) -> None:
    assert rename(signed_in(alice), customer).status_code == 302
    assert Change.objects.get().because == ""
    assert not Alert.objects.exists()


def test_staff_need_no_reason_in_their_own_customer() -> None:
    sam = make_staff()
    own = make_customer("Sam's")
    own.memberships.create(user=sam, role=MemberRole.OWNER)
    assert rename(signed_in(sam), own).status_code == 302


@pytest.mark.parametrize(("reason", "status"), [("", 422), ("   ", 422), (ZOE.encode().decode("latin-1"), 200)])
def test_the_api_accepts_the_reason_as_a_header(customer: Customer, reason: str, status: int) -> None:
    address = make_address("a@shop.com", make_verified("shop.com", customer=customer))
    client = signed_in(make_staff(Role.OPERATOR))
    path = f"/api/v1.1/email-addresses/{address.pk}"
    answer = client.put(path, {"isActive": False}, "application/json", HTTP_X_REASON=reason)
    assert answer.status_code == status, answer.content
    assert Address.objects.get().is_active is (status == 422)
    if status == 422:
        assert answer.json()["code"] == "REASON_MISSING"
    else:
        assert Change.objects.get().because == ZOE


def test_requesting_a_deletion_needs_a_reason_and_is_notified(customer: Customer) -> None:
    domain = make_domain("shop.com", customer=customer)
    client, path = signed_in(make_staff()), reverse("operations:delete_domain", args=[domain.pk])
    assert client.post(path, {"name": "shop.com"}, HTTP_X_REASON="").status_code == 422
    domain.refresh_from_db()
    assert domain.stage != "deleting"
    client.post(path, {"name": "shop.com"}, HTTP_X_REASON=WHY)
    assert WHY in Alert.objects.get().why


def test_deleting_a_customer_needs_a_reason_and_notifies_its_owners(customer: Customer) -> None:
    client, path = signed_in(make_staff(Role.ADMIN)), reverse("admin:accounts_customer_delete", args=[customer.pk])
    assert client.post(path, {"post": "yes"}, HTTP_X_REASON="").status_code == 422
    assert Customer.objects.filter(pk=customer.pk).exists()
    assert client.post(path, {"post": "yes", "staff_reason": WHY}, HTTP_X_REASON="").status_code == 302
    assert not Customer.objects.filter(pk=customer.pk).exists()
    deleted = Change.objects.get(what="customer.deleted")
    assert (deleted.because, deleted.for_staff) == (WHY, True)
    send_due(now=timezone.now())
    (message,) = mail.outbox
    assert message.to == ["alice@alice.example"]
    assert WHY in message.body
    assert "Alice Ltd" in message.subject


def test_a_test_of_an_endpoint_sends_nothing_without_a_reason(customer: Customer) -> None:
    endpoint = make_endpoint(customer, config={"url": "https://127.0.0.1:9/"})
    client, path = signed_in(make_staff(Role.SUPPORT)), f"/api/v2/endpoints/{endpoint.pk}/test"
    refused = client.post(path, None, "application/json", HTTP_X_REASON="")
    assert (refused.status_code, refused.json()["code"]) == (422, "REASON_MISSING")
    assert not Change.objects.exists()
    assert (
        client.post(path, None, "application/json", HTTP_X_REASON=WHY).status_code == 200
    )  # the refused call did not count towards the limit
    assert Change.objects.get(what="endpoint.tested").because == WHY


@pytest.mark.parametrize("in_body", [False, True])
def test_the_reason_is_given_with_the_same_idempotency_key(customer: Customer, in_body: bool) -> None:
    domain = make_verified("shop.com", customer=customer)
    client, path = signed_in(make_staff(Role.SUPPORT)), f"/api/v2/domains/{domain.pk}/share-links"

    def ask(body: str, reason: str = "") -> Any:
        return client.post(path, body, "application/json", HTTP_X_REASON=reason, HTTP_IDEMPOTENCY_KEY="k")

    for _ in range(2):
        refused = ask('{"days":1}')
        assert (refused.status_code, refused.json()["code"]) == (422, "REASON_MISSING")
        assert "Idempotent-Replayed" not in refused
    given = ask(f'{{"days":1, "reason": "{WHY}"}}') if in_body else ask('{"days":1}', WHY)
    assert given.status_code == 201, given.content
    for again in (ask('{"days":1}', WHY), ask(f'{{"reason":"{WHY}","days":1}}')):
        assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert ask('{"days":2}', WHY).json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert domain.share_links.count() == 1


def test_staff_cannot_test_a_customers_webhook(customer: Customer) -> None:
    path = f"/api/v2/webhooks/{make_target(customer_id=customer.pk).pk}/test"
    answer = signed_in(make_staff(Role.ADMIN)).post(path, None, "application/json", HTTP_X_REASON=WHY)
    assert answer.status_code == 403
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(("reason", "status"), [(ZOE, 200), ("", 422), (" ", 422), (7, 422), (None, 422)])
def test_the_api_accepts_the_reason_in_the_body(customer: Customer, reason: object, status: int) -> None:
    address = make_address("a@shop.com", make_verified("shop.com", customer=customer))
    path = f"/api/v1.1/email-addresses/{address.pk}"
    body = {"isActive": False, "reason": reason}
    answer = signed_in(make_staff(Role.OPERATOR)).put(path, body, "application/json", HTTP_X_REASON="")
    assert answer.status_code == status, answer.content
    assert Address.objects.get().is_active is (status != 200)
    if status == 200:
        assert Change.objects.get().because == ZOE


def test_an_operation_with_its_own_reason_field_keeps_it(customer: Customer) -> None:
    tenant = make_tenant(customer)
    path = f"/api/v2/tenants/{tenant.pk}/pause"
    client = signed_in(make_staff(Role.TRUST_AND_SAFETY))
    answer = client.post(path, {"reason": "no such", "told": "x"}, "application/json")
    assert answer.status_code == 400
    assert "reason" in str(answer.json())


def test_an_admin_action_asks_for_one_reason(customer: Customer) -> None:
    domain = make_domain("shop.com", customer=customer, stage="ready")
    client, path = signed_in(make_staff(Role.ADMIN)), reverse("admin:domains_domain_changelist")
    page = client.get(path).content.decode()
    assert page.count("Reason") == 1
    assert "staff_reason" not in page
    sent = {"action": "hold", "_selected_action": [domain.pk], "because": WHY}
    assert client.post(path, sent, HTTP_X_REASON="").status_code == 302
    domain.refresh_from_db()
    assert domain.held_because == WHY
