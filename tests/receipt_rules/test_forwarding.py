"""Mail is forwarded to another person's address only after that person has confirmed."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain, Stage
from inbound_admin.lib.errors import RateLimited, Refused
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.forwarding import services as forwarding_services
from receipt_rules.forwarding.selectors import FORWARDS_KEY, is_forwarding_off
from receipt_rules.legacy_import.services import Import, import_endpoint
from receipt_rules.mail_path.core import HopState
from receipt_rules.mail_path.selectors import path_of_domain
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, EndpointType, Forwarding, ForwardingState
from receipt_rules.route_lookup.selectors import Route, route_lookup
from sandbox.process import Sandbox
from tests.api_client import api_of, ok, refused
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_operator, make_verified

pytestmark = pytest.mark.django_db
STRANGER = "someone@else.example"


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.SITE_URL = "https://here.example/"


@pytest.fixture
def shop() -> Domain:
    return make_verified("shop.com", customer=make_customer("Alice Ltd"))


def add_forward(customer: Customer, *to: str, **fields: Any) -> Endpoint:
    kind = EndpointType.EMAIL if len(to) == 1 else EndpointType.EMAIL_GROUP
    config = {"address": to[0]} if len(to) == 1 else {"addresses": list(to)}
    name = fields.pop("name", f"to {to[0]}")
    return endpoints_services.add_endpoint(customer=customer, name=name, type=kind, config=config, actor=None, **fields)


def route_through(domain: Domain, endpoint: Endpoint) -> Route:
    Address.objects.filter(domain=domain).delete()
    make_address(f"a@{domain.name}", domain, endpoint=endpoint)
    return route_lookup([f"a@{domain.name}"])[0]


def links() -> list[str]:
    """Return the paths of the links in the sent emails."""
    return [re.search(r"https://here\.example(\S+)", str(each.body)).group(1) for each in mail.outbox]  # type: ignore[union-attr]  # each has one


def test_nothing_is_forwarded_to_another_person_before_they_confirm(shop: Domain) -> None:
    endpoint = add_forward(shop.customer, STRANGER)
    waiting = route_through(shop, endpoint)
    assert (waiting.endpoint, waiting.waits_for, waiting.because) == (None, endpoint, "address")
    assert forwarding_services.send_due(now=timezone.now()) == 1
    assert mail.outbox[0].to == [STRANGER]
    (link,) = links()
    page = Client().get(link)
    assert "Nothing is forwarded until you allow it" in page.text
    assert route_through(shop, endpoint).endpoint is None  # opening the link, as a scanner does, confirms nothing
    assert "confirmed" in Client().post(link, {"do": "confirm"}).text
    assert route_through(shop, endpoint).endpoint == endpoint
    assert "won’t ask you again" in Client().post(link, {"do": "refuse"}).text
    assert route_through(shop, endpoint).endpoint is None
    assert list(Change.objects.filter(object_type="forwarding").order_by("pk").values_list("what", flat=True)) == [
        "forwarding.asked",
        "forwarding.confirmed",
        "forwarding.refused",
    ]


def test_addresses_at_the_customers_own_verified_domains_need_no_confirmation(shop: Domain) -> None:
    make_verified("other.com", customer=shop.customer)
    endpoint = add_forward(shop.customer, "a@shop.com", "b@eu.shop.com", "C@Other.com")
    assert route_through(shop, endpoint).members == ("a@shop.com", "b@eu.shop.com", "C@Other.com")
    assert not Forwarding.objects.exists()


@pytest.mark.parametrize(
    "fields", [{"verified_at": None}, {"stage": Stage.CLAIM, "verified_at": None}, {"stage": Stage.DELETING}]
)
def test_an_address_at_an_unverified_domain_needs_confirmation(shop: Domain, fields: dict[str, Any]) -> None:
    make_verified("mine.example", customer=shop.customer, **fields)
    assert route_through(shop, add_forward(shop.customer, "a@mine.example")).endpoint is None


def test_an_address_at_another_customers_subdomain_needs_confirmation(shop: Domain) -> None:
    make_verified("eu.shop.com", customer=make_customer("Bob"))
    assert route_through(shop, add_forward(shop.customer, "a@eu.shop.com")).endpoint is None


@pytest.mark.parametrize(("verified", "expected"), [(True, True), (False, False)])
def test_only_a_members_verified_address_needs_no_confirmation(shop: Domain, verified: bool, expected: bool) -> None:
    alice = make_member(shop.customer)
    EmailAddress.objects.update_or_create(user=alice, email=alice.email, defaults={"verified": verified})
    assert (route_through(shop, add_forward(shop.customer, alice.email)).endpoint is not None) is expected


def test_only_confirmed_members_of_a_group_get_the_mail(shop: Domain) -> None:
    endpoint = add_forward(shop.customer, "a@shop.com", STRANGER)
    route = route_through(shop, endpoint)
    assert (route.endpoint, route.config) == (endpoint, {"addresses": ["a@shop.com"]})


def test_a_confirmation_for_one_customer_does_not_count_for_another(shop: Domain) -> None:
    Forwarding.objects.create(customer=shop.customer, address=STRANGER, state=ForwardingState.CONFIRMED)
    bobs = make_verified("bobs.com")
    assert route_through(shop, add_forward(shop.customer, STRANGER)).endpoint is not None
    assert route_through(bobs, add_forward(bobs.customer, STRANGER)).endpoint is None


def test_the_setting_replaces_the_confirmation_but_not_a_refusal(shop: Domain, settings: Settings) -> None:
    settings.FORWARD_WITHOUT_CONFIRMATION = True
    endpoint = add_forward(shop.customer, STRANGER)
    assert route_through(shop, endpoint).endpoint == endpoint
    assert not Forwarding.objects.exists()
    Forwarding.objects.create(customer=shop.customer, address=STRANGER, state=ForwardingState.REFUSED)
    assert route_through(shop, endpoint).endpoint is None


def test_a_changed_address_requires_its_own_confirmation(shop: Domain) -> None:
    endpoint = add_forward(shop.customer, "a@shop.com")
    endpoints_services.change_endpoint(endpoint=endpoint, actor=None, config={"address": STRANGER})
    endpoint.refresh_from_db()
    assert route_through(shop, endpoint).endpoint is None
    assert Forwarding.objects.get().address == STRANGER


def test_a_recipient_gets_one_confirmation_email_a_day_and_a_limited_number(shop: Domain) -> None:
    for number in range(3):
        add_forward(shop.customer, STRANGER.upper(), name=f"desk {number}")
        forwarding_services.send_due(now=timezone.now())
    assert len(mail.outbox) == 1
    endpoint = Endpoint.objects.all()[0]
    with pytest.raises(Refused, match="one email a day"):
        forwarding_services.resend_confirmations(endpoint=endpoint, actor=None)
    Forwarding.objects.update(asked_at=timezone.now() - timedelta(days=2))
    assert forwarding_services.resend_confirmations(endpoint=endpoint, actor=None) == 1
    forwarding_services.send_due(now=timezone.now())
    assert len(mail.outbox) == 2
    Forwarding.objects.update(asked_at=timezone.now() - timedelta(days=2), asked_times=forwarding_services.MOST_TIMES)
    with pytest.raises(Refused):
        forwarding_services.resend_confirmations(endpoint=endpoint, actor=None)


def test_many_customers_together_cannot_flood_one_recipient(settings: Settings) -> None:
    settings.UNSOLICITED_MAILS_PER_DAY = 2
    for _ in range(4):
        add_forward(make_customer(), STRANGER)
    forwarding_services.send_due(now=timezone.now())
    assert len(mail.outbox) == 2
    assert Forwarding.objects.filter(problem__contains="reached today's limit").count() == 2
    cache.clear()
    assert forwarding_services.send_due(now=timezone.now() + timedelta(days=2)) == 2


def test_a_customer_can_only_have_a_limited_number_of_confirmations_sent_a_day(
    shop: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding_services, "MOST_ASKED_A_DAY", 3)
    add_forward(shop.customer, "a@else.example", "b@else.example")
    with pytest.raises(RateLimited, match="up to 3 people"):
        add_forward(shop.customer, "c@else.example", "d@else.example")
    assert Endpoint.objects.count() == 1


def test_the_email_contains_no_link_from_the_customers_name(shop: Domain) -> None:
    shop.customer.name = "Win at https://evil.example/ <b>now</b>, write to x@evil.example"
    shop.customer.save()
    add_forward(shop.customer, STRANGER)
    forwarding_services.send_due(now=timezone.now())
    assert "evil.example" not in str(mail.outbox[0].body)
    assert "@evil" not in str(mail.outbox[0].body)


def test_an_expired_link_can_refuse_but_not_confirm(shop: Domain) -> None:
    endpoint = add_forward(shop.customer, STRANGER)
    forwarding_services.send_due(now=timezone.now())
    Forwarding.objects.update(asked_at=timezone.now() - timedelta(days=forwarding_services.LINK_DAYS + 1))
    (link,) = links()
    assert Client().post(link, {"do": "confirm"}).status_code == 422
    assert route_through(shop, endpoint).endpoint is None
    assert Client().post(link, {"do": "refuse"}).status_code == 200
    assert Forwarding.objects.get().state == ForwardingState.REFUSED


@pytest.mark.parametrize("token", ["fwd_00000000000000000000", "fwd_00000000000000000000:forged"])
def test_a_link_with_an_invalid_signature_is_404(token: str) -> None:
    assert Client().get(reverse("receipt_rules:forwarding", args=[token])).status_code == 404


def test_without_site_url_the_page_says_why_no_email_is_sent(shop: Domain, settings: Settings) -> None:
    settings.SITE_URL = ""
    endpoint = add_forward(shop.customer, STRANGER)
    assert forwarding_services.send_due(now=timezone.now()) == 0
    client = Client()
    client.force_login(make_member(shop.customer))
    assert "SITE_URL isn&#x27;t set" in client.get(reverse("receipt_rules:endpoint", args=[endpoint.pk])).text


def test_the_pages_show_waiting_confirmations_and_resend_the_link(shop: Domain) -> None:
    endpoint, client = add_forward(shop.customer, STRANGER), Client()
    client.force_login(make_member(shop.customer))
    assert "Waiting for confirmation" in client.get(reverse("receipt_rules:endpoints")).text
    make_address("me@shop.com", shop, endpoint=endpoint, rules="carried")
    Domain.objects.update(mx_facts={"shop.com": "here"}, mail_rules={"shop.com": "carried"})
    assert "Waiting for confirmation" in client.get(reverse("receipt_rules:addresses")).text
    Forwarding.objects.update(state=ForwardingState.CONFIRMED)
    assert "Waiting for confirmation" not in client.get(reverse("receipt_rules:addresses")).text
    Forwarding.objects.update(state=ForwardingState.WAITING)
    url = reverse("receipt_rules:endpoint", args=[endpoint.pk])
    assert STRANGER in client.get(url).text
    forwarding_services.send_due(now=timezone.now())
    assert "one email a day" in client.post(url, {"do": "ask"}, follow=True).text
    Forwarding.objects.update(asked_at=timezone.now() - timedelta(days=2))
    assert "Sending the confirmation link" in client.post(url, {"do": "ask"}, follow=True).text
    assert Forwarding.objects.get().due_at is not None


def test_the_api_shows_the_confirmation_status_in_addition_to_its_other_fields(shop: Domain) -> None:
    alice = api_of(make_member(shop.customer))
    asked = {"name": "me", "type": "email", "config": {"forwardTo": STRANGER}}
    made = ok(alice.post("/api/v2/endpoints", asked), 201)
    assert made["confirmation"] == {"status": "waiting", "waitingFor": [STRANGER]}
    ok(alice.post(f"/api/v2/endpoints/{made['id']}/confirmations"))  # the first email is still queued
    forwarding_services.send_due(now=timezone.now())
    refused(alice.post(f"/api/v2/endpoints/{made['id']}/confirmations"), 422, "FORWARDING_ASKED")
    make_address("me@shop.com", shop, endpoint=Endpoint.objects.get())
    route = api_of(make_operator(), "route")
    (found,) = ok(route.post("/api/v2/route-lookup", {"recipients": ["me@shop.com"]}))["data"]
    assert (found["endpoint"], found["awaitsConfirmation"], found["owner"]["isActive"]) == (None, True, True)
    Forwarding.objects.update(state=ForwardingState.CONFIRMED)
    (found,) = ok(route.post("/api/v2/route-lookup", {"recipients": ["me@shop.com"]}))["data"]
    assert (found["endpoint"]["config"], found["awaitsConfirmation"]) == ({"forwardTo": STRANGER}, False)
    assert ok(alice.get("/api/v2/endpoints"))["data"][0]["confirmation"]["status"] == "confirmed"


def test_staff_can_confirm_with_a_reason_but_never_after_a_refusal(shop: Domain) -> None:
    add_forward(shop.customer, STRANGER)
    row = Forwarding.objects.get()
    with pytest.raises(Refused, match="Enter how"):
        forwarding_services.allow(row=row, because=" ", actor=make_operator())
    with pytest.raises(Refused, match="Only operators"):
        forwarding_services.allow(row=row, because="They wrote", actor=make_member(shop.customer))
    forwarding_services.allow(row=row, because="They wrote to us", actor=make_operator())
    assert Forwarding.objects.get().state == ForwardingState.CONFIRMED
    Forwarding.objects.update(state=ForwardingState.REFUSED)
    with pytest.raises(Refused, match="Only they"):
        forwarding_services.allow(row=row, because="They wrote to us", actor=make_operator())


def test_an_imported_forward_needs_no_confirmation(shop: Domain) -> None:
    of = Import(customer=shop.customer, actor=make_operator(), because="moves in", bulk_id="b")
    made, _ = import_endpoint(
        name="old", kind="email", config={"address": STRANGER}, is_active=True, description="", of=of
    )
    assert route_through(shop, made).endpoint == made


@pytest.fixture
def known(sandbox: Sandbox, settings: Settings) -> Iterator[None]:
    """Read the settings of the function in the sandbox, and reset them afterwards."""
    settings.RECEIVING_FUNCTION = "inbound-mail-handler"
    cache.delete(FORWARDS_KEY)
    yield
    sandbox.control.set_receiver("", "")
    cache.delete(FORWARDS_KEY)


def test_a_forward_is_refused_if_the_function_does_not_forward(known: None, sandbox: Sandbox, shop: Domain) -> None:
    old = add_forward(shop.customer, "a@shop.com")
    make_address("desk@shop.com", shop, endpoint=old)
    sandbox.control.set_receiver("https://here.example", "key")
    forwarding_services.read_forwarding()
    with pytest.raises(Refused, match="doesn't forward mail"):
        add_forward(shop.customer, "b@shop.com")
    end = path_of_domain(shop, Address.objects.filter(domain=shop))[-1]
    assert (end.state, "doesn't forward mail" in end.sentence) == (HopState.STORED, True)


def test_a_forward_is_added_if_the_function_forwards(known: None, sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.set_receiver("https://here.example", "key", "forward@here.example")
    forwarding_services.read_forwarding()
    assert add_forward(shop.customer, "b@shop.com").pk
    assert not is_forwarding_off()


def test_a_function_with_unknown_settings_refuses_no_forward(known: None, shop: Domain) -> None:
    forwarding_services.read_forwarding()
    assert not is_forwarding_off()
    assert add_forward(shop.customer, "b@shop.com").pk


@pytest.fixture
def mine(alices: Customer) -> Domain:
    return make_verified("mine.com", customer=alices)


@pytest.fixture
def webhooks_only(known: None, sandbox: Sandbox) -> None:
    sandbox.control.set_receiver("https://here.example", "key")
    forwarding_services.read_forwarding()


PROMISES = ("email address or", "or an email address", "group of addresses", "team@example.com", "Forward to")


def _promising(page: str) -> list[str]:
    return [promise for promise in PROMISES if promise in page]


def _pages(mine: Domain) -> list[str]:
    address = make_address("desk@mine.com", mine)
    return [
        reverse("receipt_rules:endpoints"),
        reverse("receipt_rules:add_endpoint"),
        reverse("receipt_rules:domain", args=[mine.pk]),
        reverse("receipt_rules:address", args=[address.pk]),
        reverse("home"),
    ]


def test_no_page_offers_forwarding_if_the_function_does_not_forward(
    webhooks_only: None, mine: Domain, alice_client: Client
) -> None:
    for url in _pages(mine):
        page = alice_client.get(url, follow=True).text
        assert ("a webhook" in page.lower(), _promising(page)) == (True, []), url


def test_the_pages_offer_forwarding_if_the_function_forwards(
    known: None, sandbox: Sandbox, mine: Domain, alice_client: Client
) -> None:
    sandbox.control.set_receiver("https://here.example", "key", "forward@here.example")
    forwarding_services.read_forwarding()
    for url in _pages(mine):
        assert _promising(alice_client.get(url, follow=True).text), url


def test_form_and_service_refuse_a_forward_with_the_same_message(
    webhooks_only: None, mine: Domain, alice_client: Client
) -> None:
    message = "This deployment doesn't forward mail to email addresses. Use a webhook."
    given = {"name": "Desk", "type": "email", "address": "a@mine.com", "payload": "inbound"}
    answer = alice_client.post(reverse("receipt_rules:add_endpoint"), given)
    assert (answer.status_code, message in unescape(answer.text)) == (422, True)
    typed = {"do": "address", "address-address": "info", "address-target": "nora@elsewhere.example"}
    assert message in unescape(alice_client.post(reverse("receipt_rules:domain", args=[mine.pk]), typed).text)
    with pytest.raises(Refused, match="Use a webhook"):
        add_forward(mine.customer, "b@mine.com")


@pytest.mark.parametrize(
    ("forward_from", "expected"),
    [
        ("", "a webhook URL, such as https://example.com/mail."),
        ("forward@here.example", "a webhook URL or an email address, such as"),
    ],
)
def test_an_invalid_target_is_refused_with_the_valid_kinds(
    known: None, sandbox: Sandbox, mine: Domain, alice_client: Client, forward_from: str, expected: str
) -> None:
    sandbox.control.set_receiver("https://here.example", "key", forward_from)
    forwarding_services.read_forwarding()
    typed = {"do": "address", "address-address": "info", "address-target": "gmail"}
    page = alice_client.post(reverse("receipt_rules:domain", args=[mine.pk]), typed).text
    assert f"Enter {expected}" in page


def test_testing_a_forward_fails_if_the_function_does_not_forward(
    known: None, sandbox: Sandbox, mine: Domain, alice_client: Client
) -> None:
    old = add_forward(mine.customer, "a@mine.com")
    sandbox.control.set_receiver("https://here.example", "key")
    forwarding_services.read_forwarding()
    answer = alice_client.post(f"/api/v2/endpoints/{old.pk}/test", content_type="application/json").json()
    assert (answer["success"], answer["message"].startswith("This deployment doesn't forward")) == (False, True)
