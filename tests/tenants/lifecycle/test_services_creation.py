"""Creating a customer's tenant: requested, created in SES, or adopted."""

from threading import Barrier, Thread

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed, Refused
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantResource, TenantStage
from tenants.status.core import TenantStatus
from tests.factories import make_customer, make_staff
from tests.tenants.factories import jobs_of, make_tenant, reputation_entity_in_ses, resources_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


def test_a_request_creates_a_row_and_a_job_without_a_call(sandbox: Sandbox) -> None:
    alice = make_customer("Alice & Söhne")
    tenant = lifecycle_services.create_tenant(customer=alice, actor=make_staff(Role.OPERATOR))
    assert tenant.name == f"alice-sohne-{tenant.pk[-8:]}"
    assert tenant.stage == TenantStage.CREATING
    assert tenant.standing == TenantStatus.UNKNOWN
    assert jobs_of(tenant) == ["tenants.create"]
    assert sandbox.control.call_counts() == {}


def test_a_tenant_is_created_with_its_policy_and_its_own_configuration_set(sandbox: Sandbox) -> None:
    tenant = set_up_tenant(policy="strict")
    assert (tenant.stage, tenant.standing, tenant.stage_problem) == (TenantStage.READY, TenantStatus.ACTIVE, "")
    assert reputation_entity_in_ses(tenant)["ReputationManagementPolicy"].endswith("reputation-policy/strict")
    assert resources_in_ses(tenant.name) == {f"configuration-set/{tenant.configuration_set}"}
    assert tenant.set_sends is True
    assert all((tenant.ses_id, tenant.arn, tenant.ses_created_at))
    assert TenantResource.objects.get(tenant=tenant).associated_at is not None


def test_creating_a_tenant_takes_five_calls(sandbox: Sandbox) -> None:
    aws.account_id()
    sandbox.control.clear_calls()
    set_up_tenant()
    assert sum(sandbox.control.call_counts().values()) == 5


def test_the_log_records_who_requested_the_tenant_and_its_creation(sandbox: Sandbox) -> None:
    olga = make_staff(Role.OPERATOR)
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=olga)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    added, created = Change.objects.filter(object_id=tenant.pk).order_by("pk")
    assert (added.what, added.actor_name) == ("tenant.added", olga.email)
    assert created.what == "tenant.created"
    assert len(created.aws_request_ids) == 4  # of the creating calls; the read afterwards is not included


def test_a_customer_can_have_only_one_tenant(sandbox: Sandbox) -> None:
    tenant = make_tenant()
    with pytest.raises(Refused, match="already has tenant") as refused:
        lifecycle_services.create_tenant(customer=tenant.customer, actor=None)
    assert refused.value.code == "TENANT_EXISTS"


def test_support_cannot_create_a_tenant(sandbox: Sandbox) -> None:
    with pytest.raises(NotAllowed):
        lifecycle_services.create_tenant(customer=make_customer(), actor=make_staff(Role.SUPPORT))


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(Refused, match="is not a reputation policy"):
        lifecycle_services.create_tenant(customer=make_customer(), actor=None, policy="lenient")


def test_another_programs_tenant_with_the_same_name_is_not_used(sandbox: Sandbox) -> None:
    tenant = lifecycle_services.create_tenant(customer=make_customer("Bob"), actor=None)
    aws.client("sesv2").create_tenant(TenantName=tenant.name)
    aws.client("sesv2").create_configuration_set(ConfigurationSetName=tenant.name)
    other = tenant.name
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.READY
    assert tenant.name.startswith("bob-")
    assert tenant.name != other
    assert resources_in_ses(other) == set()


def test_another_programs_configuration_set_is_not_used(sandbox: Sandbox) -> None:
    tenant = lifecycle_services.create_tenant(customer=make_customer("Bob"), actor=None)
    aws.client("sesv2").create_configuration_set(ConfigurationSetName=tenant.name)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.READY
    assert tenant.configuration_set != tenant.name
    assert resources_in_ses(tenant.name) == {f"configuration-set/{tenant.configuration_set}"}


def test_a_failed_creation_shows_its_reason_and_continues_later(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=None)
    sandbox.control.add_fault("error", "UpdateReputationEntityPolicy")
    with pytest.raises(AwsProblem):
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.CREATING
    assert "reputation policy" in tenant.stage_problem
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.stage, tenant.stage_problem) == (TenantStage.READY, "")


def test_a_used_up_tenant_quota_is_reported(sandbox: Sandbox) -> None:
    sandbox.control.set_limits(tenants=1)
    set_up_tenant()
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=None)
    with pytest.raises(AwsProblem):
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert "an AWS quota is used up" in tenant.stage_problem


def create_manually(name: str, *resources: str) -> None:
    ses = aws.client("sesv2")
    ses.create_tenant(TenantName=name)
    for resource in resources:
        kind, _, called = resource.partition("/")
        if kind == "configuration-set":
            ses.create_configuration_set(ConfigurationSetName=called)
        else:
            ses.create_email_identity(EmailIdentity=called)
        arn = aws.identity_arn(called).replace(":identity/", f":{kind}/")
        ses.create_tenant_resource_association(TenantName=name, ResourceArn=arn)


def test_a_manually_created_tenant_is_adopted_unchanged(sandbox: Sandbox) -> None:
    create_manually("alice", "configuration-set/events", "identity/alice.com")
    tenant = lifecycle_services.adopt_tenant(customer=make_customer(), name="alice", actor=make_staff(Role.OPERATOR))
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.stage, tenant.configuration_set, tenant.policy) == (TenantStage.READY, "events", "none")
    assert reputation_entity_in_ses(tenant)["ReputationManagementPolicy"].endswith("reputation-policy/none")
    rows = TenantResource.objects.filter(tenant=tenant, associated_at__isnull=False).values_list("name", flat=True)
    assert sorted(rows) == ["alice.com", "events"]
    assert Change.objects.filter(object_id=tenant.pk, what="tenant.adopted").exists()


def test_an_adopted_tenant_without_a_configuration_set_gets_one(sandbox: Sandbox) -> None:
    create_manually("alice")
    tenant = lifecycle_services.adopt_tenant(
        customer=make_customer("Alice"), name="alice", actor=make_staff(Role.OPERATOR)
    )
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.configuration_set.startswith("alice-")
    assert resources_in_ses("alice") == {f"configuration-set/{tenant.configuration_set}"}


def test_an_identity_of_another_customers_tenant_is_not_adopted(sandbox: Sandbox) -> None:
    create_manually("alice", "identity/shared.com")
    bob = make_tenant()
    TenantResource.objects.create(tenant=bob, kind="identity", arn=aws.identity_arn("shared.com"), name="shared.com")
    tenant = lifecycle_services.adopt_tenant(customer=make_customer(), name="alice", actor=make_staff(Role.OPERATOR))
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    assert not TenantResource.objects.filter(tenant=tenant, kind="identity").exists()


def test_a_tenant_that_ses_does_not_have_cannot_be_adopted(sandbox: Sandbox) -> None:
    with pytest.raises(Refused, match="has no tenant nobody"):
        lifecycle_services.adopt_tenant(customer=make_customer(), name="nobody", actor=make_staff(Role.OPERATOR))
    assert not Tenant.objects.exists()


def test_another_customers_tenant_cannot_be_adopted(sandbox: Sandbox) -> None:
    alice = set_up_tenant()
    with pytest.raises(Refused, match="another customer"):
        lifecycle_services.adopt_tenant(customer=make_customer(), name=alice.name, actor=make_staff(Role.OPERATOR))


@pytest.mark.parametrize("policy", ["standard", "none"])
def test_the_policy_of_new_tenants_is_a_setting(sandbox: Sandbox, settings: Settings, policy: str) -> None:
    settings.TENANT_POLICY = policy
    assert set_up_tenant().ses_policy == policy


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_workers_create_one_tenant(sandbox: Sandbox) -> None:
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=None)
    aws.account_id()
    both, failures = Barrier(2), []

    def work() -> None:
        both.wait()
        try:
            lifecycle_services.create_in_ses(tenant_id=tenant.pk)
        except Exception as error:  # noqa: BLE001  the test checks whatever was raised
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    tenant.refresh_from_db()
    assert (tenant.stage, tenant.standing) == (TenantStage.READY, TenantStatus.ACTIVE)
    assert [row["TenantName"] for row in aws.client("sesv2").list_tenants()["Tenants"]] == [tenant.name]
    assert resources_in_ses(tenant.name) == {f"configuration-set/{tenant.name}"}
    assert Change.objects.filter(object_id=tenant.pk, what="tenant.created").count() == 1
