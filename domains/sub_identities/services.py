"""Keeps the list of identities that SES has below customers' domains, and that are no domains here.

SES sends with the most exact identity that it has: an address, then its domain. So such an identity decides whether SES
accepts a send that names a tenant, although no customer added it here.
"""

from collections.abc import Container, Iterable

from django.conf import settings
from django.db import transaction

from accounts.models.people import Customer
from domains.models.domains import Domain, Stage, SubIdentity
from domains.ownership.selectors import name_and_parents
from tenants.resources import services as resources_services


def closest_above(identity: str, domains: Container[str]) -> str:
    """Return the closest of these domains that contains the subdomain or address; "" if none does."""
    _, at, name = identity.rpartition("@")
    return next((above for above in name_and_parents(name)[not at :] if above in domains), "")


def forget(*, name: str) -> None:
    SubIdentity.objects.filter(region=settings.AWS_REGION, name=name).delete()


def leave_tenants(domain: Domain, customer: Customer) -> None:
    """Take what is below the domain out of the customer's tenants: they lose the domain."""
    for name in list(domain.sub_identities.values_list("name", flat=True)):
        resources_services.release_identity(name=name, customer=customer)


@transaction.atomic
def store(identities: Iterable[str]) -> None:
    """Store which of SES's identities are below domains. `identities` is the whole list, of domains and addresses.

    An identity that a customer has as a domain is left out. One that is only claimed is not: SES may send with it.
    Nothing is below a domain that nobody has proven: the identity would join the tenant of whoever added the domain.
    """
    rows = Domain.objects.filter(region=settings.AWS_REGION).exclude(stage=Stage.CLAIM)
    owners = {name: pk if proven_at else None for name, pk, proven_at in rows.values_list("name", "pk", "proven_at")}
    found = {
        name: owner
        for name in identities
        if name not in owners and (owner := owners.get(closest_above(name.lower(), owners)))
    }
    known = SubIdentity.objects.filter(region=settings.AWS_REGION)
    stored = dict(known.values_list("name", "domain"))
    known.filter(name__in=[name for name in stored if found.get(name) != stored[name]]).delete()
    new = [
        SubIdentity(region=settings.AWS_REGION, name=name, domain_id=domain)
        for name, domain in found.items()
        if stored.get(name) != domain
    ]
    SubIdentity.objects.bulk_create(new, batch_size=1000, ignore_conflicts=True)  # another worker may store the same
