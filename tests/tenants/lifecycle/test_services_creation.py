"""A customer's tenant: wished for, made at Amazon, adopted."""

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
from tests.tenants.factories import entity_at_amazon, jobs_of, make_tenant, resources_at_amazon, set_up_tenant

pytestmark = pytest.mark.django_db


def test_a_wish_is_a_row_and_a_job_and_no_call(sandbox: Sandbox) -> None:
    alice = make_customer("Alice & Söhne")
    tenant = lifecycle_services.create_tenant(customer=alice, actor=make_staff(Role.OPERATOR))
    assert tenant.name == f"alice-sohne-{tenant.pk[-8:]}"
    assert tenant.stage == TenantStage.CREATING
    assert tenant.standing == TenantStatus.UNKNOWN
    assert jobs_of(tenant) == ["tenants.create"]
    assert sandbox.control.call_counts() == {}


def test_it_is_created_with_an_explicit_policy_and_a_configuration_set_of_its_own(sandbox: Sandbox) -> None:
    tenant = set_up_tenant(policy="strict")
    assert (tenant.stage, tenant.standing, tenant.stage_problem) == (TenantStage.READY, TenantStatus.ACTIVE, "")
    assert entity_at_amazon(tenant)["ReputationManagementPolicy"].endswith("reputation-policy/strict")
    assert resources_at_amazon(tenant.name) == {f"configuration-set/{tenant.configuration_set}"}
    assert tenant.set_sends is True
    assert all((tenant.ses_id, tenant.arn, tenant.ses_created_at))
    assert TenantResource.objects.get(tenant=tenant).associated_at is not None


def test_it_takes_five_calls(sandbox: Sandbox) -> None:
    aws.account_id()
    sandbox.control.clear_calls()
    set_up_tenant()
    assert sum(sandbox.control.call_counts().values()) == 5


def test_the_log_says_who_wished_it_and_what_was_made(sandbox: Sandbox) -> None:
    olga = make_staff(Role.OPERATOR)
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=olga)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    added, created = Change.objects.filter(object_id=tenant.pk).order_by("pk")
    assert (added.what, added.actor_name) == ("tenant.added", olga.email)
    assert created.what == "tenant.created"
    assert len(created.aws_request_ids) == 4  # of what was made; the look after it is none of them


def test_a_customer_has_one_tenant(sandbox: Sandbox) -> None:
    tenant = make_tenant()
    with pytest.raises(Refused, match="already has tenant") as refused:
        lifecycle_services.create_tenant(customer=tenant.customer, actor=None)
    assert refused.value.code == "TENANT_EXISTS"


def test_support_may_not_create_one(sandbox: Sandbox) -> None:
    with pytest.raises(NotAllowed):
        lifecycle_services.create_tenant(customer=make_customer(), actor=make_staff(Role.SUPPORT))


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(Refused, match="is not a reputation policy"):
        lifecycle_services.create_tenant(customer=make_customer(), actor=None, policy="lenient")


def test_a_name_that_somebody_else_has_at_amazon_is_not_taken(sandbox: Sandbox) -> None:
    tenant = lifecycle_services.create_tenant(customer=make_customer("Bob"), actor=None)
    aws.client("sesv2").create_tenant(TenantName=tenant.name)
    aws.client("sesv2").create_configuration_set(ConfigurationSetName=tenant.name)
    theirs = tenant.name
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.READY
    assert tenant.name.startswith("bob-")
    assert tenant.name != theirs
    assert resources_at_amazon(theirs) == set()


def test_a_configuration_set_of_somebody_else_is_not_taken(sandbox: Sandbox) -> None:
    tenant = lifecycle_services.create_tenant(customer=make_customer("Bob"), actor=None)
    aws.client("sesv2").create_configuration_set(ConfigurationSetName=tenant.name)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.READY
    assert tenant.configuration_set != tenant.name
    assert resources_at_amazon(tenant.name) == {f"configuration-set/{tenant.configuration_set}"}


def test_what_keeps_it_is_shown_and_it_goes_on_later(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_full_account_says_so(sandbox: Sandbox) -> None:
    sandbox.control.set_limits(tenants=1)
    set_up_tenant()
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=None)
    with pytest.raises(AwsProblem):
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert "an AWS quota is used up" in tenant.stage_problem


def by_hand(name: str, *resources: str) -> None:
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


def test_a_tenant_made_by_hand_is_adopted_as_it_is(sandbox: Sandbox) -> None:
    by_hand("alice", "configuration-set/events", "identity/alice.com")
    tenant = lifecycle_services.adopt_tenant(customer=make_customer(), name="alice", actor=make_staff(Role.OPERATOR))
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.stage, tenant.configuration_set, tenant.policy) == (TenantStage.READY, "events", "none")
    assert entity_at_amazon(tenant)["ReputationManagementPolicy"].endswith("reputation-policy/none")
    rows = TenantResource.objects.filter(tenant=tenant, associated_at__isnull=False).values_list("name", flat=True)
    assert sorted(rows) == ["alice.com", "events"]
    assert Change.objects.filter(object_id=tenant.pk, what="tenant.adopted").exists()


def test_an_adopted_tenant_without_a_configuration_set_gets_one(sandbox: Sandbox) -> None:
    by_hand("alice")
    tenant = lifecycle_services.adopt_tenant(
        customer=make_customer("Alice"), name="alice", actor=make_staff(Role.OPERATOR)
    )
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.configuration_set.startswith("alice-")
    assert resources_at_amazon("alice") == {f"configuration-set/{tenant.configuration_set}"}


def test_an_identity_of_anothers_tenant_is_not_taken_over_with_an_adopted_one(sandbox: Sandbox) -> None:
    by_hand("alice", "identity/shared.com")
    bob = make_tenant()
    TenantResource.objects.create(tenant=bob, kind="identity", arn=aws.identity_arn("shared.com"), name="shared.com")
    tenant = lifecycle_services.adopt_tenant(customer=make_customer(), name="alice", actor=make_staff(Role.OPERATOR))
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    assert not TenantResource.objects.filter(tenant=tenant, kind="identity").exists()


def test_what_amazon_does_not_know_cannot_be_adopted(sandbox: Sandbox) -> None:
    with pytest.raises(Refused, match="has no tenant nobody"):
        lifecycle_services.adopt_tenant(customer=make_customer(), name="nobody", actor=make_staff(Role.OPERATOR))
    assert not Tenant.objects.exists()


def test_a_tenant_of_another_customer_cannot_be_adopted(sandbox: Sandbox) -> None:
    alice = set_up_tenant()
    with pytest.raises(Refused, match="another customer"):
        lifecycle_services.adopt_tenant(customer=make_customer(), name=alice.name, actor=make_staff(Role.OPERATOR))


@pytest.mark.parametrize("policy", ["standard", "none"])
def test_the_policy_of_new_tenants_is_a_setting(sandbox: Sandbox, settings: Settings, policy: str) -> None:
    settings.TENANT_POLICY = policy
    assert set_up_tenant().ses_policy == policy


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_tenant(sandbox: Sandbox) -> None:
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=None)
    aws.account_id()
    both, failures = Barrier(2), []

    def work() -> None:
        both.wait()
        try:
            lifecycle_services.create_in_ses(tenant_id=tenant.pk)
        except Exception as error:  # noqa: BLE001  the test looks at whatever came out
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
    assert resources_at_amazon(tenant.name) == {f"configuration-set/{tenant.name}"}
    assert Change.objects.filter(object_id=tenant.pk, what="tenant.created").count() == 1
