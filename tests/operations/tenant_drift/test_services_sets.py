"""A tenant's own configuration set that somebody deleted in SES is listed, and created again if a person decides so."""

import pytest
from django.utils import timezone

from accounts.models.people import Customer, User
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from operations.models import Difference
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant, TenantResource
from tenants.resources import services as resources_services
from tenants.status import services as status_services
from tests.operations.tenant_drift.test_services_seen import kinds, read_and_list, remove_in_ses, tenant_page

pytestmark = pytest.mark.django_db


def test_a_configuration_set_that_was_deleted_by_hand_is_created_again_by_a_restore(
    owner: Customer, tenant: Tenant, olga: User, sandbox: Sandbox
) -> None:
    client = aws.client("sesv2")
    row = TenantResource.objects.get(name=tenant.configuration_set)
    found = remove_in_ses(tenant, row)
    assert (found.kind, found.may_adopt) == ("set_gone", False)
    assert "Restoring it creates the set again and associates it." in found.sentence
    page = tenant_page(tenant, olga)
    assert f"{tenant.configuration_set} no longer exists in SES." in page
    assert "An operator, under Drift" in page
    assert "AWS console" not in page
    resources_services.apply_associations(tenant_id=tenant.pk)
    with pytest.raises(client.exceptions.NotFoundException):  # nothing before a person decides
        client.get_configuration_set(ConfigurationSetName=tenant.configuration_set)
    tenant_drift_services.restore(difference=found, because="Deleted by mistake", actor=olga)
    tenant_drift_services.work()  # the check that the decision queued may run before the set is created
    status_services.read_tenant(tenant_id=tenant.pk)  # and so may a read
    assert "It is being created again." in tenant_page(tenant, olga)
    sandbox.control.add_fault("denied", "CreateTenantResourceAssociation", times=1)
    with pytest.raises(AwsProblem):
        resources_services.apply_associations(tenant_id=tenant.pk)
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    resources_services.apply_associations(tenant_id=tenant.pk)
    tenant_drift_services.work()
    tenant.refresh_from_db()
    assert (tenant.set_gone_at, tenant.set_sends, tenant.set_measures) == (None, True, True)
    answer = client.get_configuration_set(ConfigurationSetName=tenant.configuration_set)
    assert {"Key": "inbound-admin:tenant", "Value": tenant.pk} in answer["Tags"]
    assert row.arn in [arn for _, arn in resources_services.resources_in_ses(tenant.name)]
    assert kinds() == set()
    assert not Difference.objects.filter(gone_at=None).exists()
    assert Change.objects.filter(what="tenant.set_created").count() == 1


def test_a_deleted_configuration_set_that_a_read_finds_is_listed(tenant: Tenant) -> None:
    row = TenantResource.objects.get(name=tenant.configuration_set)
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    aws.client("sesv2").delete_configuration_set(ConfigurationSetName=row.name)
    assert read_and_list(tenant).kind == "set_gone"


def test_a_configuration_set_that_somebody_made_again_is_only_associated_again(tenant: Tenant, olga: User) -> None:
    row = TenantResource.objects.get(name=tenant.configuration_set)
    assert remove_in_ses(tenant, row).kind == "set_gone"
    aws.client("sesv2").create_configuration_set(
        ConfigurationSetName=row.name, SendingOptions={"SendingEnabled": False}
    )
    tenant_drift_services.check_named(frozenset({tenant.name}), now=timezone.now())
    found = Difference.objects.get(kind="not_associated", gone_at=None)
    tenant.refresh_from_db()
    assert (tenant.set_gone_at, tenant.set_sends) == (None, False)
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert aws.client("sesv2").get_configuration_set(ConfigurationSetName=row.name)["Tags"] == []


def test_a_failed_lookup_of_a_configuration_set_is_not_its_absence(tenant: Tenant, sandbox: Sandbox) -> None:
    sandbox.control.add_fault("denied", "GetConfigurationSet", times=1)
    with pytest.raises(AwsProblem):
        status_services.read_tenant(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.set_gone_at, tenant.set_sends) == (None, True)


def test_a_configuration_set_made_by_hand_after_the_restore_is_no_creation_of_ours(tenant: Tenant, olga: User) -> None:
    row = TenantResource.objects.get(name=tenant.configuration_set)
    found = remove_in_ses(tenant, row)
    tenant_drift_services.restore(difference=found, because="Deleted by mistake", actor=olga)
    aws.client("sesv2").create_configuration_set(ConfigurationSetName=row.name)
    resources_services.apply_associations(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.set_gone_at, tenant.set_sends) == (None, True)
    assert row.arn in [arn for _, arn in resources_services.resources_in_ses(tenant.name)]
    assert not Change.objects.filter(what="tenant.set_created").exists()
