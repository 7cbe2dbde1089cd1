"""Share links: created and revoked with a line in the change log, opened and counted."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.diagnosis import selectors as diagnosis_selectors
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink
from domains.overrides import services as overrides_services
from domains.sharing import services as sharing_services
from domains.sharing.core import ShareLinkState
from domains.sharing.selectors import link_for_token, token_of
from inbound_admin.lib.errors import DeletedMeanwhile, Refused
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, set_up_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def alice() -> User:
    return make_member(email="alice@alice.com")


def make_link(alice: User, domain: Domain | None = None, **fields: int) -> ShareLink:
    return sharing_services.create(domain=domain or make_domain(), actor=alice, meant_for="Our IT company", **fields)


def visit(link: ShareLink, *, minutes: int = 0, address: str = "192.0.2.7", agent: str = FIREFOX, **more: bool) -> None:
    now = NOW + timedelta(minutes=minutes)
    sharing_services.record_visit(link=link, address=address, user_agent=agent, now=now, **more)


def test_a_link_is_logged_without_its_token(alice: User) -> None:
    link = make_link(alice, days=7)
    change = Change.objects.get(what="domain.share_created")
    assert change.after["link"] == "Our IT company"
    assert link.id not in str(change.after)
    assert link_for_token(token_of(link)) == link


def test_a_changed_token_opens_nothing(alice: User) -> None:
    link = make_link(alice)
    token = token_of(link)
    other = make_link(alice)
    assert link_for_token(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert link_for_token(f"{other.id}.{token.partition('.')[2]}") is None
    assert link_for_token(link.id) is None


def test_a_link_expires(alice: User) -> None:
    with time_machine.travel(NOW, tick=False):
        link = make_link(alice, days=7)
    assert link.state(NOW + timedelta(days=7, seconds=-1)) is ShareLinkState.OPEN
    assert link.state(NOW + timedelta(days=7)) is ShareLinkState.EXPIRED


def test_a_link_is_revoked_once(alice: User) -> None:
    link = make_link(alice)
    sharing_services.revoke(link=link, actor=alice)
    sharing_services.revoke(link=link, actor=alice)
    link.refresh_from_db()
    assert link.state(timezone.now()) is ShareLinkState.REVOKED
    assert Change.objects.filter(what="domain.share_revoked").count() == 1


def test_a_visit_of_a_link_that_is_deleted_at_this_moment_is_no_error(alice: User) -> None:
    link = make_link(alice)
    ShareLink.objects.filter(pk=link.pk).delete()
    with pytest.raises(DeletedMeanwhile):
        visit(link)


def test_a_domain_being_deleted_has_no_working_link(alice: User) -> None:
    domain = make_domain()
    link = make_link(alice, domain)
    Domain.objects.filter(pk=domain.pk).update(stage=Stage.DELETING)
    assert link_for_token(token_of(link)) is None
    with pytest.raises(Refused, match="being deleted"):
        make_link(alice, domain)


@pytest.mark.parametrize("days", [-1, sharing_services.LONGEST_DAYS + 1])
def test_a_link_without_a_sensible_duration_is_refused(alice: User, days: int) -> None:
    with pytest.raises(Refused, match="between 1 and 90 days"):
        make_link(alice, days=days)


def test_more_open_links_than_the_limit_are_refused(alice: User) -> None:
    domain = make_domain()
    for _ in range(sharing_services.MOST_OPEN):
        make_link(alice, domain)
    with pytest.raises(Refused, match="Revoke one"):
        make_link(alice, domain)


def test_views_within_half_an_hour_are_one_visit(alice: User) -> None:
    link = make_link(alice)
    visit(link)
    visit(link, minutes=10)
    visit(link, minutes=20, checked=True)
    visit(link, minutes=90)
    visit(link, minutes=91, address="198.51.100.1")
    assert list(link.visits.values_list("address", "browser", "views", "checks")) == [
        ("198.51.100.0/24", "Firefox, Linux", 1, 0),
        ("192.0.2.0/24", "Firefox, Linux", 1, 0),
        ("192.0.2.0/24", "Firefox, Linux", 2, 1),
    ]


def test_visits_of_many_browsers_are_summed_beyond_the_limit(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_services, "MOST_VISITS", 3)
    link = make_link(alice)
    for number in range(10):
        visit(link, agent=f"bot{number}/1.0")
    assert link.visits.count() == 4
    assert link.visits.get(browser="many others").views == 7


def test_the_check_button_checks_once_and_then_waits(alice: User, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    link = make_link(alice, domain)
    assert sharing_services.check_shared(link=ShareLink.objects.get(pk=link.pk)) == "Checked just now."
    assert domain.record_checks.exists()
    check = domain.record_checks.first()
    assert check
    again = sharing_services.check_shared(link=ShareLink.objects.get(pk=link.pk))
    assert again == "We checked a few seconds ago and will check again in a few seconds."
    assert domain.record_checks.get(pk=check.pk).checked_at == check.checked_at


def test_repeated_checks_cause_one_diagnosis(alice: User, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    link = make_link(alice, domain)
    explained = []
    for _ in range(3):
        before = sandbox.queries.total
        sharing_services.check_shared(link=ShareLink.objects.get(pk=link.pk))
        sharing_services.explain(domain=Domain.objects.get(pk=domain.pk))
        findings = diagnosis_selectors.explanations(domain)
        explained.append((findings, sandbox.queries.total - before))
    assert explained[0][0]
    assert explained[1:] == [(explained[0][0], 0)] * 2


def test_the_check_of_a_revoked_link_is_refused(alice: User, sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    link = make_link(alice, domain)
    sharing_services.revoke(link=link, actor=alice)
    with pytest.raises(Refused, match="no longer works"):
        sharing_services.check_shared(link=ShareLink.objects.get(pk=link.pk))
    assert not domain.record_checks.exists()


def test_a_visitor_does_not_learn_the_reason_of_a_hold(alice: User) -> None:
    domain = make_domain()
    link = make_link(alice, domain)
    overrides_services.hold(domain=domain, because="They did not pay.", actor=make_staff())
    with pytest.raises(Refused) as refused:
        sharing_services.check_shared(link=ShareLink.objects.get(pk=link.pk))
    assert "pay" not in str(refused.value)
    assert "staff" not in str(refused.value)


def test_a_transfer_deletes_the_share_links(alice: User) -> None:
    domain = make_domain()
    make_link(alice, domain)
    overrides_services.transfer(domain=domain, to=make_customer("Bob Ltd"), because="Sold.", actor=make_staff())
    assert not domain.share_links.exists()


def test_ended_links_are_deleted_with_their_visits(alice: User) -> None:
    with time_machine.travel(NOW, tick=False):
        link, revoked = make_link(alice, days=1), make_link(alice, days=30)
        sharing_services.revoke(link=revoked, actor=alice)
        visit(link)
    assert sharing_services.delete_old_links(now=NOW + timedelta(days=90)) == 0
    assert sharing_services.delete_old_links(now=NOW + timedelta(days=90, seconds=1)) == 1
    assert sharing_services.delete_old_links(now=NOW + timedelta(days=91, seconds=1)) == 2
    assert not ShareLink.objects.exists()


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("leaves", [False, True])
def test_a_removed_member_takes_their_links_along_unless_kept(kept: bool, leaves: bool) -> None:
    customer = make_customer("Alice Ltd")
    owner, zoe = make_member(customer), make_member(customer, role="member", email="zoe@alice.com")
    domain = make_domain("alice.com", customer=customer)
    link, other = make_link(zoe, domain), make_link(owner, domain)
    elsewhere = make_link(zoe, make_domain("bob.com"))
    client = Client()
    client.force_login(zoe if leaves else owner)
    url = reverse("customers:member", args=(customer.pk, zoe.memberships.get(customer=customer).pk))
    page = client.get(url).content.decode()
    assert "made 1 share link" in page
    assert "alice.com: Our IT company" in page
    assert "bob.com" not in page
    client.post(url, {"do": "remove", **({} if kept else {"revoke_links": "1"})})
    assert not zoe.memberships.filter(customer=customer).exists()
    for each in (link, other, elsewhere):
        each.refresh_from_db()
    assert (link.revoked_at is None) == kept
    assert (other.revoked_at, elsewhere.revoked_at) == (None, None)


def test_links_of_the_last_owner_who_cannot_leave_stay() -> None:
    customer = make_customer("Alice Ltd")
    owner = make_member(customer)
    link = make_link(owner, make_domain("alice.com", customer=customer))
    client = Client()
    client.force_login(owner)
    url = reverse("customers:member", args=(customer.pk, owner.memberships.get().pk))
    client.post(url, {"do": "remove", "revoke_links": "1"})
    assert owner.memberships.exists()
    link.refresh_from_db()
    assert link.revoked_at is None


@pytest.mark.parametrize("several", [False, True])
def test_a_member_removed_in_the_admin_takes_their_links_along(several: bool) -> None:
    customer = make_customer("Alice Ltd")
    owner, zoe = make_member(customer), make_member(customer, role="member", email="zoe@alice.com")
    domain = make_domain("alice.com", customer=customer)
    link, other, elsewhere = make_link(zoe, domain), make_link(owner, domain), make_link(zoe, make_domain("bob.com"))
    client = Client()
    client.force_login(make_staff(Role.ADMIN))
    key = zoe.memberships.get(customer=customer).pk
    url = reverse("admin:accounts_membership_delete", args=(key,))
    given: dict[str, object] = {}
    if several:
        url = reverse("admin:accounts_membership_changelist")
        given = {"action": "delete_selected", "_selected_action": [key]}
    asked = client.post(url, given).text if several else client.get(url).text
    assert "Share link, revoked: alice.com: Our IT company" in asked
    assert "bob.com" not in asked
    client.post(url, {**given, "post": "yes"})
    assert not zoe.memberships.filter(customer=customer).exists()
    for each in (link, other, elsewhere):
        each.refresh_from_db()
    assert link.revoked_at is not None
    assert (other.revoked_at, elsewhere.revoked_at) == (None, None)
    assert Change.objects.filter(what="member.removed").count() == 1
