"""Which suppression list a tenant uses: requested, applied, read back, and compared."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed, Refused
from operations.drift import core as drift_core
from operations.models import Difference
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.models.tenants import Tenant
from tenants.policy import services as policy_services
from tenants.policy.core import SUPPRESSED_FOR_CUSTOMER, Suppression
from tenants.status import services as status_services
from tests.api_client import api_of, ok
from tests.domains.factories import make_domain
from tests.factories import make_member, make_staff
from tests.tenants.factories import jobs_of, set_up_tenant

pytestmark = pytest.mark.django_db


def suppression_in_ses(tenant: Tenant) -> str:
    return lifecycle_gateway.get_tenant(tenant.name).suppression


def change_list(tenant: Tenant, suppression: str = "tenant") -> None:
    policy_services.change_suppression(
        tenant=tenant,
        suppression=suppression,
        because="They send to lists of their own.",
        actor=make_staff(Role.OPERATOR),
    )


def test_a_new_tenant_uses_the_accounts_list_without_a_call(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    assert (tenant.suppression, suppression_in_ses(tenant)) == ("account", "account")
    assert "PutTenantSuppressionAttributes" not in sandbox.control.call_counts()


def test_a_tenants_own_list_is_requested_and_applied_once(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    change_list(tenant)
    assert (tenant.suppression, tenant.suppression_told, suppression_in_ses(tenant)) == ("tenant", "", "account")
    assert "tenants.policy" in jobs_of(tenant)
    for _ in range(2):
        policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.suppression_told, tenant.ses_suppression, suppression_in_ses(tenant)) == (
        "tenant",
        "tenant",
        "tenant",
    )
    assert sandbox.control.call_counts()["PutTenantSuppressionAttributes"] == 1
    assert Change.objects.get(what="tenant.suppression").because == "They send to lists of their own."


def test_a_refused_change_is_applied_by_the_next_attempt(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    change_list(tenant)
    sandbox.control.add_fault("denied", "PutTenantSuppressionAttributes")
    with pytest.raises(AwsProblem):
        policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.suppression_told, bool(tenant.stage_problem)) == ("", True)
    policy_services.apply_policy(tenant_id=tenant.pk)
    assert suppression_in_ses(tenant) == "tenant"


def test_only_operators_can_choose_a_valid_list(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    with pytest.raises(NotAllowed):
        policy_services.change_suppression(tenant=tenant, suppression="tenant", because="x", actor=make_staff())
    with pytest.raises(Refused, match="one of the lists"):
        change_list(tenant, "everybody")


def test_page_and_api_change_the_list_and_the_customer_reads_which_applies(sandbox: Sandbox, client: Client) -> None:
    tenant, olga = set_up_tenant(), make_staff(Role.OPERATOR)
    client.force_login(olga)
    given = {"policy": "standard", "suppression": "tenant", "because": "They asked for it."}
    assert client.post(reverse("tenants:policy", args=[tenant.pk]), given).status_code == 302
    policy_services.apply_policy(tenant_id=tenant.pk)
    assert "Suppression: own list" in client.get(reverse("tenants:detail", args=[tenant.pk])).text
    api = api_of(olga, "read", "write", "staff", name="deploy")
    assert ok(api.get(f"/api/v2/tenants/{tenant.pk}"))["forStaff"]["suppression"] == "tenant"
    asked = {"policy": "standard", "suppression": "account", "because": "Back."}
    ok(api.put(f"/api/v2/tenants/{tenant.pk}/policy", asked), 202)
    policy_services.apply_policy(tenant_id=tenant.pk)
    assert suppression_in_ses(tenant) == "account"
    domain = make_domain(customer=tenant.customer, tenant=tenant, stage="ready")
    client.force_login(make_member(tenant.customer))
    page = client.get(reverse("domains:sending", args=[domain.pk])).text
    assert escape(SUPPRESSED_FOR_CUSTOMER[Suppression.ACCOUNT]) in page


def check_drift(tenant: Tenant) -> dict[str, Difference]:
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant_drift_services.check_next(now=timezone.now())
    return {row.kind: row for row in Difference.objects.filter(gone_at=None)}


@pytest.mark.parametrize("decision", ["restore", "adopt"])
def test_a_list_changed_in_ses_is_a_difference(sandbox: Sandbox, decision: str) -> None:
    tenant = set_up_tenant()
    lifecycle_gateway.set_suppression(tenant.name, Suppression.TENANT)
    found = check_drift(tenant)[drift_core.SUPPRESSION]
    decide = getattr(tenant_drift_services, decision)
    decide(difference=found, because="We checked it.", actor=make_staff(Role.OPERATOR))
    policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    expected = "account" if decision == "restore" else "tenant"
    assert (tenant.suppression, suppression_in_ses(tenant)) == (expected, expected)
    assert drift_core.SUPPRESSION not in check_drift(tenant)


def test_a_configuration_set_without_metrics_is_a_difference_that_can_be_restored(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    assert drift_core.UNMEASURED not in check_drift(tenant)
    with aws.calling("sesv2", "as another program made it") as client:
        client.put_configuration_set_reputation_options(
            ConfigurationSetName=tenant.configuration_set, ReputationMetricsEnabled=False
        )
    found = check_drift(tenant)[drift_core.UNMEASURED]
    tenant_drift_services.restore(difference=found, because="Rates", actor=make_staff(Role.OPERATOR))
    tenant_drift_services.work()
    assert lifecycle_gateway.get_configuration_set(tenant.configuration_set).measures
    assert drift_core.UNMEASURED not in check_drift(tenant)


def test_a_policy_is_applied_although_ses_denies_the_suppression_list(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    change_list(tenant)
    policy_services.change_policy(
        tenant=tenant, policy="strict", because="Complaints.", actor=make_staff(Role.OPERATOR)
    )
    sandbox.control.add_fault("denied", "PutTenantSuppressionAttributes")
    with pytest.raises(AwsProblem):
        policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.policy_told, tenant.suppression_told, "denied" in tenant.stage_problem) == ("strict", "", True)
