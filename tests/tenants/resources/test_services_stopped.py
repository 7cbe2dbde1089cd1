"""A tenant that was stopped and then deleted in SES by hand stays stopped, until somebody who may resume it does."""

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from sandbox.process import Sandbox
from tenants.deletion import services as deletion_services
from tenants.lifecycle import services as lifecycle_services
from tenants.models.reputation import Finding
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tenants.reputation import services as reputation_services
from tenants.status import services as status_services
from tests.factories import make_staff
from tests.tenants.factories import make_tess, pause_tenant, reputation_entity_in_ses, set_up_tenant
from tests.tenants.metrics.test_core import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


def read(tenant: Tenant) -> Tenant:
    status_services.read_tenant(tenant_id=tenant.pk)
    return Tenant.objects.get(pk=tenant.pk)


def by_policy(sandbox: Sandbox, tenant: Tenant) -> None:
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")


def by_aws(sandbox: Sandbox, tenant: Tenant) -> None:
    sandbox.control.suspend_tenant(tenant.name, "Phishing was seen.")


def by_hand(sandbox: Sandbox, tenant: Tenant) -> None:
    set_in_ses(tenant, "DISABLED")


def set_in_ses(tenant: Tenant, status: str) -> None:
    aws.client("sesv2").update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, SendingStatus=status
    )


def stop_and_delete(sandbox: Sandbox, stop: Callable[[Sandbox, Tenant], None]) -> Tenant:
    """Return a tenant of ours that something stopped and somebody deleted in SES afterwards, as both are read."""
    tenant = set_up_tenant()
    stop(sandbox, tenant)
    read(tenant)
    reputation_services.sync_recommendations(tenant_id=tenant.pk, now=NOW)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    read(tenant)
    return read(tenant)  # a second read changes nothing


def ask_to_restore(tenant: Tenant, olga: User) -> None:
    with transaction.atomic():
        kept = pause_services.kept_pause(tenant=tenant, because="Deleted by mistake.", actor=olga)
        lifecycle_services.recreate_tenant(tenant=tenant, pause=kept)


def restore(tenant: Tenant, olga: User) -> Tenant:
    ask_to_restore(tenant, olga)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    return Tenant.objects.get(pk=tenant.pk)


STOPS = pytest.mark.parametrize("stop", [by_policy, by_aws, by_hand])


@STOPS
def test_a_restore_creates_it_paused_and_only_trust_and_safety_resumes_it(
    sandbox: Sandbox, olga: User, stop: Callable[[Sandbox, Tenant], None]
) -> None:
    tenant = restore(stop_and_delete(sandbox, stop), olga)
    assert reputation_entity_in_ses(tenant)["CustomerManagedStatus"]["Status"] == "DISABLED"
    assert (tenant.is_paused, tenant.standing) == (True, "paused")
    assert "Deleted by mistake." in tenant.pause_text
    asked = Change.objects.get(what="tenant.pause_asked")
    assert asked.actor_name == olga.email
    pause_services.resume(tenant=tenant, because="The list is clean.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.is_stopped) == ("active", False)


def test_it_is_stopped_in_ses_before_anything_is_associated_with_it(sandbox: Sandbox, olga: User) -> None:
    tenant = stop_and_delete(sandbox, by_policy)
    ask_to_restore(tenant, olga)
    sandbox.control.add_fault("error", "CreateTenantResourceAssociation", times=9)
    with pytest.raises(Exception, match="."):
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert reputation_entity_in_ses(tenant)["CustomerManagedStatus"]["Status"] == "DISABLED"


@STOPS
def test_it_cannot_be_deleted_here_while_ses_does_not_have_it(
    sandbox: Sandbox, olga: User, stop: Callable[[Sandbox, Tenant], None]
) -> None:
    tenant = stop_and_delete(sandbox, stop)
    assert tenant.is_stopped
    with pytest.raises(Refused, match="Restore it"):
        deletion_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=olga)
    assert "Restore it" in deletion_services.consequences(tenant).held


def test_its_findings_and_alerts_stay_open(sandbox: Sandbox, olga: User) -> None:
    tenant = stop_and_delete(sandbox, by_policy)
    reputation_services.sync_recommendations(tenant_id=tenant.pk, now=NOW)
    reputation_services.sync_all_recommendations(now=NOW)
    assert open_alerts() >= {"tenant.high_finding", "tenant.paused"}
    tenant = restore(tenant, olga)
    reputation_services.sync_recommendations(tenant_id=tenant.pk, now=NOW)
    tenant.refresh_from_db()
    assert tenant.open_high == 1
    assert open_alerts() >= {"tenant.high_finding", "tenant.paused"}
    assert not Change.objects.filter(what="tenant.finding_over").exists()


def test_a_finding_is_not_resolved_by_a_deletion_that_was_not_read_yet(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    by_policy(sandbox, tenant)
    read(tenant)
    reputation_services.sync_recommendations(tenant_id=tenant.pk, now=NOW)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    reputation_services.sync_recommendations(tenant_id=tenant.pk, now=NOW)
    assert Finding.objects.get(tenant=tenant).over_at is None


def test_a_suspension_stays_an_open_alert_until_the_restored_tenant_is_resumed(sandbox: Sandbox, olga: User) -> None:
    tenant = restore(stop_and_delete(sandbox, by_aws), olga)
    assert "tenant.suspended" in open_alerts()
    pause_services.resume(tenant=tenant, because="AWS allowed it.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    assert "tenant.suspended" not in open_alerts()


def test_a_tenant_that_sent_is_restored_sending(sandbox: Sandbox, olga: User) -> None:
    tenant = restore(stop_and_delete(sandbox, lambda _, tenant: None), olga)
    assert (tenant.is_paused, tenant.standing) == (False, "active")


def test_a_pause_that_staff_had_ended_is_not_begun_again(sandbox: Sandbox, olga: User) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    pause_services.resume(tenant=tenant, because="Done.", actor=make_tess())
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    tenant = restore(read(tenant), olga)
    assert not tenant.is_stopped


def open_alerts() -> set[str]:
    return set(Alert.objects.filter(state=AlertState.OPEN).values_list("kind", flat=True))
