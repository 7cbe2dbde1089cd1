"""The sandbox page that changes tenants as SES would."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import jobs_of, reputation_entity_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant(sandbox: Sandbox) -> Tenant:
    return set_up_tenant(make_customer("Acme"))


@pytest.fixture
def tess_client(client: Client) -> Client:
    client.force_login(make_staff(Role.TRUST_AND_SAFETY))
    return client


def do(client: Client, what: str, tenant: Tenant, **fields: str) -> str:
    answer = client.post(reverse("sandbox:tenants"), {"do": what, "tenant": tenant.id, **fields}, follow=True)
    return answer.content.decode()


def test_a_tenant_is_suspended_by_ses_and_released(tess_client: Client, tenant: Tenant) -> None:
    page = do(tess_client, "suspend", tenant, cause="Too many complaints.")
    assert f"{tenant.name} suspended." in page
    assert reputation_entity_in_ses(tenant)["AwsSesManagedStatus"]["Status"] == "DISABLED"
    assert "tenants.read" in jobs_of(tenant)
    assert "lifted" in do(tess_client, "release", tenant)
    assert reputation_entity_in_ses(tenant)["AwsSesManagedStatus"]["Status"] == "ENABLED"


def test_rates_are_entered_in_percent(tess_client: Client, tenant: Tenant) -> None:
    assert "20% bounces" in do(tess_client, "rates", tenant, bounce="20", complaint="")
    assert reputation_entity_in_ses(tenant)["ReputationImpact"] == "HIGH"
    assert "Enter at least one rate" in do(tess_client, "rates", tenant, bounce="", complaint="")


def test_a_finding_is_opened_and_fixed(tess_client: Client, tenant: Tenant) -> None:
    do(tess_client, "finding", tenant, kind="DMARC", impact="LOW", status="OPEN")
    assert reputation_entity_in_ses(tenant)["ReputationImpact"] == "LOW"
    assert "is fixed" in do(tess_client, "finding", tenant, kind="DMARC", impact="LOW", status="FIXED")
    assert reputation_entity_in_ses(tenant)["ReputationImpact"] == "NONE"


def test_a_customer_can_change_only_their_own_tenant(client: Client, tenant: Tenant) -> None:
    bob = make_member(make_customer("Bob Ltd"))
    client.force_login(bob)
    assert "No tenants in SES yet" in client.get(reverse("sandbox:tenants")).text
    assert "Choose a tenant that exists in SES" in do(client, "suspend", tenant, cause="Mine is better.")
    assert reputation_entity_in_ses(tenant)["AwsSesManagedStatus"]["Status"] == "ENABLED"


def test_an_unknown_action_is_refused(tess_client: Client, tenant: Tenant) -> None:
    assert "Unknown action" in do(tess_client, "explode", tenant)
