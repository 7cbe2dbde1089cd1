"""Differences between tenants in SES and our rows are found, decided, and closed once fixed."""

from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.identity import services as identity_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.drift.core import TENANTS_AREA, Decision
from operations.drift_store import services as drift_store_services
from operations.models import Difference, DriftCheck
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantResource, TenantStage
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready, make_sender, migrate, resources_in_ses, tenants_in_ses

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.ADMIN)  # a status requires Trust & Safety, all else an operator


def migrate_customer(name: str = "Northwind") -> tuple[Customer, Tenant]:
    customer = make_sender(name, domains=2)
    migrate(customer)
    return customer, Tenant.objects.get(customer=customer)


def check_and_list() -> list[Difference]:
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    return list(Difference.objects.filter(gone_at=None))


def check_and_get_one() -> Difference:
    (found,) = check_and_list()
    return found


def run_tenant_jobs(tenant: Tenant) -> None:
    """Run the next jobs of the app tenants."""
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    policy_services.apply_policy(tenant_id=tenant.pk)
    resources_services.apply_associations(tenant_id=tenant.pk)
    pause_services.apply_status(tenant_id=tenant.pk)


def policy_arn(name: str) -> str:
    return f"arn:aws:ses:{aws.client('sesv2').meta.region_name}:aws:reputation-policy/{name}"


def set_policy_in_ses(tenant: Tenant, name: str) -> None:
    aws.client("sesv2").update_reputation_entity_policy(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, ReputationEntityPolicy=policy_arn(name)
    )


def pause_in_ses(tenant: Tenant) -> None:
    aws.client("sesv2").update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, SendingStatus="DISABLED"
    )


def test_equal_tenants_have_no_difference(sandbox: Sandbox) -> None:
    migrate_customer()
    assert check_and_list() == []
    look = DriftCheck.objects.get()
    assert (look.tenants, look.problem, look.asked_at) == (1, "", None)
    assert look.calls == 3 + 2  # the default configuration set of each identity


def test_a_check_asked_for_during_a_check_is_not_lost(sandbox: Sandbox) -> None:
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.check_next(now=timezone.now() - timedelta(minutes=1))
    assert DriftCheck.objects.get().asked_at is not None
    tenant_drift_services.work()
    assert DriftCheck.objects.get().asked_at is None


def test_a_manual_policy_change_is_adopted_or_reverted(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrate_customer()
    set_policy_in_ses(tenant, "none")
    found = check_and_get_one()
    assert (found.kind, found.found, found.wanted) == ("policy", {"policy": "none"}, {"policy": "standard"})
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    run_tenant_jobs(tenant)
    tenant_drift_services.work()
    assert not Difference.objects.filter(gone_at=None).exists()
    set_policy_in_ses(tenant, "strict")
    tenant_drift_services.adopt(difference=check_and_get_one(), because="as agreed with them", actor=olga)
    tenant.refresh_from_db()
    assert tenant.policy == "strict"
    assert check_and_list() == []


def test_a_manual_pause_is_adopted_or_reverted(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrate_customer()
    pause_in_ses(tenant)
    found = check_and_get_one()
    assert "was not paused here" in found.sentence
    tenant_drift_services.restore(difference=found, because="a mistake at the console", actor=olga)
    run_tenant_jobs(tenant)
    assert check_and_list() == []
    pause_in_ses(tenant)
    tenant_drift_services.adopt(difference=check_and_get_one(), because="they send spam", actor=olga)
    tenant.refresh_from_db()
    assert tenant.is_paused
    assert check_and_list() == []


def test_a_missing_association_is_restored(sandbox: Sandbox, olga: User) -> None:
    customer, tenant = migrate_customer()
    arn = aws.identity_arn(customer.domains.order_by("name")[0].name)
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=arn)
    found = check_and_get_one()
    assert (found.kind, found.subject, found.may_adopt) == ("not_associated", arn, False)
    tenant_drift_services.restore(difference=found, because="it must send", actor=olga)
    run_tenant_jobs(tenant)
    tenant_drift_services.work()
    assert arn in resources_in_ses(tenant.name)
    assert not Difference.objects.filter(gone_at=None).exists()


def test_another_customers_identity_can_only_be_removed_from_the_tenant(sandbox: Sandbox, olga: User) -> None:
    _, alices = migrate_customer("Alice")
    bob, _ = migrate_customer("Bob")
    arn = aws.identity_arn(bob.domains.order_by("name")[0].name)
    aws.client("sesv2").create_tenant_resource_association(TenantName=alices.name, ResourceArn=arn)
    found = check_and_get_one()
    assert (found.kind, found.may_adopt, found.may_restore) == ("also_associated", False, True)
    with pytest.raises(Refused, match="can’t be accepted"):
        tenant_drift_services.adopt(difference=found, because="x", actor=olga)
    tenant_drift_services.restore(difference=found, because="one identity, one tenant", actor=olga)
    tenant_drift_services.work()
    assert arn not in resources_in_ses(alices.name)
    assert not Difference.objects.filter(gone_at=None).exists()


def test_a_deleted_tenant_is_restored_with_its_associations(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrate_customer()
    before = resources_in_ses(tenant.name)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    found = check_and_get_one()
    assert found.kind == "missing"
    tenant_drift_services.restore(difference=found, because="it was deleted by mistake", actor=olga)
    run_tenant_jobs(tenant)
    assert resources_in_ses(tenant.name) == before
    assert check_and_list() == []
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.READY


def test_a_manually_recreated_tenant_is_adopted(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrate_customer()
    before, client = resources_in_ses(tenant.name), aws.client("sesv2")
    client.delete_tenant(TenantName=tenant.name)
    client.create_tenant(TenantName=tenant.name)
    found = check_and_get_one()
    assert (found.kind, found.may_adopt) == ("replaced", True)
    tenant_drift_services.adopt(difference=found, because="the new one is fine", actor=olga)
    run_tenant_jobs(tenant)
    assert resources_in_ses(tenant.name) == before
    assert check_and_list() == []


def test_an_unknown_tenant_is_offered_to_the_owner_of_its_identities(sandbox: Sandbox, olga: User) -> None:
    customer = make_customer("Northwind")
    make_ready("northwind.example", customer)
    client = aws.client("sesv2")
    client.create_tenant(TenantName="by-hand")
    arn = aws.identity_arn("northwind.example")
    client.create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    found = check_and_get_one()
    assert (found.kind, found.customer) == ("unknown", customer)
    with pytest.raises(Refused, match="Choose the customer"):
        tenant_drift_services.adopt(difference=found, because="x", actor=olga)
    tenant_drift_services.adopt(difference=found, because="it is theirs", actor=olga, customer=customer)
    tenant = Tenant.objects.get(customer=customer)
    run_tenant_jobs(tenant)
    assert check_and_list() == []
    assert arn in tenants_in_ses()["by-hand"]


def test_an_unknown_tenant_whose_difference_is_gone_is_adopted_for_nobody(sandbox: Sandbox, olga: User) -> None:
    customer = make_customer("Northwind")
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    found = check_and_get_one()
    Difference.objects.update(gone_at=timezone.now())
    with pytest.raises(Refused, match="no longer exists"):
        tenant_drift_services.adopt(difference=found, because="theirs", actor=olga, customer=customer)
    assert not Tenant.objects.filter(customer=customer).exists()


def test_an_ignored_difference_stays_ignored_until_it_changes(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrate_customer()
    set_policy_in_ses(tenant, "none")
    found = check_and_get_one()
    tenant_drift_services.ignore(difference=found, because="a test of theirs", actor=olga)
    again = check_and_get_one()
    assert (again.pk, again.decision, again.because) == (found.pk, Decision.IGNORE, "a test of theirs")
    set_policy_in_ses(tenant, "strict")
    changed = check_and_get_one()
    assert (changed.pk != found.pk, changed.decision) == (True, "")


def test_a_failed_check_changes_no_difference(sandbox: Sandbox) -> None:
    _, tenant = migrate_customer()
    set_policy_in_ses(tenant, "none")
    found = check_and_get_one()
    sandbox.control.add_fault("error", "ListTenantResources", times=5)
    drift_store_services.request_check(TENANTS_AREA)
    with pytest.raises(AwsProblem):
        tenant_drift_services.work()
    look, found = DriftCheck.objects.get(), Difference.objects.get(pk=found.pk)
    assert (look.problem != "", look.asked_at is not None, found.gone_at) == (True, True, None)


def _by_name(tenants: list[Tenant]) -> list[Tenant]:
    return sorted(tenants, key=lambda tenant: tenant.name)


def test_an_error_during_a_check_keeps_its_results_and_position(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_drift_services, "PART", 1)
    first, second, third = _by_name([migrate_customer(name)[1] for name in ("Northwind", "Harbour", "Maple")])
    for tenant in (first, second, third):
        set_policy_in_ses(tenant, "none")
    sandbox.control.add_fault("denied", "ListTenantResources", nth=2)
    with pytest.raises(AwsProblem):
        check_and_list()
    assert [row.place for row in Difference.objects.filter(gone_at=None)] == [first.name]
    assert DriftCheck.objects.get().place == first.name
    tenant_drift_services.work()
    assert {row.place for row in Difference.objects.filter(gone_at=None)} == {first.name, second.name, third.name}
    look = DriftCheck.objects.get()
    assert (look.place, look.problem, look.asked_at) == ("", "", None)


def test_a_nightly_check_covers_a_part_and_the_next_one_continues(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_drift_services, "PART", 1)
    monkeypatch.setattr(tenant_drift_services, "MOST_AT_ONCE", 2)
    first, second, third = _by_name([migrate_customer(name)[1] for name in ("Northwind", "Harbour", "Maple")])
    for tenant in (first, third):
        set_policy_in_ses(tenant, "none")
    assert [row.place for row in check_and_list()] == [first.name]
    look = DriftCheck.objects.get()
    assert (look.place, look.at, look.asked_at) == (second.name, None, None)
    assert [row.place for row in check_and_list()] == [first.name, third.name]
    again = DriftCheck.objects.get()
    assert (again.place, again.at) == ("", look.began_at)
    aws.client("sesv2").delete_tenant(TenantName=second.name)
    assert {row.kind for row in check_and_list()} == {"policy", "missing"}


def test_a_change_during_the_check_is_read_again(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrate_customer()
    listed = tenant_drift_services._RemoteTenants.read()
    policy_services.change_policy(tenant=tenant, policy="strict", because="they asked", actor=olga)
    run_tenant_jobs(tenant)
    assert tenant_drift_services._check_part(listed, frozenset((tenant.name,)), now=listed.asked_at) == 0


def test_only_operators_decide(sandbox: Sandbox) -> None:
    _, tenant = migrate_customer()
    set_policy_in_ses(tenant, "none")
    found = check_and_get_one()
    for role in (Role.SUPPORT, Role.TRUST_AND_SAFETY):
        with pytest.raises(Refused, match="Ask an operator"):
            tenant_drift_services.ignore(difference=found, because="x", actor=make_staff(role))
    assert ProcrastinateJob.objects.filter(task_name="operations.look").exists()


def set_default(identity: str, name: str) -> str:
    client = aws.client("sesv2")
    client.create_configuration_set(ConfigurationSetName=name)
    client.put_email_identity_configuration_set_attributes(EmailIdentity=identity, ConfigurationSetName=name)
    return aws.identity_arn("").removesuffix("identity/") + f"configuration-set/{name}"


def test_a_restored_association_brings_the_default_set_of_the_identity(sandbox: Sandbox, olga: User) -> None:
    """A domain that was imported to a customer whose sends already name the tenant."""
    customer, tenant = migrate_customer()
    make_ready("extra.example", customer, adopted=True)
    arn = set_default("extra.example", "legacy-shared")
    outside = check_and_get_one()
    tenant_drift_services.restore(difference=outside, because="theirs", actor=olga)
    run_tenant_jobs(tenant)
    assert {aws.identity_arn("extra.example"), arn} < resources_in_ses(tenant.name)
    assert check_and_list() == []


def test_an_accepted_association_brings_the_default_set_of_the_identity(sandbox: Sandbox, olga: User) -> None:
    customer, tenant = migrate_customer()
    make_ready("extra.example", customer, adopted=True)
    arn = set_default("extra.example", "legacy-shared")
    aws.client("sesv2").create_tenant_resource_association(
        TenantName=tenant.name, ResourceArn=aws.identity_arn("extra.example")
    )
    (found,) = [each for each in check_and_list() if each.kind == "also_associated"]
    tenant_drift_services.adopt(difference=found, because="theirs", actor=olga)
    assert ProcrastinateJob.objects.filter(task_name="tenants.associate", status="todo").exists()
    run_tenant_jobs(tenant)
    assert arn in resources_in_ses(tenant.name)


def test_an_identity_below_a_migrated_customers_domain_is_outside_until_it_is_associated(
    sandbox: Sandbox, olga: User
) -> None:
    customer, tenant = migrate_customer()
    name = f"sales@{customer.domains.order_by('name')[0].name}"
    aws.client("sesv2").create_email_identity(EmailIdentity=name)
    identity_services.read_sub_identities()
    outside = check_and_get_one()
    assert (outside.kind, outside.subject) == ("outside", aws.identity_arn(name))
    tenant_drift_services.restore(difference=outside, because="theirs", actor=olga)
    run_tenant_jobs(tenant)
    assert aws.identity_arn(name) in resources_in_ses(tenant.name)
    assert check_and_list() == []


def test_a_check_queues_reads_of_default_sets_that_an_earlier_version_never_read(sandbox: Sandbox) -> None:
    customer, tenant = migrate_customer()
    arn = set_default(customer.domains.order_by("name")[0].name, "put-by-hand")
    TenantResource.objects.filter(tenant=tenant).update(default_read_at=None)
    ProcrastinateJob.objects.all().delete()
    check_and_list()
    assert ProcrastinateJob.objects.filter(task_name="tenants.associate", status="todo").count() == 1
    run_tenant_jobs(tenant)
    assert arn in resources_in_ses(tenant.name)
