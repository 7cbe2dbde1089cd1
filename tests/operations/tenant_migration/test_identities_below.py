"""Identities that SES has below a customer's domains decide whether it accepts sends: none is forgotten."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from accounts.roles import Role
from domains.identity import services as identity_services
from domains.models.domains import Stage, SubIdentity
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, MigrationItem, MigrationStep
from operations.tenant_migration import selectors
from operations.tenant_migration import services as tenant_migration_services
from operations.tenant_migration.core import StepKind, calls, plan
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.factories import make_customer, make_staff
from tests.operations.factories import all_customers, make_ready, migrate, start_migration, tenants_in_ses

pytestmark = pytest.mark.django_db


def make_shop(*below: str) -> Customer:
    """Create a customer with shop.example, below which SES has more identities."""
    customer = make_customer("Shop")
    make_ready("shop.example", customer)
    for name in below:
        aws.client("sesv2").create_email_identity(EmailIdentity=name)
    return customer


@pytest.mark.parametrize("name", ["news.shop.example", "Sales@shop.example", "x@deep.news.shop.example"])
def test_a_customer_with_an_identity_below_a_domain_is_not_switched_before_a_decision(
    sandbox: Sandbox, name: str
) -> None:
    customer = make_shop(name)
    migration = migrate(customer)
    item = migration.items.get()
    assert (item.state, f"SES also has {name} below" in item.problem) == (ItemState.FAILED, True)
    assert MigrationStep.objects.get(item=item, kind=StepKind.GATE).state == "failed"
    assert not Tenant.objects.exclude(sends_since=None).exists()
    decided = migrate(customer, associates_below=True)
    assert decided.items.get().state == ItemState.DONE, decided.items.get().problem
    (resources,) = tenants_in_ses().values()
    assert {aws.identity_arn(name), aws.identity_arn("shop.example")} < resources


def test_an_identity_below_brings_its_default_configuration_set(sandbox: Sandbox) -> None:
    customer, client = make_shop("sales@shop.example"), aws.client("sesv2")
    client.create_configuration_set(ConfigurationSetName="sales-set")
    client.put_email_identity_configuration_set_attributes(
        EmailIdentity="sales@shop.example", ConfigurationSetName="sales-set"
    )
    assert migrate(customer, associates_below=True).items.get().state == ItemState.DONE
    (resources,) = tenants_in_ses().values()
    assert selectors.arn_of("configuration-set", "sales-set") in resources


def test_an_identity_below_that_is_deleted_in_ses_stops_the_retry_no_longer(sandbox: Sandbox) -> None:
    customer = make_shop("news.shop.example")
    migration = migrate(customer)
    aws.client("sesv2").delete_email_identity(EmailIdentity="news.shop.example")
    tenant_migration_services.retry(migration=migration, actor=None)
    migration_steps_services.work()
    assert migration.items.get().state == ItemState.DONE


def test_an_identity_below_that_another_tenant_has_is_not_taken_from_it(sandbox: Sandbox) -> None:
    customer, client = make_shop("news.shop.example"), aws.client("sesv2")
    client.create_tenant(TenantName="by-hand")
    client.create_tenant_resource_association(TenantName="by-hand", ResourceArn=aws.identity_arn("news.shop.example"))
    item = migrate(customer, associates_below=True).items.get()
    assert (item.state, "another tenant" in item.problem) == (ItemState.FAILED, True)


def test_a_failed_list_of_identities_is_no_proof_that_there_is_none(sandbox: Sandbox) -> None:
    customer = make_shop("news.shop.example")
    start_migration(customer)
    sandbox.control.add_fault("denied", "ListEmailIdentities")
    with pytest.raises(AwsProblem):
        migration_steps_services.work()
    assert not Tenant.objects.exclude(sends_since=None).exists()
    sandbox.control.clear_faults()
    migration_steps_services.work()
    assert "news.shop.example" in customer_item(customer).problem


def customer_item(customer: Customer) -> MigrationItem:
    return MigrationItem.objects.get(customer=customer)


def test_only_identities_that_no_customer_has_as_a_domain_are_below(sandbox: Sandbox) -> None:
    shop, other = make_shop(), make_customer("Other")
    make_ready("theirs.shop.example", other)
    make_ready("claimed.shop.example", shop, stage=Stage.CLAIM)
    names = ["a.shop.example", "x@theirs.shop.example", "myshop.example", "x@elsewhere.example"]
    for name in names:
        aws.client("sesv2").create_email_identity(EmailIdentity=name)
    identity_services.read_sub_identities()
    found = {each.name: each.domain.name for each in SubIdentity.objects.all()}
    assert found == {
        "a.shop.example": "shop.example",
        "claimed.shop.example": "shop.example",
        "x@theirs.shop.example": "theirs.shop.example",
    }
    aws.client("sesv2").delete_email_identity(EmailIdentity="a.shop.example")
    identity_services.read_sub_identities()
    assert not SubIdentity.objects.filter(name="a.shop.example").exists()


def test_the_plan_names_identities_below_and_what_happens_to_them(sandbox: Sandbox) -> None:
    make_shop("news.shop.example")
    identity_services.read_sub_identities()
    for associates, words in ((False, "are not switched"), (True, "associated with the tenants as well")):
        migration = tenant_migration_services.plan_migration(
            choice=all_customers(), actor=None, associates_below=associates
        )
        (sentence,) = selectors.forecast_of(migration).warnings[-1:]
        assert "1 identity (news.shop.example)" in sentence
        assert words in sentence
        tenant_migration_services.cancel(migration=migration, actor=None)


def test_the_page_that_migrates_a_customer_lists_identities_below_and_takes_the_decision(
    sandbox: Sandbox, client: Client
) -> None:
    customer = make_shop("news.shop.example")
    identity_services.read_sub_identities()
    client.force_login(make_staff(Role.OPERATOR))
    url = reverse("operations:move", args=[customer.pk])
    assert "news.shop.example" in client.get(url).content.decode()
    client.post(url, {"policy": "standard", "associates_below": "on"})
    migration_steps_services.work()
    assert customer_item(customer).state == ItemState.DONE


def test_the_dry_run_counts_what_is_called_for_identities_below(sandbox: Sandbox) -> None:
    customer = make_shop("news.shop.example")
    identity_services.read_sub_identities()
    planned = calls(plan(selectors.inventory_of(customer, associates_below=True)))
    sandbox.control.clear_calls()
    migrate(customer, associates_below=True)
    made = sandbox.control.call_counts()
    assert planned == sum(made.values()) - made.get("GetCallerIdentity", 0)


def test_nothing_is_below_a_domain_that_nobody_has_proven(sandbox: Sandbox) -> None:
    """Anybody can add a domain: its migration would put another's identity into their tenant."""
    make_ready("shop.example", make_customer("Alice"), proven_at=None)
    make_ready("example.org", make_customer("Bob"))
    make_ready("deep.example.org", make_customer("Carol"), proven_at=None)
    for name in ("mail.shop.example", "a.deep.example.org"):
        aws.client("sesv2").create_email_identity(EmailIdentity=name)
    identity_services.read_sub_identities()
    assert not SubIdentity.objects.exists()
