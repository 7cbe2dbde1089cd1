"""A tenant that was deleted in SES and is restored: what is applied again, and what the customer reads meanwhile."""

import pytest

from accounts.models.people import Customer, User
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from operations.drift_store import services as drift_store_services
from operations.models import Difference
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.core import REJECTED
from tenants.lifecycle.selectors import customer_sentence, rejects_sends
from tenants.models.tenants import Tenant, TenantStage
from tenants.policy import services as policy_services
from tenants.policy.core import Suppression
from tenants.resources import services as resources_services
from tenants.status import services as status_services
from tests.aws_answers import answered
from tests.factories import make_customer
from tests.tenants.factories import resources_in_ses

pytestmark = pytest.mark.django_db


def delete_in_ses(tenant: Tenant) -> Difference:
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    return check(tenant)


def check(tenant: Tenant) -> Difference:
    drift_store_services.request_check("tenants")
    tenant_drift_services.work()
    tenant.refresh_from_db()
    return Difference.objects.get(gone_at=None)


def create(tenant: Tenant) -> Tenant:
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    return tenant


@pytest.mark.parametrize("decision", ["restore", "adopt"])
def test_a_tenant_that_exists_again_uses_its_own_suppression_list_again(
    tenant: Tenant, olga: User, decision: str
) -> None:
    policy_services.change_suppression(tenant=tenant, suppression="tenant", because="Their own lists.", actor=olga)
    policy_services.apply_policy(tenant_id=tenant.pk)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    if decision == "adopt":
        aws.client("sesv2").create_tenant(TenantName=tenant.name)
    getattr(tenant_drift_services, decision)(difference=check(tenant), because="ours", actor=olga)
    create(tenant)
    assert lifecycle_gateway.get_tenant(tenant.name).suppression == "tenant"
    assert (tenant.suppression_told, tenant.ses_suppression) == ("tenant", "tenant")


def test_an_adopted_tenant_keeps_the_suppression_list_that_it_has_in_ses(sandbox: Sandbox, olga: User) -> None:
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    lifecycle_gateway.set_suppression("by-hand", Suppression.TENANT)
    adopted = create(lifecycle_services.adopt_tenant(customer=make_customer(), name="by-hand", actor=olga))
    status_services.read_tenant(tenant_id=adopted.pk)
    adopted.refresh_from_db()
    assert (adopted.suppression, adopted.suppression_told, adopted.ses_suppression) == ("tenant", "tenant", "tenant")


def test_the_customer_reads_that_ses_rejects_their_sends_until_the_associations_are_back(
    tenant: Tenant, owner: Customer, olga: User
) -> None:
    found, name = delete_in_ses(tenant), owner.domains.all()[0].name
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.CREATING
    assert (customer_sentence(tenant), rejects_sends(tenant, name)) == (REJECTED, True)
    create(tenant)
    assert rejects_sends(tenant, name)
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert not rejects_sends(tenant, name)


def test_a_restore_never_takes_another_name_which_no_send_would_have(tenant: Tenant, olga: User) -> None:
    found, name = delete_in_ses(tenant), tenant.name
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    aws.client("sesv2").create_tenant(TenantName=name)  # by hand, since the check
    create(tenant)
    assert (tenant.name, tenant.stage, tenant.arn) == (name, TenantStage.CREATING, "")
    assert f"has another tenant {name}" in tenant.stage_problem
    aws.client("sesv2").delete_tenant(TenantName=name)
    assert create(tenant).stage == TenantStage.READY


def test_a_restored_tenant_that_was_adopted_keeps_its_configuration_set(
    tenant: Tenant, owner: Customer, olga: User
) -> None:
    client, own = aws.client("sesv2"), tenant.configuration_set
    client.untag_resource(ResourceArn=lifecycle_gateway.configuration_set_arn(own), TagKeys=[lifecycle_gateway.OURS])
    Tenant.objects.filter(pk=tenant.pk).update(adopted=True)
    tenant_drift_services.restore(difference=delete_in_ses(tenant), because="ours", actor=olga)
    create(tenant)
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert tenant.configuration_set == own
    sets = {each for each in resources_in_ses(tenant.name) if each.startswith("configuration-set/")}
    assert sets == {f"configuration-set/{own}"}


@pytest.mark.parametrize("operation", ["GetReputationEntity", "GetTenant"])
def test_a_failed_read_does_not_forget_that_the_tenant_is_gone(tenant: Tenant, owner: Customer, operation: str) -> None:
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    status_services.read_tenant(tenant_id=tenant.pk)
    with answered(operation, "InternalFailure", status=500), pytest.raises(AwsProblem):
        status_services.read_tenant(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.is_gone
    assert customer_sentence(tenant) == REJECTED


@pytest.mark.parametrize("what", ["policy", "suppression"])
def test_what_is_accepted_is_what_the_page_showed(tenant: Tenant, olga: User, what: str) -> None:
    read = {"policy": "strict"} if what == "policy" else {"suppression": "tenant"}
    Tenant.objects.filter(pk=tenant.pk).update(**{f"ses_{name}": value for name, value in read.items()})
    difference = Difference.objects.create(
        region=tenant.region,
        area="tenants",
        kind=what,
        key=what,
        subject=tenant.name,
        place=tenant.name,
        customer=tenant.customer,
        sentence="differs",
        found=read,
        first_seen_at=tenant.created_at,
        last_seen_at=tenant.created_at,
        may_adopt=True,
    )
    newer = "none" if what == "policy" else "account"
    Tenant.objects.filter(pk=tenant.pk).update(**{f"ses_{what}": newer})
    tenant_drift_services.adopt(difference=difference, because="as agreed", actor=olga)
    tenant.refresh_from_db()
    assert getattr(tenant, what) == read[what]
