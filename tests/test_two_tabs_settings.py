"""Two tabs with one form of settings, on pages and in the admin: the second to save overwrites nothing of the first."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer, Membership, User
from accounts.roles import Role
from notifications.email.services import preference_of
from receipt_rules.models.probes import ProbeSchedule
from receipt_rules.probes.core import OFF
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff, make_user
from tests.receipt_rules.factories import make_verified
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
TOLD = "somebody else made changes after you opened this page"


@dataclass(frozen=True)
class Tabs:
    """One form: the page that shows it, what the first tab saves, and what the second then tries to."""

    page: str
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    stored: Callable[[], Any]
    url: str = ""  # where it is sent, if elsewhere
    seen: str = "seen"
    stays: Any = None


Make = Callable[[Customer, User], Tabs]


def name_tabs(customer: Customer, viewer: User) -> Tabs:
    page = reverse("customers:rename", args=[customer.pk])
    return Tabs(page, {"name": "Alice SE"}, {"name": "Alice & Co"}, lambda: name_of(customer), stays="Alice SE")


def admin_name_tabs(customer: Customer, viewer: User) -> Tabs:
    page = reverse("admin:accounts_customer_change", args=[customer.pk])
    return Tabs(page, {"name": "Alice SE"}, {"name": "Alice & Co"}, lambda: name_of(customer), stays="Alice SE")


def name_of(customer: Customer) -> str:
    return str(Customer.objects.get(pk=customer.pk).name)


def role_tabs(customer: Customer, viewer: User) -> Tabs:
    return _role_tabs(customer, lambda pk: reverse("customers:member", args=[customer.pk, pk]))


def admin_role_tabs(customer: Customer, viewer: User) -> Tabs:
    return _role_tabs(customer, lambda pk: reverse("admin:accounts_membership_change", args=[pk]))


def _role_tabs(customer: Customer, url: Callable[[int], str]) -> Tabs:
    """The second tab made the member an owner when it was opened, and saves that after the first took it back."""
    make_member(customer, email="other@alice.com", role="owner")
    member = Membership.objects.get(user=make_member(customer, email="bea@alice.com", role="owner"))
    first, second = {"do": "role", "role": "member"}, {"do": "role", "role": "owner"}

    def stored() -> str:
        return str(Membership.objects.get(pk=member.pk).role)

    return Tabs(url(member.pk), first, second, stored, stays="member")


def policy_tabs(customer: Customer, viewer: User) -> Tabs:
    tenant = make_tenant(customer)
    first = {"policy": "strict", "suppression": "tenant", "because": "Bounces"}
    second = {"policy": "none", "suppression": "account", "because": "They asked"}

    def stored() -> tuple[str, str]:
        tenant.refresh_from_db()
        return str(tenant.policy), str(tenant.suppression)

    return Tabs(reverse("tenants:policy", args=[tenant.pk]), first, second, stored, stays=("strict", "tenant"))


def schedule_tabs(customer: Customer, viewer: User) -> Tabs:
    domain = make_verified("shop.com", customer=customer)
    page, url = (reverse(f"receipt_rules:{name}", args=[domain.pk]) for name in ("domain", "probe_schedule"))

    def stored() -> str:
        found = ProbeSchedule.objects.filter(domain=domain).first()
        return found.pace if found else OFF

    return Tabs(page, {"pace": "hourly"}, {"pace": "daily"}, stored, url, stays="hourly")


def preference_tabs(customer: Customer, viewer: User) -> Tabs:
    first = {"by_mail": "off", "digest_at": "08:00"}
    second = {"by_mail": "digest", "digest_at": "09:00"}
    page = reverse("notifications:preferences")
    return Tabs(page, first, second, lambda: str(preference_of(viewer).by_mail), stays="off")


def note_tabs(customer: Customer, viewer: User) -> Tabs:
    domain = make_domain("shop.com", customer=customer)
    first, second = {"do": "note", "note-note": "Call first."}, {"do": "note", "note-note": "Never call."}

    def stored() -> str:
        domain.refresh_from_db()
        return domain.note

    page = reverse("domains:support", args=[domain.pk])
    return Tabs(page, first, second, stored, seen="note-seen", stays="Call first.")


def person_tabs(customer: Customer, viewer: User) -> Tabs:
    """The second tab still shows the role that the first takes away."""
    sam = make_staff(Role.SUPPORT)
    EmailAddress.objects.create(user=sam, email=sam.email, verified=True, primary=True)
    kept = {"first_name": "Sam", "last_name": "", "is_active": "on", "is_staff": "on"}
    group = Group.objects.get(name=Role.SUPPORT)

    def stored() -> list[str]:
        return list(User.objects.get(pk=sam.pk).groups.values_list("name", flat=True))

    page = reverse("admin:accounts_user_change", args=[sam.pk])
    second = {**kept, "first_name": "Samuel", "groups": [group.pk]}
    return Tabs(page, kept, second, stored, stays=[])


def account_tabs(customer: Customer, viewer: User) -> Tabs:
    """The second tab still shows the theme that the switch in the first has replaced."""
    first = {"name": "Olga", "theme": "dark", "density": "compact"}
    second = {"name": "Olga O.", "theme": "system", "density": "compact"}
    return Tabs(reverse("accounts:account"), first, second, lambda: User.objects.get(pk=viewer.pk).theme, stays="dark")


ALL = (
    account_tabs,
    name_tabs,
    admin_name_tabs,
    role_tabs,
    admin_role_tabs,
    policy_tabs,
    schedule_tabs,
    preference_tabs,
    note_tabs,
    person_tabs,
)


def open_tab(client: Client, tabs: Tabs) -> dict[str, str]:
    tags = re.findall(rf'<input[^>]*name="{tabs.seen}"[^>]*>', client.get(tabs.page).text)
    assert len(tags) == 1, tags
    found = re.search(r'value="(\w+)"', tags[0])
    assert found
    return {tabs.seen: found[1]}


@pytest.fixture
def viewer() -> User:
    return make_user(email="olga@ops.example", is_superuser=True, is_staff=True)


@pytest.fixture
def olga(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


@pytest.mark.parametrize("make", ALL)
def test_the_second_tab_overwrites_nothing_and_then_shows_the_current_values(
    olga: Client, viewer: User, make: Make
) -> None:
    tabs = make(make_customer("Alice Ltd"), viewer)
    first, second = open_tab(olga, tabs), open_tab(olga, tabs)
    url = tabs.url or tabs.page
    olga.post(url, {**tabs.first, **first})
    assert tabs.stored() == tabs.stays
    refused = olga.post(url, {**tabs.second, **second}, follow=True)
    assert tabs.stored() == tabs.stays
    assert TOLD in refused.text
    again = open_tab(olga, tabs)
    assert again != second
    olga.post(url, {**tabs.second, **again})
    assert tabs.stored() != tabs.stays


@pytest.mark.parametrize("make", ALL)
def test_a_second_press_of_save_is_no_conflict(olga: Client, viewer: User, make: Make) -> None:
    tabs = make(make_customer("Alice Ltd"), viewer)
    first, url = open_tab(olga, tabs), tabs.url or tabs.page
    for _ in range(2):
        assert TOLD not in olga.post(url, {**tabs.first, **first}, follow=True).text
    assert tabs.stored() == tabs.stays
