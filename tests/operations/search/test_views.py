"""The search finds pages, people and invited people, within what the viewer may see."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, Invitation, MemberRole, User
from accounts.roles import Role
from audit.services import Subject, record
from operations.search import selectors
from operations.search.core import PAGES
from operations.search.selectors import HitKind
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
FIND = reverse("operations:find")


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme")


@pytest.fixture
def alice(acme: Customer) -> User:
    return make_member(acme, role=MemberRole.OWNER, email="alice@acme.example")


def invite(customer: Customer, email: str) -> Invitation:
    expires_at = timezone.now() + timedelta(days=3)
    return Invitation.objects.create(customer=customer, email=email, token_hash=email, expires_at=expires_at)


def search_hits(viewer: User, text: str, *kinds: HitKind) -> list[tuple[str, str]]:
    return [(hit.title, hit.whose) for hit in selectors.search(viewer=viewer, text=text) if hit.kind in kinds]


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("text", ["add dom", "domain new", "ADD DOMAIN"])
def test_an_action_is_found_by_the_beginnings_of_its_words(alice: User, text: str) -> None:
    assert ("Add domain", "") in search_hits(alice, text, HitKind.PAGE)


@pytest.mark.parametrize("text", ["a", "zzz", "add zzz"])
def test_a_single_letter_or_an_unknown_word_finds_no_page(alice: User, text: str) -> None:
    assert search_hits(alice, text, HitKind.PAGE) == []


def test_every_page_that_the_search_offers_opens(sandbox: Sandbox, alice: User) -> None:
    for viewer in (alice, make_staff(Role.SUPPORT), make_staff(Role.OPERATOR), make_staff(Role.TRUST_AND_SAFETY)):
        client = sign_in(viewer)
        for page in PAGES:
            if (page.title, "") in search_hits(viewer, page.title, HitKind.PAGE):
                assert client.get(reverse(page.view)).status_code == 200, (viewer.email, page.title)


def test_staff_pages_are_found_only_with_their_permission(alice: User) -> None:
    assert search_hits(alice, "drift", HitKind.PAGE) == []
    assert search_hits(alice, "rollback", HitKind.PAGE) == []
    assert search_hits(make_staff(Role.OPERATOR), "drift", HitKind.PAGE) == [("Drift", "")]
    assert search_hits(make_staff(Role.SUPPORT), "import", HitKind.PAGE) == []
    assert search_hits(make_staff(Role.SUPPORT), "add endpoint", HitKind.PAGE) == []
    for viewer in (alice, make_staff(Role.OPERATOR)):
        assert search_hits(viewer, "add endpoint", HitKind.PAGE) == [("Add endpoint", "")]


def test_a_single_matching_page_is_opened_at_once(alice: User) -> None:
    answer = sign_in(alice).get(FIND, {"q": "quiet hours"})
    assert answer["Location"] == reverse("notifications:preferences")


def test_a_page_does_not_hide_a_domain_with_the_same_name(alice: User, acme: Customer) -> None:
    make_domain("alerts.com", customer=acme)
    page = sign_in(alice).get(FIND, {"q": "alerts"})
    assert page.status_code == 200
    for words in ("alerts.com", "Pages and actions"):
        assert words in page.text


def test_people_are_found_by_address_and_name_within_visible_customers(alice: User, acme: Customer) -> None:
    bob = make_member(make_customer("Bobs"), email="bob@bobs.example")
    User.objects.filter(pk=bob.pk).update(first_name="Robert", last_name="Allday")
    for viewer, text, expected in (
        (alice, "alice@", [("alice@acme.example", "Acme")]),
        (alice, "bob", []),
        (alice, "Allday", []),
        (make_staff(Role.SUPPORT), "allday", [("bob@bobs.example", "Bobs")]),
    ):
        assert search_hits(viewer, text, HitKind.PERSON) == expected
    answer = sign_in(alice).get(FIND, {"q": "alice@acme.example"})
    assert answer["Location"] == reverse("customers:detail", args=[acme.pk])


def test_only_owners_and_support_find_invited_people(alice: User, acme: Customer) -> None:
    invite(acme, "carol@acme.example")
    withdrawn = invite(acme, "carol@home.example")
    Invitation.objects.filter(pk=withdrawn.pk).update(revoked_at=timezone.now())
    invite(make_customer("Bobs"), "carol@bobs.example")
    member = make_member(acme, role=MemberRole.MEMBER, email="mia@acme.example")
    for viewer, expected in (
        (alice, [("carol@acme.example", "Acme")]),
        (member, []),
        (make_staff(Role.OPERATOR), []),
        (make_staff(Role.SUPPORT), [("carol@acme.example", "Acme"), ("carol@bobs.example", "Bobs")]),
    ):
        assert search_hits(viewer, "carol", HitKind.INVITATION) == expected


def test_a_deleted_object_is_found_in_the_change_log_by_the_same_text() -> None:
    about = Subject("tenant", "ten_1", "tns-30 & Co", "cus_gone")
    record("tenant.deleted", about=about, actor=None, because="The customer left")
    client = sign_in(make_staff(Role.TRUST_AND_SAFETY))
    page = client.get(FIND, {"q": "tns-30 & Co"})
    (path,) = re.findall(r'href="([^"]*changes/[?]q=[^"]*)"', page.text)
    assert "The customer left" in client.get(html.unescape(path)).text
