"""Migrate customers into tenants, completely or shown as partial; resumable and reversible."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, MigrationItem, MigrationState
from operations.tenant_migration import services as tenant_migration_services
from operations.tenant_migration.core import MigrationStepState
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.resources import services as resources_services
from tests.factories import make_staff
from tests.operations.factories import (
    make_ready,
    make_sender,
    migrate,
    ses_call_counts,
    start_migration,
    tenants_in_ses,
)
from tests.tenants.factories import pause_tenant

pytestmark = pytest.mark.django_db


def test_a_migrated_customer_has_a_tenant_with_all_its_identities(sandbox: Sandbox) -> None:
    customer = make_sender("Northwind", domains=3)
    migration = migrate(customer)
    item = migration.items.get()
    assert (migration.state, item.state, item.problem) == (MigrationState.DONE, ItemState.DONE, "")
    tenant = Tenant.objects.get(customer=customer)
    assert tenant.sends_since is not None
    expected = {aws.identity_arn(domain.name) for domain in Domain.objects.filter(customer=customer)}
    (resources,) = tenants_in_ses().values()
    assert expected < resources
    assert len(resources) == 4
    assert set(Domain.objects.filter(customer=customer).values_list("tenant", flat=True)) == {tenant.pk}
    assert {step.state for step in item.steps.all()} == {MigrationStepState.DONE}


def test_migrating_many_customers_costs_six_calls_each_and_three_for_each_domain(sandbox: Sandbox) -> None:
    customers = [make_sender(domains=3) for _ in range(10)]
    sandbox.control.clear_calls()
    migration = migrate(*customers)
    assert migration.state == MigrationState.DONE
    lists = 1  # of identities
    assert sum(ses_call_counts(sandbox).values()) <= 10 * (6 + 3 * 3) + lists, ses_call_counts(sandbox)


def test_a_customer_is_done_only_together_with_its_last_steps(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The item's page polls only until the item is done, so it must then show the final state."""
    customer = make_sender(domains=1)
    store_steps = migration_steps_services.store_steps

    def fail_at_the_end(item: MigrationItem, *arguments: Any) -> None:
        if item.state == ItemState.DONE:
            raise KeyboardInterrupt
        store_steps(item, *arguments)

    monkeypatch.setattr(migration_steps_services, "store_steps", fail_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        migrate(customer)
    assert MigrationItem.objects.get(customer=customer).state == ItemState.RUNNING
    monkeypatch.undo()
    migration_steps_services.work()
    item = MigrationItem.objects.get(customer=customer)
    assert item.state == ItemState.DONE
    assert {step.state for step in item.steps.all()} == {MigrationStepState.DONE}


def test_a_rollback_asked_while_the_worker_is_at_it_is_not_lost(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = make_sender(domains=1)
    done, pressed = migration_steps_services.done, list[bool]()

    def press_meanwhile(item: MigrationItem, *arguments: Any) -> None:
        done(item, *arguments)
        if not pressed:
            pressed.append(True)
            tenant_migration_services.roll_back(migration=item.migration, actor=None, because="not today", item=item)

    monkeypatch.setattr(migration_steps_services, "done", press_meanwhile)
    item = migrate(customer).items.get()
    assert (pressed, item.state) == ([True], ItemState.ROLLED_BACK)
    assert Tenant.objects.get(customer=customer).sends_since is None
    assert not Domain.objects.exclude(tenant=None).exists()


def test_a_customer_that_was_cancelled_since_it_was_read_is_not_begun(sandbox: Sandbox) -> None:
    choice = tenant_migration_services.one(make_sender(domains=1))
    migration = tenant_migration_services.plan_migration(choice=choice, actor=None)
    tenant_migration_services.start(migration=migration, actor=None)
    item = migration.items.get()
    tenant_migration_services.cancel(migration=migration, actor=None)
    sandbox.control.clear_calls()
    migration_steps_services.migrate_customer(item)
    item.refresh_from_db()
    assert (item.state, ses_call_counts(sandbox)) == (ItemState.CANCELLED, {})


def test_a_second_run_makes_no_call(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    migrate(customer)
    sandbox.control.clear_calls()
    migration_steps_services.work()
    assert ses_call_counts(sandbox) == {}
    with pytest.raises(Refused, match="No customers to migrate"):
        tenant_migration_services.plan_migration(choice=tenant_migration_services.all_of_them(), actor=None)


def test_an_identity_in_another_tenant_fails_only_its_own_customer(sandbox: Sandbox) -> None:
    blocked, free = make_sender("Held", domains=2), make_sender("Free", domains=2)
    client = aws.client("sesv2")
    client.create_tenant(TenantName="by-hand")
    domain = Domain.objects.filter(customer=blocked).order_by("name").first()
    assert domain is not None
    client.create_tenant_resource_association(TenantName="by-hand", ResourceArn=aws.identity_arn(domain.name))
    migration = migrate(blocked, free)
    states = dict(migration.items.values_list("customer__name", "state"))
    assert states == {"Held": ItemState.FAILED, "Free": ItemState.DONE}
    item = migration.items.get(customer=blocked)
    assert "another tenant" in item.problem
    assert Tenant.objects.get(customer=blocked).sends_since is None
    client.delete_tenant_resource_association(TenantName="by-hand", ResourceArn=aws.identity_arn(domain.name))
    tenant_migration_services.retry(migration=migration, actor=None)
    migration_steps_services.work()
    item.refresh_from_db()
    assert (item.state, item.problem) == (ItemState.DONE, "")


def test_a_single_migration_reads_the_tenant_of_an_adopted_identity(sandbox: Sandbox) -> None:
    customer = make_sender(domains=0)
    make_ready("adopted.example", customer, adopted=True)
    client = aws.client("sesv2")
    client.create_tenant(TenantName="by-hand")
    client.create_tenant_resource_association(TenantName="by-hand", ResourceArn=aws.identity_arn("adopted.example"))
    item = migrate(customer).items.get()
    assert item.state == ItemState.FAILED
    assert "by-hand" not in item.problem


def test_the_default_configuration_set_of_an_adopted_identity_is_associated(sandbox: Sandbox) -> None:
    customer = make_sender(domains=0)
    make_ready("adopted.example", customer, adopted=True)
    client = aws.client("sesv2")
    client.create_configuration_set(ConfigurationSetName="of-old")
    client.put_email_identity_configuration_set_attributes(
        EmailIdentity="adopted.example", ConfigurationSetName="of-old"
    )
    item = migrate(customer).items.get()
    assert item.state == ItemState.DONE, item.problem
    (resources,) = tenants_in_ses().values()
    assert any(arn.endswith("configuration-set/of-old") for arn in resources)


def test_after_a_rollback_the_customer_sends_as_before_and_can_be_migrated_again(sandbox: Sandbox) -> None:
    customer = make_sender(domains=2)
    migration = migrate(customer)
    tenant_migration_services.roll_back(migration=migration, actor=None, because="Mail bounced")
    migration_steps_services.work()
    item = migration.items.get()
    assert (item.state, item.problem) == (ItemState.ROLLED_BACK, "")
    tenant = Tenant.objects.get(customer=customer)
    assert tenant.sends_since is None
    assert not Domain.objects.filter(tenant=tenant).exists()
    (resources,) = tenants_in_ses().values()
    assert [arn.rpartition(":")[2].partition("/")[0] for arn in resources] == ["configuration-set"]
    tenant_migration_services.retry(migration=migration, actor=None, item=item)
    migration_steps_services.work()
    item.refresh_from_db()
    assert item.state == ItemState.DONE, item.problem
    assert Tenant.objects.get(customer=customer).sends_since is not None


def test_a_rollback_leaves_paused_customers_in_their_tenants(sandbox: Sandbox) -> None:
    paused, other = make_sender(domains=1), make_sender(domains=1)
    migration = migrate(paused, other)
    pause_tenant(Tenant.objects.get(customer=paused))
    assert tenant_migration_services.roll_back(migration=migration, actor=None, because="Mail bounced") == 1
    migration_steps_services.work()
    states = dict(migration.items.values_list("customer", "state"))
    assert states == {paused.pk: ItemState.DONE, other.pk: ItemState.ROLLED_BACK}
    assert Domain.objects.get(customer=paused).tenant == Tenant.objects.get(customer=paused)
    with pytest.raises(Refused, match=f"Sending is paused for {paused}") as refused:
        tenant_migration_services.roll_back(migration=migration, actor=None, because="Mail bounced")
    assert refused.value.code == "TENANT_PAUSED"


@pytest.mark.parametrize("layer", ["amazon_status", "aggregate"])
def test_a_rollback_leaves_customers_that_aws_suspends_in_their_tenants(sandbox: Sandbox, layer: str) -> None:
    customer = make_sender(domains=1)
    migration = migrate(customer)
    Tenant.objects.filter(customer=customer).update(**{layer: "DISABLED"})
    with pytest.raises(Refused, match="Sending is paused"):
        tenant_migration_services.roll_back(migration=migration, actor=None, because="Mail bounced")


def test_a_pause_after_the_request_stops_the_rollback_before_the_switch(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    migration = migrate(customer)
    tenant_migration_services.roll_back(migration=migration, actor=None, because="Mail bounced")
    pause_tenant(Tenant.objects.get(customer=customer), applied=False)
    migration_steps_services.work()
    item = migration.items.get()
    assert (item.state, "The rollback failed: Sending is paused" in item.problem) == (ItemState.FAILED, True)
    assert Domain.objects.get(customer=customer).tenant is not None


def test_a_paused_migration_starts_no_customer_and_a_cancelled_one_marks_the_rest(sandbox: Sandbox) -> None:
    customers = [make_sender(domains=1) for _ in range(3)]
    migration = start_migration(*customers)
    tenant_migration_services.pause(migration=migration, actor=None)
    migration_steps_services.work()
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.WAITING}
    tenant_migration_services.cancel(migration=migration, actor=None)
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.CANCELLED}
    assert tenants_in_ses() == {}


def test_only_operators_can_migrate() -> None:
    tess = make_staff(Role.TRUST_AND_SAFETY)
    with pytest.raises(Refused, match="operators"):
        tenant_migration_services.plan_migration(
            choice=tenant_migration_services.one(make_sender(domains=0)), actor=tess
        )


def test_a_migration_keeps_its_hourly_limit(sandbox: Sandbox) -> None:
    for _ in range(3):
        make_sender(domains=0)
    migration = start_migration(choice=tenant_migration_services.all_of_them(), at_most_per_hour=2)
    now = timezone.now()
    migration_steps_services.work(now=lambda: now)
    migration.refresh_from_db()
    states = list(migration.items.order_by("number").values_list("state", flat=True))
    assert states == [ItemState.DONE, ItemState.DONE, ItemState.WAITING]
    assert "limit of 2 customers per hour" in migration.waits_because
    tenant_migration_services.pause(migration=migration, actor=make_staff(Role.OPERATOR))
    migration_steps_services.work(now=lambda: now)
    migration.refresh_from_db()
    assert (migration.state, migration.waits_because) == (MigrationState.PAUSED, "")
    tenant_migration_services.resume(migration=migration, actor=make_staff(Role.OPERATOR))
    migration_steps_services.work(now=lambda: now + timedelta(minutes=61))
    migration.refresh_from_db()
    assert (migration.state, migration.waits_because) == (MigrationState.DONE, "")


def test_a_migration_waits_while_ses_does_not_answer_and_says_why(sandbox: Sandbox) -> None:
    migration = start_migration(make_sender(domains=1))
    sandbox.control.add_fault("throttle", times=6)
    with pytest.raises(AwsProblem):
        migration_steps_services.work()
    migration.refresh_from_db()
    item = migration.items.get()
    assert (migration.state, item.state) == (MigrationState.RUNNING, ItemState.RUNNING)
    assert item.problem == migration.waits_because != ""
    sandbox.control.clear_faults()
    migration_steps_services.work()
    item.refresh_from_db()
    assert (item.state, item.problem) == (ItemState.DONE, "")


def test_an_unexpected_error_of_one_customer_fails_it_alone(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    odd, other = make_sender(domains=1), make_sender(domains=1)
    arn, requested = aws.identity_arn(odd.domains.get().name), resources_services.request_association

    def request_association(**given: Any) -> None:
        if given["arn"] == arn:
            raise ValueError("nobody thought of it")
        requested(**given)

    monkeypatch.setattr(resources_services, "request_association", request_association)
    migration = migrate(odd, other)
    states = dict(migration.items.values_list("customer", "state"))
    assert states == {odd.pk: ItemState.FAILED, other.pk: ItemState.DONE}
    assert "internal error" in migration.items.get(customer=odd).problem
    monkeypatch.undo()
    tenant_migration_services.retry(migration=migration, actor=None)
    migration_steps_services.work()
    assert migration.items.get(customer=odd).state == ItemState.DONE
