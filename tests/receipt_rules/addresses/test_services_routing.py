"""Who may change where a customer's mail is delivered: its members, operators and admins. Support sees and tests it."""

from collections.abc import Callable
from functools import partial

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer, MemberRole, Membership
from accounts.roles import PERMISSIONS, Role
from inbound_admin.lib.errors import NotAllowed
from operations.batches.core import BatchKind
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import predict
from operations.domain_removal import services as domain_removal_services
from operations.legacy_import.selectors import RIGHTS
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import MAY_NOT_ROUTE
from receipt_rules.addresses.services import AddressAsked
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.receiving import services as receiving_services
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff, make_user
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db
WATCHERS = (Role.SUPPORT, Role.TRUST_AND_SAFETY)
ROUTERS = (Role.OPERATOR, Role.ADMIN)
SENTENCE = "Only operators and the customer’s own members can change where its mail is delivered."


@pytest.fixture
def address(sandbox: Sandbox) -> Address:
    customer = make_customer("Alice Ltd")
    domain = make_verified("shop.com", customer=customer)
    return make_address("a@shop.com", domain, endpoint=make_endpoint(customer))


def acts(address: Address) -> list[Callable[..., object]]:
    """Return each act that changes where mail goes, which takes the actor; none of them is undone before the next."""
    domain, customer, hook = address.domain, address.domain.customer, {"url": "https://b.example/"}
    endpoint, unused = address.endpoint, make_endpoint(customer)
    assert endpoint
    addresses, asked = addresses_services, [AddressAsked("c@shop.com")]
    return [
        partial(addresses.add_address, text="b@shop.com", customer=customer),
        partial(addresses.add_addresses, asked=asked, customer=customer),
        partial(addresses.change_address, address=address, is_active=False, endpoint=None),
        partial(addresses.set_catch_all, domain=domain),
        partial(addresses.set_catch_all, domain=domain, subdomains=True, is_active=False),
        partial(endpoints_services.add_endpoint, customer=customer, name="X", type="webhook", config=hook),
        partial(endpoints_services.change_endpoint, endpoint=endpoint, config=hook),
        partial(endpoints_services.make_signing_secret, endpoint=endpoint),
        partial(endpoints_services.remove_endpoint, endpoint=unused),
        partial(addresses.remove_address, address=address),
        partial(domain_removal_services.request_removal, domain=domain, typed_name="shop.com"),
    ]


def rows() -> list[object]:
    """Return everything that decides where mail goes."""
    return [
        sorted(Address.objects.values_list("address", "endpoint", "is_active")),
        sorted(CatchAll.objects.values_list("domain", "endpoint", "is_active")),
        sorted(Endpoint.objects.values_list("name", "sealed_config", "is_active")),
    ]


@pytest.mark.parametrize("role", WATCHERS)
def test_support_and_trust_and_safety_change_no_route(address: Address, role: Role) -> None:
    actor = make_staff(role)
    for act in acts(address):
        before = rows()
        with pytest.raises(NotAllowed) as refused:
            act(actor=actor)
        assert (str(refused.value), rows()) == (MAY_NOT_ROUTE, before), act


@pytest.mark.parametrize("role", ROUTERS)
def test_operators_and_admins_change_every_route(address: Address, role: Role) -> None:
    actor = make_staff(role)
    for act in acts(address):
        act(actor=actor)


@pytest.mark.parametrize("member_role", MemberRole.values)
def test_members_change_every_route_of_their_customer(address: Address, member_role: str) -> None:
    actor = make_member(address.domain.customer, role=member_role)
    for act in acts(address):
        act(actor=actor)


def test_staff_who_are_members_of_the_customer_change_its_routes_and_no_others(address: Address) -> None:
    sam = make_staff(Role.SUPPORT)
    Membership.objects.create(customer=address.domain.customer, user=sam)
    others = make_verified("other.com")
    with pytest.raises(NotAllowed):
        addresses_services.add_address(text="a@other.com", customer=others.customer, actor=sam)
    for act in acts(address):
        act(actor=sam)


def test_a_person_without_a_role_or_membership_changes_no_route(address: Address) -> None:
    with pytest.raises(NotAllowed):
        addresses_services.remove_address(address=address, actor=make_user())


def test_support_changes_a_domain_to_send_only_and_deletes_one_that_receives_nothing(address: Address) -> None:
    """The MX record decides where the mail goes: to send only, it has to lead elsewhere before."""
    sam, domain = make_staff(Role.SUPPORT), address.domain
    domain.mx_facts = {"shop.com": "elsewhere"}
    domain.save()
    receiving_services.choose(domain=domain, receives=False, actor=sam)
    assert not type(domain).objects.get(pk=domain.pk).receives
    empty = make_verified("empty.com", customer=domain.customer)
    domain_removal_services.request_removal(domain=empty, typed_name="empty.com", actor=sam)
    claim = make_domain("claim.com", customer=domain.customer, stage="claim", proven_at=None)
    make_address("a@claim.com", claim)
    domain_removal_services.request_removal(domain=claim, typed_name="claim.com", actor=sam)
    assert not Address.objects.filter(domain=claim).exists()


def test_a_bulk_deletion_of_support_leaves_out_domains_that_receive_mail(address: Address) -> None:
    make_verified("empty.com", customer=address.domain.customer)
    lines = (DomainLine("shop.com"), DomainLine("empty.com"))
    for viewer, outcomes in (
        (make_staff(Role.SUPPORT), [False, True]),
        (make_staff(Role.OPERATOR), [True, True]),
        (make_member(address.domain.customer), [True, True]),
    ):
        assert [row.works for row in predict(BatchKind.DELETE, lines, viewer=viewer)] == outcomes
    assert predict(BatchKind.DELETE, lines, viewer=make_staff(Role.SUPPORT))[0].sentence == MAY_NOT_ROUTE


def test_only_who_may_route_mail_may_import() -> None:
    assert all(set(PERMISSIONS[right]) <= set(ROUTERS) for right in RIGHTS)


def as_(role: Role) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def pages(address: Address) -> dict[str, str]:
    assert address.endpoint
    return {
        reverse("receipt_rules:address", args=[address.pk]): "Save",
        reverse("receipt_rules:endpoint", args=[address.endpoint.pk]): "Save",
        reverse("receipt_rules:domain", args=[address.domain_id]): "Turn off a@shop.com",
        reverse("receipt_rules:addresses"): "Add addresses",
        reverse("receipt_rules:endpoints"): "Add endpoint",
        reverse("operations:delete_domain", args=[address.domain_id]): "to delete it</label>",
    }


@pytest.mark.parametrize("role", WATCHERS)
def test_pages_show_the_routes_without_what_changes_them_and_say_who_may(address: Address, role: Role) -> None:
    client = as_(role)
    for url, button in pages(address).items():
        text = client.get(url).text
        assert button not in text, url
        assert SENTENCE in text or url.endswith(("addresses/", "endpoints/")), url
    assert "https://a.example/" in client.get(reverse("receipt_rules:endpoint", args=[address.endpoint_id])).text


@pytest.mark.parametrize("role", ROUTERS)
def test_operators_see_the_buttons(address: Address, role: Role) -> None:
    client = as_(role)
    for url, button in pages(address).items():
        text = client.get(url).text
        assert button in text, url
        assert SENTENCE not in text


@pytest.mark.parametrize("role", WATCHERS)
def test_a_form_that_support_sends_anyway_is_403_with_who_may(address: Address, role: Role) -> None:
    client, before = as_(role), rows()
    posts: tuple[tuple[str, object, dict[str, str]], ...] = (
        ("receipt_rules:address", address.pk, {"do": "off"}),
        ("receipt_rules:address", address.pk, {"do": "remove"}),
        ("receipt_rules:endpoint", address.endpoint_id, {"do": "save", "name": "X", "url": "https://b.example/"}),
        ("receipt_rules:endpoint", address.endpoint_id, {"do": "remove"}),
        ("receipt_rules:signing_secret", address.endpoint_id, {}),
        ("receipt_rules:domain", address.domain_id, {"do": "address", "address-address": "b"}),
        ("receipt_rules:domain", address.domain_id, {"do": "everything", "everything-is_active": "on"}),
    )
    for name, key, form in posts:
        answer = client.post(reverse(name, args=[key]), form)
        assert (answer.status_code, MAY_NOT_ROUTE.replace("'", "&#x27;") in answer.text) == (403, True), (name, form)
    assert client.post(reverse("receipt_rules:add_many"), {"text": "b@shop.com", "confirm": "1"}).status_code == 403
    assert client.post(reverse("receipt_rules:add_endpoint"), {"name": "X", "type": "webhook"}).status_code == 403
    assert rows() == before


def test_support_sends_test_messages_and_confirmation_links(address: Address) -> None:
    client, url = as_(Role.SUPPORT), reverse("receipt_rules:endpoint", args=[address.endpoint_id])
    assert client.post(url, {"do": "test"}).status_code == 302
    assert client.post(reverse("receipt_rules:probes"), {"recipient": "a@shop.com"}).status_code == 302
    mail = make_endpoint(address.domain.customer, type="email", config={"address": "someone@else.example"})
    assert client.post(reverse("receipt_rules:endpoint", args=[mail.pk]), {"do": "ask"}).status_code == 302


def test_the_customer_of_a_support_person_counts_like_any_members(address: Address) -> None:
    sam = make_staff(Role.SUPPORT)
    own: Customer = make_customer("Sam's own")
    Membership.objects.create(customer=own, user=sam)
    client = Client()
    client.force_login(sam)
    assert client.get(reverse("receipt_rules:add_endpoint")).status_code == 200
    form = {"name": "X", "type": "webhook", "url": "https://b.example/", "customer": own.name}
    assert client.post(reverse("receipt_rules:add_endpoint"), form).status_code == 302
    form["customer"] = address.domain.customer.name
    assert client.post(reverse("receipt_rules:add_endpoint"), form).status_code == 403
