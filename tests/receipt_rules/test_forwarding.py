"""Mail is forwarded to others' addresses only after they have said that they want it."""

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


def forward(customer: Customer, *to: str, **fields: Any) -> Endpoint:
    kind = EndpointType.EMAIL if len(to) == 1 else EndpointType.EMAIL_GROUP
    config = {"address": to[0]} if len(to) == 1 else {"addresses": list(to)}
    name = fields.pop("name", f"to {to[0]}")
    return endpoints_services.add_endpoint(customer=customer, name=name, type=kind, config=config, actor=None, **fields)


def routed(domain: Domain, endpoint: Endpoint) -> Route:
    Address.objects.filter(domain=domain).delete()
    make_address(f"a@{domain.name}", domain, endpoint=endpoint)
    return route_lookup([f"a@{domain.name}"])[0]


def links() -> list[str]:
    """The paths of the links in the mails that went out."""
    return [re.search(r"https://here\.example(\S+)", str(each.body)).group(1) for each in mail.outbox]  # type: ignore[union-attr]  # each has one


def test_nothing_goes_to_a_stranger_before_they_allow_it(shop: Domain) -> None:
    endpoint = forward(shop.customer, STRANGER)
    waiting = routed(shop, endpoint)
    assert (waiting.endpoint, waiting.waits_for, waiting.because) == (None, endpoint, "address")
    assert forwarding_services.send_due(now=timezone.now()) == 1
    assert mail.outbox[0].to == [STRANGER]
    (link,) = links()
    page = Client().get(link)
    assert "Nothing is forwarded until you allow it" in page.text
    assert routed(shop, endpoint).endpoint is None  # that somebody's scanner opened the link is no answer
    assert "confirmed" in Client().post(link, {"do": "confirm"}).text
    assert routed(shop, endpoint).endpoint == endpoint
    assert "won’t ask you again" in Client().post(link, {"do": "refuse"}).text
    assert routed(shop, endpoint).endpoint is None
    assert list(Change.objects.filter(object_type="forwarding").order_by("pk").values_list("what", flat=True)) == [
        "forwarding.asked",
        "forwarding.confirmed",
        "forwarding.refused",
    ]


def test_addresses_at_own_proven_domains_need_no_confirmation(shop: Domain) -> None:
    make_verified("other.com", customer=shop.customer)
    endpoint = forward(shop.customer, "a@shop.com", "b@eu.shop.com", "C@Other.com")
    assert routed(shop, endpoint).members == ("a@shop.com", "b@eu.shop.com", "C@Other.com")
    assert not Forwarding.objects.exists()


@pytest.mark.parametrize(
    "fields", [{"verified_at": None}, {"stage": Stage.CLAIM, "verified_at": None}, {"stage": Stage.DELETING}]
)
def test_a_domain_that_is_not_proven_makes_its_addresses_nobodys(shop: Domain, fields: dict[str, Any]) -> None:
    make_verified("mine.example", customer=shop.customer, **fields)
    assert routed(shop, forward(shop.customer, "a@mine.example")).endpoint is None


def test_a_name_below_that_another_customer_holds_is_theirs(shop: Domain) -> None:
    make_verified("eu.shop.com", customer=make_customer("Bob"))
    assert routed(shop, forward(shop.customer, "a@eu.shop.com")).endpoint is None


@pytest.mark.parametrize(("verified", "goes"), [(True, True), (False, False)])
def test_a_member_forwards_to_the_address_that_they_have_proven(shop: Domain, verified: bool, goes: bool) -> None:
    alice = make_member(shop.customer)
    EmailAddress.objects.update_or_create(user=alice, email=alice.email, defaults={"verified": verified})
    assert (routed(shop, forward(shop.customer, alice.email)).endpoint is not None) is goes


def test_of_a_group_those_get_the_mail_who_confirmed(shop: Domain) -> None:
    endpoint = forward(shop.customer, "a@shop.com", STRANGER)
    route = routed(shop, endpoint)
    assert (route.endpoint, route.config) == (endpoint, {"addresses": ["a@shop.com"]})


def test_one_customers_confirmation_is_not_anothers(shop: Domain) -> None:
    Forwarding.objects.create(customer=shop.customer, address=STRANGER, state=ForwardingState.CONFIRMED)
    bobs = make_verified("bobs.com")
    assert routed(shop, forward(shop.customer, STRANGER)).endpoint is not None
    assert routed(bobs, forward(bobs.customer, STRANGER)).endpoint is None


def test_the_setting_allows_it_without_asking_but_not_against_a_refusal(shop: Domain, settings: Settings) -> None:
    settings.FORWARD_WITHOUT_CONFIRMATION = True
    endpoint = forward(shop.customer, STRANGER)
    assert routed(shop, endpoint).endpoint == endpoint
    assert not Forwarding.objects.exists()
    Forwarding.objects.create(customer=shop.customer, address=STRANGER, state=ForwardingState.REFUSED)
    assert routed(shop, endpoint).endpoint is None


def test_a_change_of_the_address_asks_the_new_one(shop: Domain) -> None:
    endpoint = forward(shop.customer, "a@shop.com")
    endpoints_services.change_endpoint(endpoint=endpoint, actor=None, config={"address": STRANGER})
    endpoint.refresh_from_db()
    assert routed(shop, endpoint).endpoint is None
    assert Forwarding.objects.get().address == STRANGER


def test_a_recipient_is_asked_once_whatever_is_added(shop: Domain) -> None:
    for number in range(3):
        forward(shop.customer, STRANGER.upper(), name=f"desk {number}")
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
        forward(make_customer(), STRANGER)
    forwarding_services.send_due(now=timezone.now())
    assert len(mail.outbox) == 2
    assert Forwarding.objects.filter(problem__contains="reached today's limit").count() == 2
    cache.clear()
    assert forwarding_services.send_due(now=timezone.now() + timedelta(days=2)) == 2


def test_one_customer_cannot_have_thousands_asked(shop: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding_services, "MOST_ASKED_A_DAY", 3)
    forward(shop.customer, "a@else.example", "b@else.example")
    with pytest.raises(RateLimited, match="up to 3 people"):
        forward(shop.customer, "c@else.example", "d@else.example")
    assert Endpoint.objects.count() == 1


def test_the_mail_holds_no_link_of_a_customers_making(shop: Domain) -> None:
    shop.customer.name = "Win at https://evil.example/ <b>now</b>, write to x@evil.example"
    shop.customer.save()
    forward(shop.customer, STRANGER)
    forwarding_services.send_due(now=timezone.now())
    assert "evil.example" not in str(mail.outbox[0].body)
    assert "@evil" not in str(mail.outbox[0].body)


def test_an_old_link_confirms_nothing_more_and_still_refuses(shop: Domain) -> None:
    endpoint = forward(shop.customer, STRANGER)
    forwarding_services.send_due(now=timezone.now())
    Forwarding.objects.update(asked_at=timezone.now() - timedelta(days=forwarding_services.LINK_DAYS + 1))
    (link,) = links()
    assert Client().post(link, {"do": "confirm"}).status_code == 422
    assert routed(shop, endpoint).endpoint is None
    assert Client().post(link, {"do": "refuse"}).status_code == 200
    assert Forwarding.objects.get().state == ForwardingState.REFUSED


@pytest.mark.parametrize("token", ["fwd_00000000000000000000", "fwd_00000000000000000000:forged"])
def test_a_link_that_we_did_not_sign_is_none(token: str) -> None:
    assert Client().get(reverse("receipt_rules:forwarding", args=[token])).status_code == 404


def test_without_the_sites_address_it_is_said_why_no_mail_goes(shop: Domain, settings: Settings) -> None:
    settings.SITE_URL = ""
    endpoint = forward(shop.customer, STRANGER)
    assert forwarding_services.send_due(now=timezone.now()) == 0
    client = Client()
    client.force_login(make_member(shop.customer))
    assert "SITE_URL isn&#x27;t set" in client.get(reverse("receipt_rules:endpoint", args=[endpoint.pk])).text


def test_the_pages_say_who_is_waited_for_and_send_the_link_again(shop: Domain) -> None:
    endpoint, client = forward(shop.customer, STRANGER), Client()
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


def test_the_api_says_so_beside_what_it_said_before(shop: Domain) -> None:
    alice = api_of(make_member(shop.customer))
    asked = {"name": "me", "type": "email", "config": {"forwardTo": STRANGER}}
    made = ok(alice.post("/api/v2/endpoints", asked), 201)
    assert made["confirmation"] == {"status": "waiting", "waitingFor": [STRANGER]}
    ok(alice.post(f"/api/v2/endpoints/{made['id']}/confirmations"))  # the first is still on its way
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


def test_staff_allow_it_with_a_reason_and_never_against_a_refusal(shop: Domain) -> None:
    forward(shop.customer, STRANGER)
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


def test_what_the_system_before_forwarded_goes_on(shop: Domain) -> None:
    of = Import(customer=shop.customer, actor=make_operator(), because="moves in", bulk_id="b")
    made, _ = import_endpoint(
        name="old", kind="email", config={"address": STRANGER}, is_active=True, description="", of=of
    )
    assert routed(shop, made).endpoint == made


@pytest.fixture
def known(sandbox: Sandbox, settings: Settings) -> Iterator[None]:
    """What the function in the sandbox is set to is read; nothing of it is left afterwards."""
    settings.RECEIVING_FUNCTION = "inbound-mail-handler"
    cache.delete(FORWARDS_KEY)
    yield
    sandbox.control.set_receiver("", "")
    cache.delete(FORWARDS_KEY)


def test_where_the_function_forwards_nothing_no_such_endpoint_is_added(
    known: None, sandbox: Sandbox, shop: Domain
) -> None:
    old = forward(shop.customer, "a@shop.com")
    make_address("desk@shop.com", shop, endpoint=old)
    sandbox.control.set_receiver("https://here.example", "key")
    forwarding_services.read_forwarding()
    with pytest.raises(Refused, match="doesn't forward mail"):
        forward(shop.customer, "b@shop.com")
    end = path_of_domain(shop, Address.objects.filter(domain=shop))[-1]
    assert (end.state, "doesn't forward mail" in end.sentence) == (HopState.STORED, True)


def test_where_the_function_forwards_the_endpoint_is_added(known: None, sandbox: Sandbox, shop: Domain) -> None:
    sandbox.control.set_receiver("https://here.example", "key", "forward@here.example")
    forwarding_services.read_forwarding()
    assert forward(shop.customer, "b@shop.com").pk
    assert not is_forwarding_off()


def test_nothing_is_known_of_a_function_that_is_not_ours(known: None, shop: Domain) -> None:
    forwarding_services.read_forwarding()
    assert not is_forwarding_off()
    assert forward(shop.customer, "b@shop.com").pk


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


def test_where_nothing_is_forwarded_no_page_promises_it(
    webhooks_only: None, mine: Domain, alice_client: Client
) -> None:
    for url in _pages(mine):
        page = alice_client.get(url, follow=True).text
        assert ("a webhook" in page.lower(), _promising(page)) == (True, []), url


def test_where_mail_is_forwarded_the_same_pages_say_so(
    known: None, sandbox: Sandbox, mine: Domain, alice_client: Client
) -> None:
    sandbox.control.set_receiver("https://here.example", "key", "forward@here.example")
    forwarding_services.read_forwarding()
    for url in _pages(mine):
        assert _promising(alice_client.get(url, follow=True).text), url


def test_another_kind_is_refused_by_form_and_api_in_the_same_words(
    webhooks_only: None, mine: Domain, alice_client: Client
) -> None:
    said = "This deployment doesn't forward mail to email addresses. Use a webhook."
    given = {"name": "Desk", "type": "email", "address": "a@mine.com", "payload": "inbound"}
    answer = alice_client.post(reverse("receipt_rules:add_endpoint"), given)
    assert (answer.status_code, said in unescape(answer.text)) == (422, True)
    typed = {"do": "address", "address-address": "info", "address-target": "nora@elsewhere.example"}
    assert said in unescape(alice_client.post(reverse("receipt_rules:domain", args=[mine.pk]), typed).text)
    with pytest.raises(Refused, match="Use a webhook"):
        forward(mine.customer, "b@mine.com")


@pytest.mark.parametrize(
    ("forward_from", "wanted"),
    [
        ("", "a webhook URL, such as https://example.com/mail."),
        ("forward@here.example", "a webhook URL or an email address, such as"),
    ],
)
def test_a_word_is_no_endpoint_and_the_refusal_names_what_is(
    known: None, sandbox: Sandbox, mine: Domain, alice_client: Client, forward_from: str, wanted: str
) -> None:
    sandbox.control.set_receiver("https://here.example", "key", forward_from)
    forwarding_services.read_forwarding()
    typed = {"do": "address", "address-address": "info", "address-target": "gmail"}
    page = alice_client.post(reverse("receipt_rules:domain", args=[mine.pk]), typed).text
    assert f"Enter {wanted}" in page


def test_the_test_of_an_endpoint_that_forwards_fails_where_nothing_is_forwarded(
    known: None, sandbox: Sandbox, mine: Domain, alice_client: Client
) -> None:
    old = forward(mine.customer, "a@mine.com")
    sandbox.control.set_receiver("https://here.example", "key")
    forwarding_services.read_forwarding()
    answer = alice_client.post(f"/api/v2/endpoints/{old.pk}/test", content_type="application/json").json()
    assert (answer["success"], answer["message"].startswith("This deployment doesn't forward")) == (False, True)
