"""Texts of pages: a deletion, a check never made, bulk actions, activity and invitations."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import MemberRole, Membership, User
from audit import services as audit_services
from domains.models.domains import Domain, Stage
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_member(make_customer("Alice Ltd"))


def _own(alice: User, **fields: object) -> Domain:
    return make_domain("shop.example", customer=alice.memberships.get().customer, **fields)


def _page(person: User, url_name: str, *args: str, **query: str) -> str:
    client = Client()
    client.force_login(person)
    return client.get(reverse(url_name, args=args), query).text


def test_a_domain_being_deleted_requires_no_action(alice: User, sandbox: Sandbox) -> None:
    domain = _own(alice, stage=Stage.DELETING, state="waiting")
    for page in (_page(alice, "domains:detail", domain.pk), _page(alice, "domains:list")):
        assert "Deleting</span>" in page.replace("\n", "").replace("  ", "")
        assert 'data-state="waiting"' not in page


def test_a_domain_without_a_check_says_not_checked_yet(alice: User, sandbox: Sandbox) -> None:
    page = _page(alice, "domains:detail", _own(alice, stage=Stage.READY).pk)
    assert "Not checked yet" in page
    assert "Last checked" not in page


def test_the_format_for_several_customers_is_shown_only_to_their_members(alice: User) -> None:
    assert "domains for several customers" not in _page(alice, "operations:start_bulk")
    Membership.objects.create(user=alice, customer=make_customer("Bob Ltd"), role=MemberRole.MEMBER)
    assert "domains for several customers" in _page(alice, "operations:start_bulk")


def test_repeated_lines_of_a_bulk_action_are_reported(alice: User, sandbox: Sandbox) -> None:
    _own(alice)
    client = Client()
    client.force_login(alice)
    page = client.post(reverse("operations:start_bulk"), {"do": "check", "names": "shop.example\nSHOP.example"}).text
    assert "1 repeated line skipped" in page
    page = client.post(reverse("operations:start_bulk"), {"do": "check", "names": "shop.example"}).text
    assert "repeated" not in page


def test_customers_see_no_run_details_in_their_activity(alice: User) -> None:
    customer = alice.memberships.get().customer
    about = audit_services.Subject("customer", customer.pk, customer.name, customer.pk)
    audit_services.record(
        "rules.applied", about=about, actor=None, after={"run": "run_1", "steps_done": 1, "rule": "a"}
    )
    own, staffs = _page(alice, "operations:changes"), _page(make_staff(), "operations:changes")
    assert ("run_1" in own, "steps done" in own) == (False, False)
    assert ("run_1" in staffs, "steps done" in staffs) == (True, True)


def test_an_invitation_says_for_how_many_days_its_link_works(alice: User) -> None:
    Membership.objects.filter(user=alice).update(role=MemberRole.OWNER)
    assert "expires after 7 days." in _page(alice, "customers:detail", alice.memberships.get().customer.pk)
