"""The page Received shows own rows only, filters them, and offers to deliver a message again."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from moto.awslambda.models import lambda_backends

from accounts.models.people import Customer
from accounts.roles import Role
from domains.models.domains import Domain
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.received_mail.services import record_deliveries
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint, make_report, make_verified

pytestmark = pytest.mark.django_db
URL = "/inbound/received/"


@pytest.fixture
def mail(alices: Customer) -> ReceivedMail:
    shop, desk = make_verified("alice.com", customer=alices), make_endpoint(alices, name="Desk")
    make_address("a@alice.com", shop, endpoint=desk)
    bobs = make_endpoint(make_customer("Bob Ltd"), name="Bob's desk")
    reports = [
        make_report("a@alice.com", endpoint=desk, outcome="failed", problem="It answered 500."),
        make_report("b@bob.com", endpoint=bobs),
        make_report("x@nobodys.example", outcome="unrouted"),
    ]
    record_deliveries(reports=reports, now=timezone.now())
    return ReceivedMail.objects.get(recipient="a@alice.com")


def test_a_customer_sees_only_their_own_mail(alice_client: Client, mail: ReceivedMail) -> None:
    page = alice_client.get(URL).content.decode()
    assert "a@alice.com" in page
    assert "Failed" in page
    assert "bob.com" not in page
    assert "nobodys" not in page
    other = ReceivedMail.objects.get(recipient="b@bob.com")
    assert alice_client.get(f"{URL}{other.pk}/").status_code == 404
    assert alice_client.post(f"{URL}{other.pk}/").status_code == 404


def test_staff_see_all_mail_including_mail_without_an_owner(sam_client: Client, mail: ReceivedMail) -> None:
    page = sam_client.get(URL).content.decode()
    assert all(each in page for each in ("a@alice.com", "b@bob.com", "x@nobodys.example", "Nobody"))


def test_an_htmx_request_returns_only_the_results(alice_client: Client, mail: ReceivedMail) -> None:
    page = alice_client.get(f"{URL}?show=delivered", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in page
    assert "No matching messages" in page


def test_an_empty_list_shows_its_empty_state(alice_client: Client) -> None:
    assert "No mail received yet" in alice_client.get(URL).content.decode()


def test_deliver_again_invokes_the_function_once_and_is_rate_limited(
    alice_client: Client, mail: ReceivedMail, sandbox: Sandbox
) -> None:
    here = f"{URL}{mail.pk}/"
    assert "It answered 500." in alice_client.get(here).content.decode()
    page = alice_client.post(here, follow=True).content.decode()
    assert "Delivering the message again" in page
    assert len(WORLD.mail.jobs) == 1
    assert "every 30 seconds" in alice_client.post(here, follow=True).content.decode()


def test_a_function_that_cannot_be_invoked_is_reported_on_the_page(
    alice_client: Client, mail: ReceivedMail, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lambda_backends["123456789012"]["eu-west-1"].delete_function("inbound-mail-handler")
    page = alice_client.post(f"{URL}{mail.pk}/", follow=True).content.decode()
    assert "inbound-mail-handler" in page
    assert "Delivering the message again" not in page


@pytest.fixture
def nobodys(alices: Customer) -> ReceivedMail:
    """A message that SES received before anyone held its domain."""
    make_address(
        "a@alice.com", make_verified("alice.com", customer=alices), endpoint=make_endpoint(alices, name="Desk")
    )
    early = make_report("a@alice.com", outcome="unrouted", received_at=timezone.now() - timedelta(hours=1))
    record_deliveries(reports=[early], now=timezone.now())
    return ReceivedMail.objects.get()


def test_staff_list_what_belongs_to_nobody_and_deliver_it_by_a_decision(
    sam_client: Client, alices: Customer, nobodys: ReceivedMail, sandbox: Sandbox
) -> None:
    assert "a@alice.com" in sam_client.get(f"{URL}?show=nobody").text
    page = sam_client.get(f"{URL}{nobodys.pk}/").text
    assert "No customer held the domain when SES received the message." in page
    assert "Deliver to this customer" in page
    form = {"customer": alices.pk, "because": ""}
    assert sam_client.post(f"{URL}{nobodys.pk}/", form).status_code == 422
    page = sam_client.post(f"{URL}{nobodys.pk}/", form | {"because": "Alice asked for it"}, follow=True).text
    assert "Delivering the message again." in page
    assert WORLD.mail.jobs[0].event["inboundAdmin"]["deliver"]["messageId"] == nobodys.message_id
    nobodys.refresh_from_db()
    assert nobodys.customer == alices
    assert "Deliver to this customer" not in page


def test_only_staff_who_transfer_domains_decide_whose_a_message_is(
    alice_client: Client, alices: Customer, nobodys: ReceivedMail
) -> None:
    assert alice_client.get(f"{URL}{nobodys.pk}/").status_code == 404
    form = {"customer": alices.pk, "because": "It is mine"}
    assert alice_client.post(f"{URL}{nobodys.pk}/", form).status_code == 404
    client = Client()
    client.force_login(make_staff(Role.TRUST_AND_SAFETY))
    assert "Deliver to this customer" not in client.get(f"{URL}{nobodys.pk}/").text
    assert client.post(f"{URL}{nobodys.pk}/", form).status_code == 403


def test_a_failed_message_says_when_it_is_no_longer_retried(alice_client: Client, mail: ReceivedMail) -> None:
    assert "We retry for about a day." in alice_client.get(f"{URL}{mail.pk}/").text
    ReceivedMail.objects.update(received_at=timezone.now() - timedelta(days=2))
    assert "We no longer retry." in alice_client.get(f"{URL}{mail.pk}/").text


def test_the_page_of_a_transfer_says_what_happens_to_mail_that_is_not_delivered_yet(
    sam_client: Client, mail: ReceivedMail
) -> None:
    page = sam_client.get(f"/domains/{Domain.objects.get().pk}/support/").text
    assert "1 message that isn’t delivered yet stays with Alice" in page
