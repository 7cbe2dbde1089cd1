"""A tenant's configuration set and suppression list are read, and an older read replaces no newer one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tenants.configuration_sets import services as configuration_sets_services
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import StatusChange, Tenant, TenantResource
from tenants.policy import services as policy_services
from tests.tenants.factories import set_up_tenant

pytestmark = pytest.mark.django_db


def delete_set(tenant: Tenant) -> None:
    row = TenantResource.objects.get(name=tenant.configuration_set)
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    aws.client("sesv2").delete_configuration_set(ConfigurationSetName=tenant.configuration_set)


def test_an_older_read_of_the_set_replaces_no_newer_one(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = set_up_tenant()
    old = lifecycle_gateway.get_configuration_set(tenant.configuration_set)

    def delayed(name: str) -> object:
        """SES answers; before the answer is stored, the set is deleted and another read has stored that."""
        monkeypatch.undo()
        delete_set(tenant)
        configuration_sets_services.read_set(tenant=Tenant.objects.get(pk=tenant.pk))
        return old

    monkeypatch.setattr(lifecycle_gateway, "get_configuration_set", delayed)
    configuration_sets_services.read_set(tenant=tenant)
    assert (tenant.set_sends, tenant.set_gone_at is None) == (False, False)
    assert StatusChange.objects.get(tenant=tenant).cause == "The configuration set no longer exists in SES. See Drift."


def test_a_read_from_before_a_tenant_was_restored_says_nothing_of_its_new_set(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tenant and set were deleted in SES. A person restores them between SES's answer and its storage."""
    tenant = set_up_tenant()
    delete_set(tenant)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    read = lifecycle_gateway.get_configuration_set

    def delayed(name: str) -> object:
        monkeypatch.undo()
        try:
            return read(name)
        finally:
            lifecycle_services.recreate_tenant(tenant=tenant, pause={})

    monkeypatch.setattr(lifecycle_gateway, "get_configuration_set", delayed)
    configuration_sets_services.read_set(tenant=tenant)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.stage, tenant.set_sends, tenant.set_gone_at) == ("ready", True, None)


def test_a_read_from_before_metrics_were_turned_on_turns_them_off_nowhere(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").put_configuration_set_reputation_options(
        ConfigurationSetName=tenant.configuration_set, ReputationMetricsEnabled=False
    )
    old = lifecycle_gateway.get_configuration_set(tenant.configuration_set)

    def delayed(name: str) -> object:
        configuration_sets_services.enable_metrics(tenant=tenant)
        return old

    monkeypatch.setattr(lifecycle_gateway, "get_configuration_set", delayed)
    configuration_sets_services.read_set(tenant=tenant)
    assert tenant.set_measures is True


def test_an_older_read_of_the_suppression_list_replaces_no_newer_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = set_up_tenant()
    old = lifecycle_gateway.get_tenant(tenant.name)
    Tenant.objects.filter(pk=tenant.pk).update(suppression="tenant")

    def delayed(name: str) -> object:
        monkeypatch.undo()
        policy_services.apply_policy(tenant_id=tenant.pk)
        return old

    monkeypatch.setattr(lifecycle_gateway, "get_tenant", delayed)
    configuration_sets_services.read_suppression(tenant=tenant)
    tenant.refresh_from_db()
    assert (tenant.suppression_told, tenant.ses_suppression) == ("tenant", "tenant")


def test_a_read_time_in_the_future_blocks_no_read(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    ahead = timezone.now() + timedelta(hours=1)
    Tenant.objects.filter(pk=tenant.pk).update(set_read_at=ahead, suppression_read_at=ahead, ses_suppression="")
    delete_set(tenant)
    configuration_sets_services.read_set(tenant=tenant)
    configuration_sets_services.read_suppression(tenant=tenant)
    tenant.refresh_from_db()
    assert (tenant.set_sends, tenant.ses_suppression) == (False, "account")


def test_a_set_that_is_there_is_not_requested(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    configuration_sets_services.request_set(tenant=tenant)
    assert (tenant.set_sends, tenant.awaits_set) == (True, False)
