"""Customers with domains that send without a tenant, and helpers for the tenants in the sandbox's SES."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws
from operations.migration_steps import services as migration_steps_services
from operations.models import Difference, Migration, MigrationItem
from operations.tenant_migration import services as tenant_migration_services
from operations.tenant_migration.services import Choice
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, seed_identities
from tests.factories import make_customer


def make_sender(name: str = "", *, domains: int = 3, customer: Customer | None = None) -> Customer:
    """Create a customer without a tenant, whose domains were set up in the sandbox's SES long ago."""
    customer = customer or make_customer(name)
    names = [f"d{number}-{customer.pk[-8:]}.example" for number in range(domains)]
    for each in names:
        make_ready(each, customer)
    return customer


def make_ready(name: str, customer: Customer, **fields: Any) -> Domain:
    """Create a domain that is verified, in our rows and in SES."""
    seed_identities([name], ownership="Success", dkim="Success")
    ready = {"stage": Stage.READY, "verified_at": timezone.now(), "ses_mail_from": "", "mail_from_label": ""}
    return make_domain(name, customer=customer, **(ready | fields))


def migrate(*customers: Customer, actor: User | None = None, choice: Choice | None = None, **asked: Any) -> Migration:
    """Plan and start a migration, and let the worker execute it."""
    migration = start_migration(*customers, actor=actor, choice=choice, **asked)
    migration_steps_services.work()
    migration.refresh_from_db()
    return migration


def all_customers() -> Choice:
    return tenant_migration_services.all_of_them()


def start_migration(
    *customers: Customer, actor: User | None = None, choice: Choice | None = None, **asked: Any
) -> Migration:
    if choice is None:
        choice = (
            tenant_migration_services.one(customers[0])
            if len(customers) == 1
            else tenant_migration_services.all_of_them()
        )
    migration = tenant_migration_services.plan_migration(choice=choice, actor=actor, **asked)
    tenant_migration_services.start(migration=migration, actor=actor)
    return migration


def tenants_in_ses() -> dict[str, frozenset[str]]:
    """Return each tenant's name and its ARNs, read without our code."""
    client = aws.client("sesv2")
    names = [row["TenantName"] for page in client.get_paginator("list_tenants").paginate() for row in page["Tenants"]]
    return {name: resources_in_ses(name) for name in names}


def resources_in_ses(name: str) -> frozenset[str]:
    client = aws.client("sesv2")
    pages = client.get_paginator("list_tenant_resources").paginate(TenantName=name)
    return frozenset(row["ResourceArn"] for page in pages for row in page["TenantResources"])


def ses_call_counts(sandbox: Sandbox) -> dict[str, int]:
    """Return the number of SES calls by operation, without the account lookup, which each process makes once."""
    return {name: number for name, number in sandbox.control.call_counts().items() if name != "GetCallerIdentity"}


def make_item(customer: Customer) -> MigrationItem:
    """Return the customer's item of a planned migration, created if it is missing."""
    known = MigrationItem.objects.filter(customer=customer).first()
    if known is not None:
        return known
    migration = Migration.objects.create(region=settings.AWS_REGION, chosen="customer", policy="standard")
    return MigrationItem.objects.create(migration=migration, customer=customer, number=1)


def make_difference(customer: Customer | None = None, **fields: Any) -> Difference:
    now = timezone.now()
    made = {"area": "tenants", "kind": "policy", "key": f"policy {now}", "subject": "northwind", "place": "northwind"}
    made |= {"sentence": "The reputation policy of northwind is none in SES, but should be standard."}
    seen = {"first_seen_at": now, "last_seen_at": now, "may_adopt": True, "may_restore": True}
    return Difference.objects.create(region=settings.AWS_REGION, customer=customer, **(made | seen | fields))
