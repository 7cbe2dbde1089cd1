"""What somebody removed or changed in SES by hand reaches pages, alerts and the list of drift once it is read."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from operations.drift.core import TENANTS_AREA
from operations.drift_store import services as drift_store_services
from operations.jobs import DRIFT_CHECK
from operations.migration_steps import services as migration_steps_services
from operations.models import Difference, Migration
from operations.tenant_drift import services as tenant_drift_services
from operations.tenant_migration import services as tenant_migration_services
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.core import REJECTED
from tenants.lifecycle.selectors import layers_of
from tenants.models.tenants import Tenant, TenantResource
from tenants.pause import services as pause_services
from tenants.resources import services as resources_services
from tenants.status import services as status_services
from tests.factories import make_member, make_staff
from tests.tenants.factories import make_tess, pause_tenant

pytestmark = pytest.mark.django_db


def kinds() -> set[str]:
    return set(Alert.objects.filter(state=AlertState.OPEN).values_list("kind", flat=True))


def sending_page(domain: Domain, owner: Customer) -> str:
    client = Client()
    client.force_login(make_member(owner, email=f"{domain.name.partition('.')[0]}@northwind.com"))
    return client.get(reverse("domains:sending", args=[domain.pk])).text


def tenant_page(tenant: Tenant, olga: User) -> str:
    client = Client()
    client.force_login(olga)
    return client.get(reverse("tenants:detail", args=[tenant.pk])).text


def read_and_list(tenant: Tenant) -> Difference:
    """Read the tenant as the pass does; then what is listed without a person's check."""
    ProcrastinateJob.objects.all().delete()
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant_drift_services.queue_if_unlisted()
    assert ProcrastinateJob.objects.filter(task_name=DRIFT_CHECK, status="todo").exists()
    tenant_drift_services.work()
    return Difference.objects.get(gone_at=None)


def test_a_tenant_that_was_deleted_by_hand_is_listed_told_and_shown(
    owner: Customer, tenant: Tenant, olga: User
) -> None:
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    assert read_and_list(tenant).kind == "missing"
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    page = tenant_page(tenant, olga)
    assert "SES rejects sends that name this tenant" in page
    assert "No verified domain is associated" in page
    assert "reach Amazon SES" not in page
    page = sending_page(Domain.objects.filter(customer=owner)[0], owner)
    assert REJECTED in page
    assert "No longer linked. Our team has been notified." in page
    assert "Linked on" not in page
    assert "Sending is enabled" not in page
    client = Client()
    client.force_login(make_member(owner, email="people@northwind.com"))
    assert REJECTED in client.get(reverse("customers:detail", args=[owner.pk])).text
    ProcrastinateJob.objects.all().delete()
    tenant_drift_services.queue_if_unlisted()
    assert not ProcrastinateJob.objects.exists()


def test_an_association_that_was_removed_by_hand_is_told_and_shown_until_it_is_restored(
    owner: Customer, tenant: Tenant, olga: User
) -> None:
    lost, other = Domain.objects.filter(customer=owner).order_by("name")
    row = TenantResource.objects.get(name=lost.name)
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    TenantResource.objects.filter(kind="identity").update(verified=True)
    assert "1 of 2" in [layer.status for layer in layers_of(tenant)]
    page = sending_page(lost, owner)
    assert REJECTED in page
    assert "No longer linked" in page
    assert "Sending is enabled." in sending_page(other, owner)
    found = Difference.objects.get(gone_at=None)
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    resources_services.apply_associations(tenant_id=tenant.pk)
    tenant_drift_services.work()
    row.refresh_from_db()
    assert (row.problem, row.associated_at is None) == ("", False)


def test_a_restored_association_resolves_its_alerts(owner: Customer, tenant: Tenant) -> None:
    row = TenantResource.objects.filter(tenant=tenant, kind="identity")[0]
    pair, both = {(tenant.name, row.arn)}, {"tenant.incomplete", "sending.rejected"}
    nothing = set[tuple[str, str]]()
    for lost, listed, expected in ((pair, nothing, both), (nothing, nothing, both), (nothing, pair, set[str]())):
        lifecycle_services.record_lost(tenants={tenant.name}, lost=lost, listed=listed)
        assert kinds() == expected


def test_a_policy_that_somebody_set_in_ses_is_listed_and_is_no_change_of_ours(tenant: Tenant, olga: User) -> None:
    region = aws.client("sesv2").meta.region_name
    aws.client("sesv2").update_reputation_entity_policy(
        ReputationEntityType="RESOURCE",
        ReputationEntityReference=tenant.arn,
        ReputationEntityPolicy=f"arn:aws:ses:{region}:aws:reputation-policy/none",
    )
    assert read_and_list(tenant).kind == "policy"
    page = tenant_page(tenant, olga)
    assert "Restore or accept it in Drift" in page
    assert "The change is being applied" not in page


def test_a_pause_beside_a_check_is_no_difference(
    tenant: Tenant, olga: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is requested and confirmed between the check's list of tenants and its comparison."""
    read_inventories = lifecycle_services.read_inventories

    def pausing(*arguments: Any) -> Any:
        found = read_inventories(*arguments)
        pause_tenant(tenant)
        return found

    monkeypatch.setattr(lifecycle_services, "read_inventories", pausing)
    tenant_drift_services.check_next(now=timezone.now())
    tenant.refresh_from_db()
    assert tenant.standing == "paused"
    assert not Difference.objects.filter(kind="status").exists()
    monkeypatch.undo()
    aws.client("sesv2").update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, SendingStatus="ENABLED"
    )
    tenant_drift_services.check_next(now=timezone.now())
    assert Difference.objects.get(kind="status", gone_at=None).place == tenant.name


def test_the_difference_of_a_deleted_tenant_says_that_ses_had_stopped_it(
    owner: Customer, tenant: Tenant, olga: User, sandbox: Sandbox
) -> None:
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    status_services.read_tenant(tenant_id=tenant.pk)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    difference = read_and_list(tenant)
    said = "Its sending was paused in SES before the tenant was deleted there."
    assert said in difference.sentence
    assert said in tenant_page(tenant, olga)
    tenant_drift_services.restore(difference=difference, because="Deleted by mistake.", actor=olga)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.is_paused, tenant.standing) == (True, "paused")


def remove_in_ses(tenant: Tenant, row: TenantResource) -> Difference:
    """Remove the association and the configuration set in SES by hand, then check. Returns the difference."""
    client = aws.client("sesv2")
    client.delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    client.delete_configuration_set(ConfigurationSetName=row.name)
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    return Difference.objects.get(kind__in=("not_associated", "set_gone"), gone_at=None)


def test_a_failed_restore_leaves_the_association_lost_told_and_listed(
    owner: Customer, tenant: Tenant, olga: User
) -> None:
    aws.client("sesv2").create_configuration_set(ConfigurationSetName="legacy")
    arn = TenantResource.objects.get(name=tenant.configuration_set).arn.replace(tenant.configuration_set, "legacy")
    row = resources_services.request_association(tenant=tenant, arn=arn)
    resources_services.apply_associations(tenant_id=tenant.pk)
    found = remove_in_ses(tenant, row)
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    tenant_drift_services.work()  # the check that the decision queued may run before the association
    resources_services.apply_associations(tenant_id=tenant.pk)
    status_services.read_tenant(tenant_id=tenant.pk)
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    assert not Alert.objects.filter(state=AlertState.RECOVERED).exists()
    ProcrastinateJob.objects.all().delete()
    tenant_drift_services.queue_if_unlisted()
    assert ProcrastinateJob.objects.filter(task_name=DRIFT_CHECK, status="todo").exists()
    tenant_drift_services.work()
    found.refresh_from_db()
    assert (found.gone_at, found.decision) == (None, "restore")
    assert "does not exist in SES" in found.problem
    ProcrastinateJob.objects.all().delete()
    tenant_drift_services.queue_if_unlisted()
    assert not ProcrastinateJob.objects.exists()
    client = Client()
    client.force_login(olga)
    assert found.problem in client.get(reverse("operations:difference", args=[found.pk])).text
    page = tenant_page(tenant, olga)
    assert "SES rejects sends that use" in page
    assert row.name in page


def test_a_restore_that_ses_refuses_stays_listed_until_it_is_made(
    owner: Customer, tenant: Tenant, olga: User, sandbox: Sandbox
) -> None:
    row = TenantResource.objects.filter(tenant=tenant, kind="identity")[0]
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    found = Difference.objects.get(gone_at=None)
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    sandbox.control.add_fault("denied", "CreateTenantResourceAssociation", times=9)
    with pytest.raises(AwsProblem):
        resources_services.apply_associations(tenant_id=tenant.pk)
    tenant_drift_services.work()
    found.refresh_from_db()
    assert (found.gone_at, "denied" in found.problem) == (None, True)
    resources_services.retry_associations(tenant=tenant, actor=olga)
    tenant_drift_services.check_named(frozenset({tenant.name}), now=timezone.now())
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    sandbox.control.clear_faults()
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert kinds() == set()
    tenant_drift_services.queue_if_unlisted()
    tenant_drift_services.work()
    found.refresh_from_db()
    assert found.gone_at is not None


def test_the_restore_of_an_identity_outside_the_tenant_stays_listed_if_ses_refuses_it(
    owner: Customer, tenant: Tenant, olga: User, sandbox: Sandbox
) -> None:
    row = TenantResource.objects.filter(tenant=tenant, kind="identity")[0]
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    row.delete()
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    found = Difference.objects.get(kind="outside", gone_at=None)
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    tenant_drift_services.work()
    sandbox.control.add_fault("denied", "CreateTenantResourceAssociation", times=9)
    with pytest.raises(AwsProblem):
        resources_services.apply_associations(tenant_id=tenant.pk)
    tenant_drift_services.queue_if_unlisted()
    tenant_drift_services.work()
    found.refresh_from_db()
    assert (found.gone_at, found.decision, "denied" in found.problem) == (None, "restore", True)


def test_a_restored_tenant_does_not_accept_sends_before_its_last_association(
    owner: Customer, tenant: Tenant, olga: User
) -> None:
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    found = read_and_list(tenant)
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant_drift_services.work()
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    assert not Difference.objects.filter(gone_at=None).exists()  # the associations are on their way
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert kinds() == set()


def test_an_association_made_beside_a_check_is_not_lost(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    row = TenantResource.objects.filter(tenant=tenant, kind="identity")[0]
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    TenantResource.objects.filter(pk=row.pk).update(associated_at=None)
    read_inventories_of = lifecycle_services.read_inventories_of

    def associating(*arguments: Any) -> Any:
        found = read_inventories_of(*arguments)
        resources_services.apply_associations(tenant_id=tenant.pk)
        return found

    monkeypatch.setattr(lifecycle_services, "read_inventories_of", associating)
    tenant_drift_services.check_named(frozenset({tenant.name}), now=timezone.now())
    assert kinds() == set()
    assert not Difference.objects.exists()


def ended_in_ses(tenant: Tenant) -> Difference:
    """Pause the tenant, then end the pause in SES by hand. Returns the difference that a check finds."""
    pause_tenant(tenant)
    aws.client("sesv2").update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, SendingStatus="ENABLED"
    )
    tenant_drift_services.check_next(now=timezone.now())
    return Difference.objects.get(kind="status", gone_at=None)


@pytest.mark.parametrize(("decision", "standing"), [("restore", "paused"), ("adopt", "active"), ("ignore", "undone")])
def test_trust_and_safety_resolves_a_difference_of_the_sending_status(
    tenant: Tenant, decision: str, standing: str
) -> None:
    difference = ended_in_ses(tenant)
    client = Client()
    client.force_login(make_tess())
    url = reverse("operations:difference", args=[difference.pk])
    assert f'value="{decision}"' in client.get(url).text
    assert client.post(url, {"decision": decision, "because": "Looked into it."}).status_code == 302
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.standing == standing
    difference.refresh_from_db()
    assert difference.decision == decision


def test_no_other_difference_is_resolved_by_trust_and_safety(tenant: Tenant) -> None:
    row = TenantResource.objects.filter(tenant=tenant, kind="identity")[0]
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    difference, tess, client = Difference.objects.get(gone_at=None), make_tess(), Client()
    client.force_login(tess)
    url = reverse("operations:difference", args=[difference.pk])
    page = client.get(url).text
    assert "An operator resolves this difference." in page
    assert 'name="decision"' not in page
    assert client.post(url, {"decision": "restore", "because": "ours"}).status_code == 403
    for decide in (tenant_drift_services.restore, tenant_drift_services.ignore):
        with pytest.raises(NotAllowed, match="Ask an operator"):
            decide(difference=difference, because="ours", actor=tess)


def test_an_operator_does_not_end_or_apply_a_pause_by_a_difference(tenant: Tenant) -> None:
    difference, omar = ended_in_ses(tenant), make_staff(Role.OPERATOR)
    for decide in (tenant_drift_services.restore, tenant_drift_services.adopt):
        with pytest.raises(NotAllowed, match="Ask Trust & Safety"):
            decide(difference=difference, because="ours", actor=omar)
    tenant_drift_services.ignore(difference=difference, because="Tess knows.", actor=omar)


def test_a_restored_tenant_asks_at_once_for_what_ses_lacked_before(tenant: Tenant) -> None:
    rows = TenantResource.objects.filter(tenant=tenant, kind="identity")
    now = timezone.now()
    rows.update(associated_at=None, missing_since=now, retry_at=now + timedelta(hours=6))
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    lifecycle_services.recreate_tenant(tenant=tenant, pause={})
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert not rows.filter(associated_at=None).exists()


@pytest.mark.parametrize("way", ["removed", "deleted", "made again", "rolled back"])
def test_the_alerts_of_a_lost_identity_end_when_it_leaves_the_tenant(
    owner: Customer, tenant: Tenant, olga: User, way: str
) -> None:
    row = TenantResource.objects.filter(tenant=tenant, kind="identity")[0]
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=row.arn)
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    if way == "removed":
        resources_services.forget_association(tenant=tenant, arn=row.arn)
        resources_services.apply_associations(tenant_id=tenant.pk)
    elif way == "deleted":
        resources_services.forget_identity(name=row.name, customer=owner)
    elif way == "made again":
        resources_services.move(arn=row.arn, to=tenant, just_made=True)
    else:
        tenant_migration_services.roll_back(migration=Migration.objects.get(), actor=olga, because="Mail bounced")
        migration_steps_services.work()
        tenant.refresh_from_db()
        assert tenant.sends_since is None
    assert kinds() == set()


def test_after_a_switch_back_ses_rejects_no_sends(tenant: Tenant, olga: User) -> None:
    """The tenant itself is gone, so staff still hear of it, but the customer's sends don't name it any more."""
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    status_services.read_tenant(tenant_id=tenant.pk)
    assert kinds() == {"tenant.incomplete", "sending.rejected"}
    tenant_migration_services.roll_back(migration=Migration.objects.get(), actor=olga, because="Mail bounced")
    migration_steps_services.work()
    assert kinds() == {"tenant.incomplete"}
