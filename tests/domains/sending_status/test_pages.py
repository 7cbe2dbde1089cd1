"""The Sending tab and the API say why an unverified domain can't send yet."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from domains.models.domains import Domain
from domains.sending_status.selectors import sending_of
from tenants.models.tenants import SesAccount
from tests.api_client import api_of
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
OCTOBER = timezone.now() - timedelta(days=30)
UNVERIFIED: dict[str, Any] = {"stage": "ready", "identity_status": "PENDING"}
VERIFIED: dict[str, Any] = {"stage": "ready", "identity_status": "SUCCESS", "verified_at": OCTOBER}


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice_client(client: Client, alices: Customer) -> Client:
    client.force_login(make_member(alices))
    return client


def tab(client: Client, domain: Domain) -> str:
    page = client.get(reverse("domains:sending", args=[domain.pk])).text
    return page[page.index('id="stands"') :]


@pytest.mark.parametrize("has_tenant", [True, False])
@pytest.mark.parametrize("fields", [UNVERIFIED, {"stage": "claim"}, {"stage": "starting"}])
def test_an_unverified_domain_cannot_send_with_or_without_a_tenant(
    alice_client: Client, alices: Customer, fields: dict[str, Any], *, has_tenant: bool
) -> None:
    if has_tenant:
        make_tenant(alices, sends_since=OCTOBER)
    page = tab(alice_client, make_domain("shop.com", customer=alices, **fields))
    assert ("This domain can’t send yet: " in page, "Sending is enabled" in page) == (True, False)
    assert ">Enabled" not in page
    assert "Since" not in page


def test_a_verified_domain_is_in_use_since_its_association(alice_client: Client, alices: Customer) -> None:
    tenant, domain = make_tenant(alices, sends_since=OCTOBER), make_domain("shop.com", customer=alices, **VERIFIED)
    assert "Sending is enabled." in tab(alice_client, domain)
    assert "Since" not in tab(alice_client, domain)
    linked: datetime = timezone.now() - timedelta(days=3)
    arn = "arn:aws:ses:eu-west-1:123456789012:identity/shop.com"
    tenant.resources.create(kind="identity", arn=arn, name="shop.com", associated_at=linked)
    assert f'datetime="{linked:%Y-%m-%d}' in tab(alice_client, domain).partition("In use")[2]


def test_the_api_returns_the_sending_status_and_message(alices: Customer, alice_client: Client) -> None:
    make_tenant(alices)
    api = api_of(alices.members.get())
    for name, fields, wanted in (("new.com", UNVERIFIED, "cannot_yet"), ("old.com", VERIFIED, "enabled")):
        row = api.get(f"/api/v2/domains/{make_domain(name, customer=alices, **fields).pk}").json()
        assert (row["sending"], "yet" in row["sendingMessage"]) == (wanted, wanted == "cannot_yet")


REJECTING = {"mail_from_label": "bounce", "ses_mail_from": "bounce.shop.com", "ses_on_mx_failure": "RejectMessage"}
SAYS = {
    "NOT_STARTED": "unknown",
    "FAILED": "cannot_yet",
    "PENDING": "cannot_yet",
    "TEMPORARY_FAILURE": "cannot_yet",
    "": "unknown",
    "SUCCESS": "enabled",
}


@pytest.mark.parametrize("has_tenant", [True, False])
@pytest.mark.parametrize(("status", "said"), SAYS.items())
def test_mail_that_ses_rejects_without_the_mail_from_domain_is_not_said_to_be_sent(
    alice_client: Client, alices: Customer, status: str, said: str, *, has_tenant: bool
) -> None:
    if has_tenant:
        make_tenant(alices, sends_since=OCTOBER)
    domain = make_domain("shop.com", customer=alices, mail_from_status=status, **REJECTING, **VERIFIED)
    row = api_of(alices.members.get()).get(f"/api/v2/domains/{domain.pk}").json()
    assert (row["sending"], "bounce.shop.com" in row["sendingMessage"]) == (said, said != "enabled")
    page = alice_client.get(reverse("domains:sending", args=[domain.pk])).text
    assert ("bounce.shop.com" in page) == (said != "enabled")
    assert ("sent as before" in page or "Sending is enabled" in page) == (said == "enabled")


def test_a_stop_that_is_known_is_said_while_the_mail_from_domain_is_unknown(alices: Customer) -> None:
    domain = make_domain("shop.com", customer=alices, mail_from_status="", **REJECTING, **VERIFIED)
    SesAccount.objects.create(region="eu-west-1", enforcement="SHUTDOWN", sends=True)
    assert (sending_of(domain).state, sending_of(domain).word) == ("off", "Stopped by Amazon SES")


def test_a_pause_is_shown_beside_a_mail_from_domain_without_which_ses_rejects_mail(
    alice_client: Client, alices: Customer
) -> None:
    make_tenant(alices, sends_since=OCTOBER, standing="paused")
    domain = make_domain("shop.com", customer=alices, mail_from_status="FAILED", **REJECTING, **VERIFIED)
    page = tab(alice_client, domain)
    assert "its MAIL FROM domain (bounce.shop.com) isn&#x27;t verified" in page
    assert 'data-standing="paused"' in page


def test_the_default_mail_from_domain_is_used_while_the_own_one_fails(alices: Customer) -> None:
    fields = REJECTING | {"ses_on_mx_failure": "UseDefaultValue", "mail_from_status": "FAILED"}
    domain = make_domain("shop.com", customer=alices, **fields, **VERIFIED)
    assert sending_of(domain).state == "enabled"


def test_a_customer_without_a_tenant_reads_that_the_account_is_stopped(alice_client: Client, alices: Customer) -> None:
    SesAccount.objects.create(region="eu-west-1", enforcement="SHUTDOWN", sends=True)
    page = alice_client.get(reverse("domains:sending", args=[make_domain(customer=alices, **VERIFIED).pk])).text
    assert "Stopped by Amazon SES" in page
    assert "No action needed" not in page
