"""Read and associate the default configuration set of every identity, since SES refuses sends that use another."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models.people import Customer
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, MigrationItem, MigrationStep
from operations.tenant_migration import selectors
from operations.tenant_migration import services as tenant_migration_services
from operations.tenant_migration.core import StepKind, calls, plan
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantResource
from tenants.resources import services as resources_services
from tests.factories import make_staff
from tests.operations.factories import make_ready, make_sender, migrate, start_migration, tenants_in_ses

pytestmark = pytest.mark.django_db


def set_default(domain: str, name: str) -> str:
    """Give the identity a default configuration set in SES, as by hand, and return the set's ARN."""
    client = aws.client("sesv2")
    client.create_configuration_set(ConfigurationSetName=name)
    client.put_email_identity_configuration_set_attributes(EmailIdentity=domain, ConfigurationSetName=name)
    return selectors.arn_of("configuration-set", name)


def domain_of(customer: Customer) -> str:
    return customer.domains.get().name


def assert_migrated_with(item: MigrationItem, arn: str) -> None:
    item.refresh_from_db()
    assert (item.state, item.problem) == (ItemState.DONE, "")
    (resources,) = tenants_in_ses().values()
    assert arn in resources


def test_the_default_set_of_an_identity_that_was_associated_before_is_associated(sandbox: Sandbox) -> None:
    """An older program's tenant, accepted for the customer, then migrated."""
    customer = make_sender(domains=1)
    arn = set_default(domain_of(customer), "legacy-shared")
    client = aws.client("sesv2")
    client.create_tenant(TenantName="legacy-mig")
    client.create_configuration_set(ConfigurationSetName="legacy-mig-set")
    for each in (aws.identity_arn(domain_of(customer)), selectors.arn_of("configuration-set", "legacy-mig-set")):
        client.create_tenant_resource_association(TenantName="legacy-mig", ResourceArn=each)
    lifecycle_services.adopt_tenant(customer=customer, name="legacy-mig", actor=make_staff(Role.OPERATOR))
    steps = plan(selectors.inventory_of(customer))
    assert [each.stands for each in steps if each.kind == StepKind.DEFAULT_SET] == [False]
    assert_migrated_with(migrate(customer).items.get(), arn)


def test_the_default_set_of_an_identity_that_we_created_is_associated(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    assert not Domain.objects.get(customer=customer).adopted
    arn = set_default(domain_of(customer), "legacy-special")
    item = migrate(customer).items.get()
    assert_migrated_with(item, arn)
    assert MigrationStep.objects.get(item=item, kind=StepKind.DEFAULT_SET).state == "done"


def test_a_default_set_is_read_anew_although_it_was_read_before_the_migration(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    migration = migrate(customer)
    tenant_migration_services.roll_back(migration=migration, actor=None, because="not today")
    migration_steps_services.work()
    TenantResource.objects.filter(kind="identity").update(default_read_at=timezone.now())
    arn = set_default(domain_of(customer), "put-since")
    tenant_migration_services.retry(migration=migration, actor=None, item=migration.items.get())
    migration_steps_services.work()
    assert_migrated_with(migration.items.get(), arn)


def test_a_worker_that_ends_after_the_identity_is_requested_still_reads_its_set(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = make_sender(domains=1)
    arn = set_default(domain_of(customer), "legacy-shared")
    requested = resources_services.request_association

    def end_after(**given: Any) -> None:
        requested(**given)
        raise KeyboardInterrupt

    monkeypatch.setattr(resources_services, "request_association", end_after)
    start = start_migration(customer)
    with pytest.raises(KeyboardInterrupt):
        migration_steps_services.work()
    monkeypatch.undo()
    resources_services.apply_associations(tenant_id=Tenant.objects.get().pk)  # the job that the request queued
    migration_steps_services.work()
    assert_migrated_with(start.items.get(), arn)


def test_a_set_that_ses_no_longer_has_stops_the_customer_before_the_switch(sandbox: Sandbox) -> None:
    customer = make_sender(domains=1)
    set_default(domain_of(customer), "of-old")
    aws.client("sesv2").delete_configuration_set(ConfigurationSetName="of-old")
    item = migrate(customer).items.get()
    assert item.state == ItemState.FAILED
    assert "of-old could not be associated" in item.problem
    assert Tenant.objects.get().sends_since is None


def test_the_dry_run_counts_the_call_that_reads_each_default_set(sandbox: Sandbox) -> None:
    customer = make_sender(domains=2)
    make_ready("adopted.example", customer, adopted=True)
    sandbox.control.clear_calls()
    planned = calls(plan(selectors.inventory_of(customer)))
    migrate(customer)
    made = sandbox.control.call_counts()
    assert made["GetEmailIdentity"] == 3
    assert planned == sum(made.values()) - made.get("GetCallerIdentity", 0)
