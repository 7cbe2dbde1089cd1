"""An internationalized name is found by the form in which people type it, wherever a name is typed."""

import unicodedata
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import Role
from audit import services as audit_services
from domains.deletion import services as deletion_services
from domains.domain_list.selectors import dns_form, domain_subject
from domains.models.domains import Stage
from operations.batches.core import BatchKind
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import predict
from operations.search.selectors import HitKind, search
from receipt_rules.planner.services import build_plan_request
from receipt_rules.route_lookup.selectors import possible_owners, route_lookup
from sandbox.process import Sandbox
from tests.api_client import api_of
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address

pytestmark = pytest.mark.django_db
BOOKS, EMOJI = "xn--bcher-kva.de", "xn--53h.com"


@pytest.fixture
def alice() -> Customer:
    return make_customer("Alice")


@pytest.fixture
def member(alice: Customer) -> User:
    return make_member(alice)


@pytest.mark.parametrize("text", ["info@bücher.de", "INFO@BÜCHER.de", "info@büch", "mailto:info@bücher.de"])
def test_the_search_box_finds_an_address_by_its_unicode_domain(alice: Customer, member: User, text: str) -> None:
    make_address(f"info@{BOOKS}", domain=make_domain(BOOKS, customer=alice))
    make_address("info@xn--bcher-kva.com", domain=make_domain("xn--bcher-kva.com"))
    [hit] = [each for each in search(viewer=member, text=text) if each.kind is HitKind.ADDRESS]
    assert (hit.title, hit.exact) == (f"info@{BOOKS}", "büch" != text[-4:])


def test_an_imported_emoji_domain_is_found_by_its_emoji(alice: Customer, member: User) -> None:
    domain = make_domain(EMOJI, customer=alice, stage=Stage.READY)
    assert dns_form("☕.com") == EMOJI
    assert domain.pk in {hit.id for hit in search(viewer=member, text="☕.com")}
    [row] = predict(BatchKind.CHECK, (DomainLine("☕.com"),), viewer=member)
    assert row.works
    asked = {"action": "getDomain", "domain": EMOJI}
    assert api_of(member).post("/api/domain/verifications", asked).status_code != 400


@pytest.mark.parametrize("typed", ["Bücher.de", "bücher.de."])
def test_the_plan_of_one_domain_takes_its_unicode_name(sandbox: Sandbox, alice: Customer, typed: str) -> None:
    make_address(f"info@{BOOKS}", domain=make_domain(BOOKS, customer=alice, stage=Stage.READY))
    assert build_plan_request(typed).domain == BOOKS


def test_the_pipeline_of_one_domain_takes_its_unicode_name(sandbox: Sandbox, client: Client) -> None:
    make_domain(BOOKS)
    client.force_login(make_staff(Role.OPERATOR))
    assert client.get(reverse("receipt_rules:pipeline"), {"domain": "bücher.de"}).status_code == 200
    assert client.get(reverse("receipt_rules:pipeline"), {"domain": "bücher.com"}).status_code == 404


def test_a_name_typed_on_a_mac_confirms_a_deletion(member: User, alice: Customer) -> None:
    domain = make_domain(BOOKS, customer=alice, stage=Stage.READY)
    typed = unicodedata.normalize("NFD", "bücher.de")
    deletion_services.refuse_deletion(domain=domain, typed_name=typed)


@pytest.mark.parametrize("recipient", ["info@bücher.de", "Info+label@BÜCHER.de", f"info@{BOOKS.upper()}"])
def test_mail_to_the_unicode_form_has_the_route_of_the_address(alice: Customer, recipient: str) -> None:
    address = make_address(f"info@{BOOKS}", domain=make_domain(BOOKS, customer=alice, stage=Stage.READY))
    [route] = route_lookup([recipient])
    assert (route.owner, route.customer) == (address.pk, alice.pk)


def test_mail_stored_under_the_unicode_form_can_be_given_to_the_holder_of_the_name(alice: Customer) -> None:
    """Before the Unicode form had a route, such a message belonged to nobody."""
    make_domain(BOOKS, customer=alice, stage=Stage.READY, proven_at=timezone.now() - timedelta(days=9))
    found = possible_owners((f"info@{name}", timezone.now() - timedelta(days=1)) for name in (BOOKS, "bücher.de"))
    assert found == [{alice.pk}] * 2


def test_mail_to_a_name_that_is_no_domain_has_no_route(alice: Customer) -> None:
    make_domain(BOOKS, customer=alice, stage=Stage.READY)
    assert [route.customer for route in route_lookup(["ü@bü cher.de", "ü@", "ü", "ü@bücher.com"])] == [""] * 4


def test_the_admin_and_the_change_log_find_unicode_names(client: Client, alice: Customer) -> None:
    domain = make_domain(BOOKS, customer=alice)
    make_address(f"info@{BOOKS}", domain=domain)
    audit_services.record("domain.note", about=domain_subject(domain), actor=None, because="Called us")
    client.force_login(make_staff(is_superuser=True))
    for url, texts in (
        ("/admin/domains/domain/", ("bücher.de", "BÜCH")),
        ("/admin/receipt_rules/address/", ("bücher.de", "info@bücher.de", "büch")),
        (reverse("operations:changes"), ("bücher.de", "BÜCHER")),
    ):
        for text in texts:
            assert BOOKS in client.get(url, {"q": text}).text
        for other in ("büchner", "info@bücher.com"):
            assert BOOKS not in client.get(url, {"q": other}).text
