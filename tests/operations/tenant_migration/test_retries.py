"""Retries and rollbacks: what failed is retried, nobody else is started, and each is recorded with its person."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer, User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import NotAllowed, Refused
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, Migration, MigrationItem, MigrationState
from operations.tenant_migration import selectors
from operations.tenant_migration import services as tenant_migration_services
from operations.tenant_migration.core import StepKind, plan
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant, TenantResource
from tenants.pause import services as pause_services
from tests.factories import make_staff
from tests.operations.factories import make_sender, migrate, resources_in_ses, ses_call_counts, start_migration
from tests.tenants.factories import make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db


def hold_in_another_tenant(customer: Customer) -> str:
    arn, client = aws.identity_arn(customer.domains.get().name), aws.client("sesv2")
    client.create_tenant(TenantName="by-hand")
    client.create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    return arn


def release(arn: str) -> None:
    aws.client("sesv2").delete_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)


def fail_a_rollback(customer: Customer, actor: User | None = None) -> Migration:
    """Migrate the customer, ask for the rollback, and pause their sending before the worker comes to it."""
    migration = migrate(customer)
    tenant_migration_services.roll_back(migration=migration, actor=actor, because="Customer asked")
    pause_tenant(Tenant.objects.get(customer=customer))
    migration_steps_services.work()
    assert migration.items.get().state == ItemState.FAILED
    return migration


def resume_sending(customer: Customer) -> None:
    tenant = Tenant.objects.get(customer=customer)
    pause_services.resume(tenant=tenant, actor=make_tess(), because="Settled.")
    pause_services.apply_status(tenant_id=tenant.pk)


def test_a_retry_leaves_a_paused_migration_paused(sandbox: Sandbox, client: Client) -> None:
    failing, waiting = make_sender("A", domains=1), make_sender("B", domains=1)
    arn = hold_in_another_tenant(failing)
    migration = start_migration(failing, waiting, at_most_per_hour=1)
    migration_steps_services.work()
    tenant_migration_services.pause(migration=migration, actor=None)
    release(arn)
    item = migration.items.get(customer=failing)
    client.force_login(make_staff(Role.OPERATOR))
    url = reverse("operations:migration_item", args=[migration.pk, item.pk])
    answer = client.post(url, {"do": "retry"}, follow=True)
    assert "stays paused" in answer.content.decode()
    migration_steps_services.work()
    migration.refresh_from_db()
    states = set(migration.items.values_list("state", flat=True))
    assert (migration.state, states) == (MigrationState.PAUSED, {ItemState.WAITING})
    Migration.objects.filter(pk=migration.pk).update(at_most_per_hour=None)
    tenant_migration_services.resume(migration=migration, actor=None)
    migration_steps_services.work()
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.DONE}


def test_the_retry_of_a_failed_rollback_rolls_back(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    migration = fail_a_rollback(customer)
    resume_sending(customer)
    tenant_migration_services.retry(migration=migration, actor=None)
    migration_steps_services.work()
    item = migration.items.get()
    assert (item.state, item.switched_at, item.rolls_back) == (ItemState.ROLLED_BACK, None, False)
    tenant = Tenant.objects.get(customer=customer)
    assert tenant.sends_since is None
    assert not [arn for arn in resources_in_ses(tenant.name) if ":identity/" in arn]


def test_the_retry_of_a_failed_rollback_starts_nobody_in_a_finished_migration(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    migration = fail_a_rollback(customer)
    migration.refresh_from_db()
    assert migration.state == MigrationState.DONE
    tenant_migration_services.retry(migration=migration, actor=None)
    migration.refresh_from_db()
    assert (migration.state, migration.items.get().state) == (MigrationState.DONE, ItemState.ROLLING_BACK)


def test_a_customer_whose_rollback_failed_counts_as_migrated_while_sends_name_the_tenant(
    sandbox: Sandbox, client: Client
) -> None:
    customer, other = make_sender("A", domains=1), make_sender("B", domains=1)
    migration = migrate(customer, other)
    item = migration.items.get(customer=customer)
    tenant_migration_services.roll_back(migration=migration, actor=None, because="Customer asked", item=item)
    pause_tenant(Tenant.objects.get(customer=customer))
    migration_steps_services.work()
    counted = selectors.counts(migration)
    assert (counted.done, counted.failed) == (2, 1)
    assert selectors.migrations().get().migrated == 2  # type: ignore[attr-defined]  # annotated
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("operations:migration_item", args=[migration.pk, item.pk])).content.decode()
    assert "sends still name the tenant" in page
    assert "Retry rollback" in page
    assert "confirmed by SES" not in page


def test_a_rollback_is_recorded_at_its_customer_with_who_asked_and_why(sandbox: Sandbox) -> None:
    omar, olga = make_staff(Role.OPERATOR), make_staff(Role.OPERATOR)
    customer = make_sender(domains=1)
    migration = migrate(customer, actor=omar)
    tenant_migration_services.roll_back(migration=migration, actor=olga, because="Olga's reason")
    migration_steps_services.work()
    log = Change.objects.filter(customer_id=customer.pk, what__in=("tenant.rollback_requested", "tenant.switched_back"))
    assert set(log.values_list("what", "actor_name", "because")) == {
        ("tenant.rollback_requested", olga.email, "Olga's reason"),
        ("tenant.switched_back", olga.email, "Olga's reason"),
    }


def test_a_retry_is_recorded_at_its_customer_with_who_asked(sandbox: Sandbox) -> None:
    omar, olga = make_staff(Role.OPERATOR), make_staff(Role.OPERATOR)
    customer = make_sender(domains=1)
    arn = hold_in_another_tenant(customer)
    migration = migrate(customer, actor=omar)
    release(arn)
    tenant_migration_services.retry(migration=migration, actor=olga)
    migration_steps_services.work()
    log = Change.objects.filter(customer_id=customer.pk)
    assert log.get(what="tenant.migration_retried").actor_name == olga.email
    assert log.get(what="tenant.switched").actor_name == olga.email


def test_the_retry_of_a_rollback_keeps_its_reason_and_names_who_retried(sandbox: Sandbox) -> None:
    omar, olga = make_staff(Role.OPERATOR), make_staff(Role.OPERATOR)
    customer = make_sender(domains=1)
    migration = fail_a_rollback(customer, omar)
    resume_sending(customer)
    tenant_migration_services.retry(migration=migration, actor=olga)
    migration_steps_services.work()
    log = Change.objects.filter(customer_id=customer.pk)
    assert log.get(what="tenant.rollback_retried").actor_name == olga.email
    back = log.get(what="tenant.switched_back")
    assert (back.actor_name, back.because) == (olga.email, "Customer asked")


def test_ses_is_asked_at_each_identity_which_tenants_have_it(sandbox: Sandbox) -> None:
    """Both ways, after the migration has begun: one is released by another tenant, and one is taken by it."""
    first, held, taken = (make_sender(name, domains=1) for name in ("First", "Held", "Taken"))
    arn, own = hold_in_another_tenant(held), aws.identity_arn(taken.domains.get().name)
    migration = start_migration(first, held, taken, at_most_per_hour=1)
    migration_steps_services.work()
    assert migration.items.get(customer=first).state == ItemState.DONE
    release(arn)
    aws.client("sesv2").create_tenant_resource_association(TenantName="by-hand", ResourceArn=own)
    Migration.objects.filter(pk=migration.pk).update(at_most_per_hour=None)
    migration_steps_services.work()
    assert migration.items.get(customer=held).state == ItemState.DONE
    item = migration.items.get(customer=taken)
    assert item.state == ItemState.FAILED
    assert "it belongs to another tenant in SES. Remove it there" in item.problem
    assert resources_in_ses(Tenant.objects.get(customer=taken).name) & {own} == set()
    assert ses_call_counts(sandbox)["ListResourceTenants"] == 3
    release(own)
    tenant_migration_services.retry(migration=migration, actor=None)
    migration_steps_services.work()
    assert migration.items.get(customer=taken).state == ItemState.DONE


def test_a_customer_whose_sends_name_the_tenant_is_not_migrated_again(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    migrate(customer)
    with pytest.raises(Refused, match="all of them have a tenant") as refused:
        start_migration(customer)
    assert refused.value.code == "NOBODY"


def test_a_rollback_of_an_older_migration_leaves_the_newer_one_alone(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    newer = migrate(customer)
    older = Migration.objects.create(region=newer.region)
    before = newer.items.get().before
    MigrationItem.objects.create(migration=older, customer=customer, number=1, state=ItemState.FAILED, before=before)
    with pytest.raises(Refused) as refused:
        tenant_migration_services.roll_back(migration=older, actor=None, because="Tidy up")
    assert refused.value.code == "NOTHING_TO_DO"
    migration_steps_services.work()
    tenant = Tenant.objects.get(customer=customer)
    assert tenant.sends_since is not None
    assert aws.identity_arn(customer.domains.get().name) in resources_in_ses(tenant.name)


def test_a_rollback_keeps_what_sends_named_before_the_migration(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    migration = migrate(customer)
    since = Tenant.objects.get(customer=customer).sends_since
    item = migration.items.get()  # as of a migration from before this was refused: the customer was migrated already
    MigrationItem.objects.filter(pk=item.pk).update(before=item.before | {"sends_since": str(since)})
    tenant_migration_services.roll_back(migration=migration, actor=None, because="Customer asked")
    migration_steps_services.work()
    assert migration.items.get().state == ItemState.ROLLED_BACK
    assert Tenant.objects.get(customer=customer).sends_since == since
    assert aws.identity_arn(customer.domains.get().name) in resources_in_ses(Tenant.objects.get(customer=customer).name)
    assert customer.domains.get().tenant is not None


def test_a_paused_migration_that_is_rolled_back_ends(sandbox: Sandbox) -> None:
    first, second = make_sender("A", domains=1), make_sender("B", domains=1)
    migration = start_migration(first, second, at_most_per_hour=1)
    migration_steps_services.work()
    tenant_migration_services.pause(migration=migration, actor=None)
    tenant_migration_services.roll_back(migration=migration, actor=None, because="Customer asked")
    migration_steps_services.work()
    migration.refresh_from_db()
    states = dict(migration.items.values_list("customer", "state"))
    assert states == {first.pk: ItemState.ROLLED_BACK, second.pk: ItemState.CANCELLED}
    assert migration.state == MigrationState.DONE
    assert migration.ended_at is not None


def test_a_deleted_configuration_set_of_the_tenant_is_a_step_and_is_created_by_the_retry(sandbox: Sandbox) -> None:
    customer, client = make_sender(domains=1), aws.client("sesv2")
    tenant = set_up_tenant(customer, sends_at_once=False)
    own = TenantResource.objects.get(name=tenant.configuration_set)
    client.delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=own.arn)
    client.delete_configuration_set(ConfigurationSetName=tenant.configuration_set)
    migration = migrate(customer)
    item = migration.items.get()
    assert item.state == ItemState.FAILED
    assert "the next attempt creates it again" in item.problem
    steps = {step.kind: step.state for step in item.steps.all()}
    assert (steps["configuration_set"], steps["own_set"]) == ("to_do", "to_do")
    shown = {step.kind: step.stands for step in plan(selectors.inventory_of(customer))}
    assert shown[StepKind.CONFIGURATION_SET] is False
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_configuration_set(ConfigurationSetName=tenant.configuration_set)
    tenant_migration_services.retry(migration=migration, actor=None)
    migration_steps_services.work()
    item.refresh_from_db()
    assert (item.state, item.problem) == (ItemState.DONE, "")
    assert set(item.steps.values_list("state", flat=True)) <= {"done", "found"}
    assert own.arn in resources_in_ses(tenant.name)


def test_a_migration_goes_on_after_the_person_who_started_it_left(sandbox: Sandbox) -> None:
    omar, customer = make_staff(Role.OPERATOR), make_sender(domains=1)
    migration = start_migration(customer, actor=omar)
    omar.groups.clear()
    User.objects.filter(pk=omar.pk).update(is_active=False)
    migration_steps_services.work()
    assert migration.items.get().state == ItemState.DONE
    assert Change.objects.get(what="tenant.added").actor_name == omar.email
    with pytest.raises(NotAllowed):
        tenant_migration_services.retry(migration=migration, actor=User.objects.get(pk=omar.pk))
