"""Customers and their members."""

from contextlib import suppress

from django.db import transaction

from changes import services as changes
from inbound_admin.lib.errors import AwsMissing
from tenants.gateway import ses
from tenants.models import Customer, MemberRole, Membership, User


def subject(customer: Customer) -> changes.Subject:
    return changes.Subject("customer", customer.id, customer.name, customer.id)


@transaction.atomic
def create_customer(*, name: str, owner: User | None, actor: User | None) -> Customer:
    customer = Customer.objects.create(name=name.strip())
    if owner is not None:
        Membership.objects.create(customer=customer, user=owner, role=MemberRole.OWNER)
    after = {"name": customer.name, "owner": owner.email if owner else None}
    changes.record("customer.created", about=subject(customer), actor=actor, after=after)
    return customer


def dissociate_everywhere(resource_arn: str) -> None:
    """Take an identity out of every SES tenant, since SES refuses to delete it before. AwsMissing: it is gone."""
    while names := ses.tenants_of(resource_arn)[0]:
        for name in names:
            with suppress(AwsMissing):  # the tenant went meanwhile, and its associations with it
                ses.dissociate(name, resource_arn)
