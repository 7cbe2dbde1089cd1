"""Whose list of addresses that bounced or complained holds for a tenant: wanted, told, read back, and compared."""

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


def at_amazon(tenant: Tenant) -> str:
    return lifecycle_gateway.get_tenant(tenant.name).suppression


def change(tenant: Tenant, wanted: str = "tenant") -> None:
    policy_services.change_suppression(
        tenant=tenant, suppression=wanted, because="They send to lists of their own.", actor=make_staff(Role.OPERATOR)
    )


def test_a_new_tenant_has_the_accounts_list_and_no_call_says_so(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    assert (tenant.suppression, at_amazon(tenant)) == ("account", "account")
    assert "PutTenantSuppressionAttributes" not in sandbox.control.call_counts()


def test_a_list_of_its_own_is_wished_then_told_once(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    change(tenant)
    assert (tenant.suppression, tenant.suppression_told, at_amazon(tenant)) == ("tenant", "", "account")
    assert "tenants.policy" in jobs_of(tenant)
    for _ in range(2):
        policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.suppression_told, tenant.ses_suppression, at_amazon(tenant)) == ("tenant", "tenant", "tenant")
    assert sandbox.control.call_counts()["PutTenantSuppressionAttributes"] == 1
    assert Change.objects.get(what="tenant.suppression").because == "They send to lists of their own."


def test_what_amazon_refuses_is_told_again(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    change(tenant)
    sandbox.control.add_fault("denied", "PutTenantSuppressionAttributes")
    with pytest.raises(AwsProblem):
        policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.suppression_told, bool(tenant.stage_problem)) == ("", True)
    policy_services.apply_policy(tenant_id=tenant.pk)
    assert at_amazon(tenant) == "tenant"


def test_operators_alone_choose_the_list_and_say_why(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    with pytest.raises(NotAllowed):
        policy_services.change_suppression(tenant=tenant, suppression="tenant", because="x", actor=make_staff())
    with pytest.raises(Refused, match="one of the lists"):
        change(tenant, "everybody")


def test_the_page_and_the_api_change_it_and_the_customer_reads_a_word(sandbox: Sandbox, client: Client) -> None:
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
    assert at_amazon(tenant) == "account"
    domain = make_domain(customer=tenant.customer, tenant=tenant, stage="ready")
    client.force_login(make_member(tenant.customer))
    page = client.get(reverse("domains:sending", args=[domain.pk])).text
    assert escape(SUPPRESSED_FOR_CUSTOMER[Suppression.ACCOUNT]) in page


def look(tenant: Tenant) -> dict[str, Difference]:
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant_drift_services.check_next(now=timezone.now())
    return {row.kind: row for row in Difference.objects.filter(gone_at=None)}


@pytest.mark.parametrize("decision", ["restore", "adopt"])
def test_a_list_that_somebody_chose_at_amazon_is_a_difference(sandbox: Sandbox, decision: str) -> None:
    tenant = set_up_tenant()
    lifecycle_gateway.set_suppression(tenant.name, Suppression.TENANT)
    found = look(tenant)[drift_core.SUPPRESSION]
    decide = getattr(tenant_drift_services, decision)
    decide(difference=found, because="We looked at it.", actor=make_staff(Role.OPERATOR))
    policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    wanted = "account" if decision == "restore" else "tenant"
    assert (tenant.suppression, at_amazon(tenant)) == (wanted, wanted)
    assert drift_core.SUPPRESSION not in look(tenant)


def test_a_set_that_is_not_measured_is_a_difference_that_the_worker_mends(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    assert drift_core.UNMEASURED not in look(tenant)
    with aws.calling("sesv2", "as another program made it") as client:
        client.put_configuration_set_reputation_options(
            ConfigurationSetName=tenant.configuration_set, ReputationMetricsEnabled=False
        )
    found = look(tenant)[drift_core.UNMEASURED]
    tenant_drift_services.restore(difference=found, because="Rates", actor=make_staff(Role.OPERATOR))
    tenant_drift_services.work()
    assert lifecycle_gateway.get_configuration_set(tenant.configuration_set).measures
    assert drift_core.UNMEASURED not in look(tenant)
