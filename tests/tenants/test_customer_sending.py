"""What customers see of their own sending: a notice on every page while it is off, and never staff's own notes."""

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
def test_a_pause_that_ses_has_not_confirmed_is_not_told_as_done(reason: str) -> None:
    banner = banner_of("Northwind", TenantStatus.PAUSING, customer_text_for(reason))
    assert banner is not None
    assert banner.told.startswith("We’re pausing your sending")
    assert "We paused" not in banner.told
    assert banner.told.endswith("until the pause is confirmed.")


def test_each_page_of_a_member_says_why_sending_is_paused(alice_client: Client, paused: Tenant) -> None:
    for page in ("domains:list", "receipt_rules:addresses", "accounts:account", "domains:add"):
        shown = alice_client.get(reverse(page))
        assert shown.status_code == 200
        assert "Sending for Northwind is paused" in shown.text
        assert TOLD in shown.text
        assert NOTES not in shown.text


def test_neither_another_customer_nor_staff_see_the_notice(client: Client, paused: Tenant) -> None:
    for person in (make_member(), make_user(), make_staff(Role.TRUST_AND_SAFETY)):
        assert banners_for(person) == ()
        client.force_login(person)
        assert "Sending for Northwind" not in client.get(reverse("domains:list")).text


def test_a_member_of_two_customers_is_told_of_each(northwind: Customer, paused: Tenant) -> None:
    alice = make_member(northwind)
    other = make_customer("Aardvark")
    other.memberships.create(user=alice)
    make_tenant(other, standing="suspended", amazon_status="DISABLED")
    titles = [each.banner.title for each in banners_for(alice)]
    assert titles == ["Amazon SES has suspended sending for Aardvark", "Sending for Northwind is paused"]


@pytest.mark.parametrize("standing", [TenantStatus.ACTIVE, TenantStatus.UNKNOWN, "something new"])
def test_nothing_is_said_while_nothing_is_known_against_it(standing: str) -> None:
    assert banner_of("Northwind", standing, TOLD) is None


def test_of_a_suspension_amazons_part_is_told_and_not_what_staff_said_earlier() -> None:
    banner = banner_of("Northwind", TenantStatus.SUSPENDED, TOLD)
    assert banner is not None
    assert TOLD not in banner.told
    assert "Amazon" in banner.told


def test_that_receiving_stops_too_is_told() -> None:
    banner = banner_of("Northwind", TenantStatus.PAUSED, TOLD, stops_receiving=True)
    assert banner is not None
    assert "is rejected" in banner.goes_on


def test_the_page_of_their_organisation_says_where_sending_stands(alice_client: Client, paused: Tenant) -> None:
    page = alice_client.get(reverse("customers:detail", args=[paused.customer_id])).text
    assert "Sending is paused." in page
    assert reverse("tenants:detail", args=[paused.id]) not in page


def test_the_domains_page_tells_developers_what_a_send_names(alice_client: Client, northwind: Customer) -> None:
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
