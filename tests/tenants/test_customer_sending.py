"""What customers see about their sending: a banner on every page while it is off, and never staff notes."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from accounts.roles import Role
from tenants.customer_notices.core import NOBODY_SENDS
from tenants.lifecycle.selectors import banners_for
from tenants.models.tenants import SesAccount, Tenant
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


@pytest.mark.parametrize(("enforcement", "sends"), [("SHUTDOWN", True), ("HEALTHY", False), ("SHUTDOWN", None)])
def test_everybody_reads_that_nobody_sends_while_the_account_is_stopped(
    alice_client: Client, northwind: Customer, enforcement: str, sends: bool | None
) -> None:
    alice = northwind.memberships.get().user
    domain = make_domain("northwind.example", customer=northwind, **VERIFIED)
    url = reverse("domains:sending", args=[domain.id])
    SesAccount.objects.create(region="eu-west-1", enforcement=enforcement, sends=sends)
    assert [each.banner.told for each in banners_for(alice)] == [NOBODY_SENDS]  # also without a tenant
    make_tenant(northwind, standing="active", sends_since=timezone.now())
    assert [each.banner.told for each in banners_for(alice)] == [NOBODY_SENDS]
    page = alice_client.get(url).text
    assert "Sending is enabled." not in page
    assert page.count(NOBODY_SENDS) == 2  # the banner, and the status
    SesAccount.objects.update(enforcement="PROBATION", sends=True)
    assert banners_for(alice) == ()
    assert "Sending is enabled." in alice_client.get(url).text


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
