"""Deleting a tenant, and changing its policy."""

import pytest

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed, Refused
from sandbox.process import Sandbox
from tenants.deletion import services as deletion_services
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.core import GONE
from tenants.models.tenants import Tenant, TenantResource, TenantStage
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tenants.status import services as status_services
from tenants.status.core import TenantStatus
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_staff
from tests.tenants.factories import jobs_of, make_tenant, pause_tenant, reputation_entity_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


def delete(tenant: Tenant) -> None:
    deletion_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=make_staff(Role.OPERATOR))


def exists_in_ses(name: str) -> bool:
    client = aws.client("sesv2")
    return name in {row["TenantName"] for row in client.list_tenants()["Tenants"]}


def configuration_set_names() -> list[str]:
    return list(aws.client("sesv2").list_configuration_sets()["ConfigurationSets"])


def test_a_tenant_is_deleted_with_its_associations_and_our_configuration_set(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").create_email_identity(EmailIdentity="alice.com")
    aws.client("sesv2").create_tenant_resource_association(
        TenantName=tenant.name, ResourceArn=aws.identity_arn("alice.com")
    )
    delete(tenant)
    assert tenant.stage == TenantStage.DELETING
    assert "tenants.remove" in jobs_of(tenant)
    deletion_services.delete_in_ses(tenant_id=tenant.pk)
    assert not Tenant.objects.exists()
    assert not TenantResource.objects.exists()
    assert (exists_in_ses(tenant.name), configuration_set_names()) == (False, [])
    aws.client("sesv2").delete_email_identity(EmailIdentity="alice.com")  # SES refuses it while it is associated
    asked, deleted = Change.objects.filter(what__startswith="tenant.delete").order_by("pk")
    assert (asked.actor_kind, deleted.actor_kind) == ("person", "worker")
    assert deleted.before == {"tenant": tenant.name, "customer": tenant.customer.name}


def test_a_set_that_a_transferred_identity_took_along_stays_for_its_new_tenant(sandbox: Sandbox) -> None:
    alices, bobs = set_up_tenant(make_customer("Alice")), set_up_tenant(make_customer("Bob"))
    ses, name = aws.client("sesv2"), alices.configuration_set
    ses.create_email_identity(EmailIdentity="shop.com", ConfigurationSetName=name)
    resources_services.request_association(tenant=bobs, arn=aws.identity_arn("shop.com"))
    resources_services.apply_associations(tenant_id=bobs.pk)
    assert TenantResource.objects.filter(tenant=bobs, name=name).exists()
    delete(alices)
    deletion_services.delete_in_ses(tenant_id=alices.pk)
    assert name in configuration_set_names(), "SES rejects what Bob sends without it"


def test_the_configuration_set_of_an_adopted_tenant_is_kept(sandbox: Sandbox) -> None:
    ses = aws.client("sesv2")
    ses.create_tenant(TenantName="alice")
    ses.create_configuration_set(ConfigurationSetName="events")
    arn = aws.identity_arn("x").replace(":identity/x", ":configuration-set/events")
    ses.create_tenant_resource_association(TenantName="alice", ResourceArn=arn)
    tenant = lifecycle_services.adopt_tenant(customer=make_customer(), name="alice", actor=make_staff(Role.OPERATOR))
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    delete(Tenant.objects.get(pk=tenant.pk))
    deletion_services.delete_in_ses(tenant_id=tenant.pk)
    assert (exists_in_ses("alice"), configuration_set_names()) == (False, ["events"])


def test_a_tenant_with_domains_cannot_be_deleted() -> None:
    tenant = make_tenant()
    make_domain("shop.com", customer=tenant.customer, tenant=tenant)
    assert deletion_services.consequences(tenant).users == ("shop.com",)
    with pytest.raises(Refused, match="shop.com is in this tenant"):
        delete(tenant)


def test_of_many_domains_some_are_named_and_the_rest_counted() -> None:
    tenant = make_tenant()
    for number in range(22):
        make_domain(f"shop{number:02}.com", customer=tenant.customer, tenant=tenant)
    found = deletion_services.consequences(tenant)
    assert (len(found.users), sorted(found.users), found.more_users) == (20, list(found.users), 2)
    with pytest.raises(Refused, match="com and 17 more are in this tenant"):
        delete(tenant)


def test_deleting_requires_typing_the_tenants_name() -> None:
    tenant = make_tenant()
    with pytest.raises(Refused, match="type its name"):
        deletion_services.delete_tenant(tenant=tenant, typed_name="x", actor=make_staff(Role.OPERATOR))


def test_a_paused_tenant_cannot_be_deleted() -> None:
    with pytest.raises(Refused, match="would end the pause"):
        delete(make_tenant(is_paused=True, standing=TenantStatus.PAUSED))


@pytest.mark.parametrize("layer", ["amazon_status", "aggregate"])
def test_a_tenant_that_ses_has_stopped_cannot_be_deleted(layer: str) -> None:
    tenant = make_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(**{layer: "DISABLED"})
    with pytest.raises(Refused, match="SES has stopped sending"):
        delete(tenant)


def test_a_tenant_that_ses_no_longer_has_can_be_deleted_unless_it_was_stopped() -> None:
    tenant, stopped = (make_tenant(read_problem=GONE, stopped_as=each) for each in ("", "paused"))
    delete(tenant)
    tenant.refresh_from_db()
    assert tenant.stage == "deleting"
    with pytest.raises(Refused, match="was paused in SES before .* Restore it"):
        delete(stopped)


def test_support_can_neither_delete_nor_change_the_policy() -> None:
    tenant, sam = make_tenant(), make_staff(Role.SUPPORT)
    with pytest.raises(NotAllowed):
        deletion_services.delete_tenant(tenant=tenant, typed_name=tenant.name, actor=sam)
    with pytest.raises(NotAllowed):
        policy_services.change_policy(tenant=tenant, policy="none", because="because", actor=sam)


def test_a_tenant_that_ses_stopped_since_it_was_read_is_kept(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    delete(tenant)
    sandbox.control.suspend_tenant(tenant.name)
    deletion_services.delete_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.stage, exists_in_ses(tenant.name)) == (TenantStage.READY, True)
    assert "SES has stopped sending" in Change.objects.get(what="tenant.delete_refused").because
    status_services.read_tenant(tenant_id=tenant.pk)
    with pytest.raises(Refused, match="SES has stopped sending"):
        delete(tenant)


def test_another_tenant_with_the_same_name_in_ses_is_not_deleted(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    aws.client("sesv2").create_tenant(TenantName=tenant.name)
    delete(tenant)
    deletion_services.delete_in_ses(tenant_id=tenant.pk)
    assert not Tenant.objects.exists()
    assert exists_in_ses(tenant.name)


def test_a_tenant_that_was_never_created_in_ses_is_deleted(sandbox: Sandbox) -> None:
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=None)
    delete(tenant)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    deletion_services.delete_in_ses(tenant_id=tenant.pk)
    assert not Tenant.objects.exists()
    assert not exists_in_ses(tenant.name)


def test_a_policy_change_is_requested_and_then_applied(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    olga = make_staff(Role.OPERATOR)
    policy_services.change_policy(tenant=tenant, policy="strict", because="Complaints came.", actor=olga)
    assert (tenant.policy, tenant.ses_policy, tenant.policy_told) == ("strict", "standard", "")
    policy_services.apply_policy(tenant_id=tenant.pk)
    policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.ses_policy, tenant.policy_told) == ("strict", "strict")
    assert reputation_entity_in_ses(tenant)["ReputationManagementPolicy"].endswith("/strict")
    requested, applied = Change.objects.filter(what__startswith="tenant.policy").order_by("pk")
    assert (requested.actor_name, requested.because) == (olga.email, "Complaints came.")
    assert applied.aws_request_ids


def test_a_pause_by_the_stricter_policy_is_read_at_once(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "BOUNCE", "LOW")
    policy_services.change_policy(tenant=tenant, policy="strict", because="why", actor=make_staff(Role.OPERATOR))
    policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.standing == TenantStatus.PAUSED
    assert "reputation policy" in tenant.staff_cause


@pytest.mark.parametrize(("policy", "because"), [("strict", " "), ("lenient", "why")])
def test_a_policy_change_without_reason_or_with_an_unknown_policy_is_refused(policy: str, because: str) -> None:
    with pytest.raises(Refused):
        policy_services.change_policy(
            tenant=make_tenant(), policy=policy, because=because, actor=make_staff(Role.OPERATOR)
        )


def test_a_policy_set_in_ses_can_be_accepted() -> None:
    tenant, olga = make_tenant(ses_policy="none"), make_staff(Role.OPERATOR)
    policy_services.accept_policy(tenant=tenant, policy="none", because="The operators agreed.", actor=olga)
    assert (tenant.policy, tenant.policy_told) == ("none", "none")
    with pytest.raises(Refused, match="is unknown"):
        policy_services.accept_policy(tenant=tenant, policy="newest", because="why", actor=olga)


def test_a_paused_tenant_must_be_resumed_before_deletion(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    with pytest.raises(Refused, match="so resume it first"):
        delete(tenant)


def test_a_failed_read_after_a_policy_change_is_reported_until_the_next_read(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    policy_services.change_policy(tenant=tenant, policy="strict", because="why", actor=make_staff(Role.OPERATOR))
    sandbox.control.add_fault("error", "GetReputationEntity", times=9)
    with pytest.raises(AwsProblem):
        policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.ses_policy, tenant.read_problem) == ("strict", policy_services.UNREAD)
    sandbox.control.clear_faults()
    policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.read_problem == ""
