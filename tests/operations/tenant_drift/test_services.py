"""Differences between Amazon's tenants and our rows: seen, decided, and gone when they are mended."""

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer, User
from accounts.roles import Role
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.drift.core import Decision
from operations.models import Difference, DriftCheck
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantStage
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready, make_sender, migrate, resources_at_amazon, tenants_at_amazon

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.ADMIN)  # a status is for Trust & Safety, all else for operators


def migrated(name: str = "Northwind") -> tuple[Customer, Tenant]:
    customer = make_sender(name, domains=2)
    migrate(customer)
    return customer, Tenant.objects.get(customer=customer)


def looked() -> list[Difference]:
    tenant_drift_services.request_check()
    tenant_drift_services.work()
    return list(Difference.objects.filter(gone_at=None))


def the_only() -> Difference:
    (found,) = looked()
    return found


def work_of_tenants(tenant: Tenant) -> None:
    """What the worker of the tenants' app does next."""
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    policy_services.apply_policy(tenant_id=tenant.pk)
    resources_services.apply_associations(tenant_id=tenant.pk)
    pause_services.apply_status(tenant_id=tenant.pk)


def policy_arn(name: str) -> str:
    return f"arn:aws:ses:{aws.client('sesv2').meta.region_name}:aws:reputation-policy/{name}"


def set_policy_by_hand(tenant: Tenant, name: str) -> None:
    aws.client("sesv2").update_reputation_entity_policy(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, ReputationEntityPolicy=policy_arn(name)
    )


def pause_by_hand(tenant: Tenant) -> None:
    aws.client("sesv2").update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, SendingStatus="DISABLED"
    )


def test_where_nothing_differs_nothing_is_shown(sandbox: Sandbox) -> None:
    migrated()
    assert looked() == []
    look = DriftCheck.objects.get()
    assert (look.tenants, look.problem, look.asked_at) == (1, "", None)
    assert look.calls == 3


def test_a_policy_is_taken_over_or_undone(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrated()
    set_policy_by_hand(tenant, "none")
    found = the_only()
    assert (found.kind, found.found, found.wanted) == ("policy", {"policy": "none"}, {"policy": "standard"})
    tenant_drift_services.restore(difference=found, because="ours", actor=olga)
    work_of_tenants(tenant)
    tenant_drift_services.work()
    assert not Difference.objects.filter(gone_at=None).exists()
    set_policy_by_hand(tenant, "strict")
    tenant_drift_services.adopt(difference=the_only(), because="as agreed with them", actor=olga)
    tenant.refresh_from_db()
    assert tenant.policy == "strict"
    assert looked() == []


def test_a_pause_by_hand_is_taken_over_or_undone(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrated()
    pause_by_hand(tenant)
    found = the_only()
    assert "was not paused here" in found.sentence
    tenant_drift_services.restore(difference=found, because="a mistake at the console", actor=olga)
    work_of_tenants(tenant)
    assert looked() == []
    pause_by_hand(tenant)
    tenant_drift_services.adopt(difference=the_only(), because="they send spam", actor=olga)
    tenant.refresh_from_db()
    assert tenant.is_paused
    assert looked() == []


def test_a_lost_association_is_made_again(sandbox: Sandbox, olga: User) -> None:
    customer, tenant = migrated()
    arn = aws.identity_arn(customer.domains.order_by("name")[0].name)
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=arn)
    found = the_only()
    assert (found.kind, found.subject, found.may_adopt) == ("not_associated", arn, False)
    tenant_drift_services.restore(difference=found, because="it must send", actor=olga)
    work_of_tenants(tenant)
    tenant_drift_services.work()
    assert arn in resources_at_amazon(tenant.name)
    assert not Difference.objects.filter(gone_at=None).exists()


def test_an_identity_of_another_customer_is_taken_out_again(sandbox: Sandbox, olga: User) -> None:
    _, alices = migrated("Alice")
    bob, _ = migrated("Bob")
    arn = aws.identity_arn(bob.domains.order_by("name")[0].name)
    aws.client("sesv2").create_tenant_resource_association(TenantName=alices.name, ResourceArn=arn)
    found = the_only()
    assert (found.kind, found.may_adopt, found.may_restore) == ("also_associated", False, True)
    with pytest.raises(Refused, match="can’t be accepted"):
        tenant_drift_services.adopt(difference=found, because="x", actor=olga)
    tenant_drift_services.restore(difference=found, because="one identity, one tenant", actor=olga)
    tenant_drift_services.work()
    assert arn not in resources_at_amazon(alices.name)
    assert not Difference.objects.filter(gone_at=None).exists()


def test_a_deleted_tenant_is_made_again_with_all_that_was_in_it(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrated()
    before = resources_at_amazon(tenant.name)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    found = the_only()
    assert found.kind == "missing"
    tenant_drift_services.restore(difference=found, because="it was deleted by mistake", actor=olga)
    work_of_tenants(tenant)
    assert resources_at_amazon(tenant.name) == before
    assert looked() == []
    tenant.refresh_from_db()
    assert tenant.stage == TenantStage.READY


def test_a_tenant_that_was_made_again_by_hand_is_taken(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrated()
    before, client = resources_at_amazon(tenant.name), aws.client("sesv2")
    client.delete_tenant(TenantName=tenant.name)
    client.create_tenant(TenantName=tenant.name)
    found = the_only()
    assert (found.kind, found.may_adopt) == ("replaced", True)
    tenant_drift_services.adopt(difference=found, because="the new one is fine", actor=olga)
    work_of_tenants(tenant)
    assert resources_at_amazon(tenant.name) == before
    assert looked() == []


def test_a_tenant_made_by_hand_is_offered_to_whom_its_identities_belong(sandbox: Sandbox, olga: User) -> None:
    customer = make_customer("Northwind")
    make_ready("northwind.example", customer)
    client = aws.client("sesv2")
    client.create_tenant(TenantName="by-hand")
    arn = aws.identity_arn("northwind.example")
    client.create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    found = the_only()
    assert (found.kind, found.customer) == ("unknown", customer)
    with pytest.raises(Refused, match="Choose the customer"):
        tenant_drift_services.adopt(difference=found, because="x", actor=olga)
    tenant_drift_services.adopt(difference=found, because="it is theirs", actor=olga, customer=customer)
    tenant = Tenant.objects.get(customer=customer)
    work_of_tenants(tenant)
    assert looked() == []
    assert arn in tenants_at_amazon()["by-hand"]


def test_what_is_left_with_a_reason_stays_left_until_it_changes(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrated()
    set_policy_by_hand(tenant, "none")
    found = the_only()
    tenant_drift_services.ignore(difference=found, because="a test of theirs", actor=olga)
    again = the_only()
    assert (again.pk, again.decision, again.because) == (found.pk, Decision.IGNORE, "a test of theirs")
    set_policy_by_hand(tenant, "strict")
    changed = the_only()
    assert (changed.pk != found.pk, changed.decision) == (True, "")


def test_a_look_that_failed_touches_no_difference(sandbox: Sandbox) -> None:
    _, tenant = migrated()
    set_policy_by_hand(tenant, "none")
    found = the_only()
    sandbox.control.add_fault("error", "ListTenantResources", times=5)
    tenant_drift_services.request_check()
    with pytest.raises(AwsProblem):
        tenant_drift_services.work()
    look, found = DriftCheck.objects.get(), Difference.objects.get(pk=found.pk)
    assert (look.problem != "", look.asked_at is not None, found.gone_at) == (True, True, None)


def _by_name(tenants: list[Tenant]) -> list[Tenant]:
    return sorted(tenants, key=lambda tenant: tenant.name)


def test_an_error_in_the_middle_keeps_what_was_found_and_the_place(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_drift_services, "PART", 1)
    first, second, third = _by_name([migrated(name)[1] for name in ("Northwind", "Harbour", "Maple")])
    for tenant in (first, second, third):
        set_policy_by_hand(tenant, "none")
    sandbox.control.add_fault("denied", "ListTenantResources", nth=2)
    with pytest.raises(AwsProblem):
        looked()
    assert [row.place for row in Difference.objects.filter(gone_at=None)] == [first.name]
    assert DriftCheck.objects.get().place == first.name
    tenant_drift_services.work()
    assert {row.place for row in Difference.objects.filter(gone_at=None)} == {first.name, second.name, third.name}
    look = DriftCheck.objects.get()
    assert (look.place, look.problem, look.asked_at) == ("", "", None)


def test_a_night_looks_at_a_part_and_the_next_goes_on_there(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_drift_services, "PART", 1)
    monkeypatch.setattr(tenant_drift_services, "MOST_AT_ONCE", 2)
    first, second, third = _by_name([migrated(name)[1] for name in ("Northwind", "Harbour", "Maple")])
    for tenant in (first, third):
        set_policy_by_hand(tenant, "none")
    assert [row.place for row in looked()] == [first.name]
    look = DriftCheck.objects.get()
    assert (look.place, look.at, look.asked_at) == (second.name, None, None)
    assert [row.place for row in looked()] == [first.name, third.name]
    again = DriftCheck.objects.get()
    assert (again.place, again.at) == ("", look.began_at)
    aws.client("sesv2").delete_tenant(TenantName=second.name)
    assert {row.kind for row in looked()} == {"policy", "missing"}


def test_what_changed_here_while_the_look_ran_is_read_anew(sandbox: Sandbox, olga: User) -> None:
    _, tenant = migrated()
    listed = tenant_drift_services._RemoteTenants.read()
    policy_services.change_policy(tenant=tenant, policy="strict", because="they asked", actor=olga)
    work_of_tenants(tenant)
    assert tenant_drift_services._check_part(listed, frozenset((tenant.name,)), now=listed.asked_at) == 0


def test_only_operators_decide(sandbox: Sandbox) -> None:
    _, tenant = migrated()
    set_policy_by_hand(tenant, "none")
    found = the_only()
    for role in (Role.SUPPORT, Role.TRUST_AND_SAFETY):
        with pytest.raises(Refused, match="Ask an operator"):
            tenant_drift_services.ignore(difference=found, because="x", actor=make_staff(role))
    assert ProcrastinateJob.objects.filter(task_name="operations.look").exists()
