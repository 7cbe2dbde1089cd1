"""What customers see about their sending: a banner on every page while it is off, and never staff notes."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from accounts.roles import Role
from tenants.lifecycle.selectors import banners_for
from tenants.models.tenants import Tenant
from tenants.status.core import TenantStatus, banner_of, customer_text_for
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff, make_user
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
VERIFIED = {"stage": "ready", "identity_status": "SUCCESS"}
NOTES, TOLD = "Sells lists to spammers.", "Your newsletter went to people who never asked."


@pytest.fixture
def northwind() -> Customer:
    return make_customer("Northwind")


@pytest.fixture
def paused(northwind: Customer) -> Tenant:
    words = {"pause_reason": "spam", "pause_text": NOTES, "pause_told": TOLD}
    return make_tenant(northwind, standing="paused", is_paused=True, **words)


@pytest.fixture
def alice_client(client: Client, northwind: Customer) -> Client:
    client.force_login(make_member(northwind))
    return client


@pytest.mark.parametrize("reason", ["spam", "bounces", "other"])
def test_an_unconfirmed_pause_is_not_described_as_done(reason: str) -> None:
    banner = banner_of("Northwind", TenantStatus.PAUSING, customer_text_for(reason))
    assert banner is not None
    assert banner.told.startswith("We’re pausing your sending")
    assert "We paused" not in banner.told
    assert banner.told.endswith("until the pause is confirmed.")


def test_every_page_shows_members_why_sending_is_paused(alice_client: Client, paused: Tenant) -> None:
    for page in ("domains:list", "receipt_rules:addresses", "accounts:account", "domains:add"):
        shown = alice_client.get(reverse(page))
        assert shown.status_code == 200
        assert "Sending for Northwind is paused" in shown.text
        assert TOLD in shown.text
        assert NOTES not in shown.text


def test_neither_other_customers_nor_staff_see_the_banner(client: Client, paused: Tenant) -> None:
    for person in (make_member(), make_user(), make_staff(Role.TRUST_AND_SAFETY)):
        assert banners_for(person) == ()
        client.force_login(person)
        assert "Sending for Northwind" not in client.get(reverse("domains:list")).text


def test_a_member_of_two_customers_sees_both_banners(northwind: Customer, paused: Tenant) -> None:
    alice = make_member(northwind)
    other = make_customer("Aardvark")
    other.memberships.create(user=alice)
    make_tenant(other, standing="suspended", amazon_status="DISABLED")
    titles = [each.banner.title for each in banners_for(alice)]
    assert titles == ["Amazon SES has suspended sending for Aardvark", "Sending for Northwind is paused"]


@pytest.mark.parametrize("standing", [TenantStatus.ACTIVE, TenantStatus.UNKNOWN, "something new"])
def test_no_banner_is_shown_for_an_active_or_unknown_status(standing: str) -> None:
    assert banner_of("Northwind", standing, TOLD) is None


def test_the_banner_of_a_suspension_names_amazon_and_not_the_earlier_reason() -> None:
    banner = banner_of("Northwind", TenantStatus.SUSPENDED, TOLD)
    assert banner is not None
    assert TOLD not in banner.told
    assert "Amazon" in banner.told


def test_the_banner_says_that_receiving_is_stopped_too() -> None:
    banner = banner_of("Northwind", TenantStatus.PAUSED, TOLD, stops_receiving=True)
    assert banner is not None
    assert "isn’t delivered to you" in banner.goes_on


def test_the_organisation_page_shows_the_sending_status(alice_client: Client, paused: Tenant) -> None:
    page = alice_client.get(reverse("customers:detail", args=[paused.customer_id])).text
    assert "Sending is paused." in page
    assert reverse("tenants:detail", args=[paused.id]) not in page


def test_the_sending_page_shows_developers_the_tenants_name_but_no_other_tenant(
    alice_client: Client, northwind: Customer
) -> None:
    tenant = make_tenant(northwind)
    domain = make_domain("northwind.example", customer=northwind, tenant=tenant)
    url = reverse("domains:sending", args=[domain.id])
    assert "Not linked yet" in alice_client.get(url).text
    problem = "It is in another tenant, bobs-1234."
    arn = "arn:aws:ses:eu-west-1:123456789012:identity/northwind.example"
    tenant.resources.create(kind="identity", arn=arn, name=domain.name, problem=problem)
    page = alice_client.get(url).text
    assert tenant.name in page
    assert "bobs-1234" not in page
    sam = Client()
    sam.force_login(make_staff(Role.SUPPORT))
    assert problem in sam.get(url).text


def test_a_customer_without_a_tenant_sends_as_before(alice_client: Client, northwind: Customer) -> None:
    domain = make_domain("northwind.example", customer=northwind, **VERIFIED)
    assert "is sent as before" in alice_client.get(reverse("domains:sending", args=[domain.id])).text
