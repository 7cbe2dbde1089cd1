"""Imports endpoints, addresses and catch-alls of the legacy system as desired rows. It queues no run.

An operator approves one plan for all of them. The customer must hold the domain, but it need not be verified: SES may
not know it yet. An address at an open claim isn't part of the desired state before the claim is proven.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.domain_list.services import record_catch_all
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import held_domains, name_and_parents
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import read_recipient
from receipt_rules.addresses.selectors import addresses_named, endpoint_subject, recipient_subject
from receipt_rules.addresses.services import lock_domain
from receipt_rules.endpoints.services import endpoint_log, endpoint_name, save_endpoint, validate_config
from receipt_rules.forwarding.services import confirm_imported
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint


class StoredImport(StrEnum):
    NEW = "new"
    SAME = "same"
    CHANGES = "changes"


@dataclass(frozen=True)
class Import:
    """The customer, the actor, the reason, and the ID that all changes share in the log."""

    customer: Customer
    actor: User | None
    because: str
    bulk_id: str


def import_endpoint(
    *, name: str, kind: str, config: Mapping[str, Any], is_active: bool, description: str, of: Import
) -> tuple[Endpoint, StoredImport]:
    """Find the customer's endpoint by name, and create or change it.

    Raises Refused: ENDPOINT_NAME, ENDPOINT_TYPE, ENDPOINT_CONFIG.
    """
    plain, wanted = endpoint_name(name), validate_config(kind, config)
    found = Endpoint.objects.select_for_update(no_key=True).filter(customer=of.customer, name__iexact=plain).first()
    if found is not None and found.type != kind:
        raise Refused(f"{found} already exists with another type of endpoint.", code="ENDPOINT_TYPE")
    made = found or Endpoint(customer=of.customer, name=plain, type=kind, description=description[:2000])
    before = endpoint_log(found) if found else {}
    made.config, made.is_active = wanted, is_active
    if (after := endpoint_log(made)) == before:
        return made, StoredImport.SAME
    save_endpoint(made)
    confirm_imported(endpoint=made)
    _record("endpoint", before, after, endpoint_subject(made), of)
    return made, StoredImport.CHANGES if found else StoredImport.NEW


def import_address(
    *, text: str, endpoint: Endpoint | None, is_active: bool, of: Import
) -> tuple[Address, StoredImport]:
    """Create or change the address. Raises Refused: NOT_AN_ADDRESS, as `parse_domain`, DOMAIN_MISSING,
    ADDRESS_EXISTS.
    """
    plain = read_recipient(text).address
    domain = lock_domain(_own_domain(plain.rpartition("@")[2], of.customer), to_receive=False)
    found = addresses_named([plain], of.customer).first()
    before = found.logged if found else {}
    made = found or Address(address=plain, domain=domain)
    made.endpoint, made.is_active = endpoint, is_active
    if (after := made.logged) == before:
        return made, StoredImport.SAME
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as error:
        raise Refused(f"{plain} was just added by someone else.", code="ADDRESS_EXISTS") from error
    _record("address", before, after, recipient_subject(made), of)
    return made, StoredImport.CHANGES if found else StoredImport.NEW


def import_catch_all(*, name: str, endpoint: Endpoint | None, is_active: bool, of: Import) -> StoredImport:
    """Create or change the catch-all; an inactive one that doesn't exist is not created. Raises Refused."""
    domain = lock_domain(_own_domain(name, of.customer, exactly=True), to_receive=False)
    found = CatchAll.objects.select_related("endpoint").filter(domain=domain, subdomains=False).first()
    if found is None and not is_active:
        return StoredImport.SAME
    before = found.logged if found else {}
    made = found or CatchAll(domain=domain)
    made.domain, made.endpoint, made.is_active = domain, endpoint, is_active
    if (after := made.logged) == before:
        return StoredImport.SAME
    made.save()
    record_catch_all(domain_id=domain.pk, has=is_active)
    _record("catch_all", before, after, recipient_subject(made), of)
    return StoredImport.CHANGES if found else StoredImport.NEW


def _own_domain(name: str, customer: Customer, *, exactly: bool = False) -> Domain:
    """Return the nearest domain at or above the name; a held one before a claim. Raises Refused (DOMAIN_MISSING)."""
    names = (name,) if exactly else name_and_parents(name)
    rows = Domain.objects.filter(Q(pk__in=held_domains().values("pk")) | Q(customer=customer), name__in=names)
    found = max(rows, key=lambda row: (len(row.name), row.is_proven), default=None)
    if found is None or found.customer_id != customer.pk or found.stage == Stage.DELETING:
        raise Refused(f"{name} isn't one of {customer}'s domains.", code="DOMAIN_MISSING")
    return found


def _record(
    what: str, before: dict[str, Any], after: dict[str, Any], about: audit_services.Subject, of: Import
) -> None:
    audit_services.record(
        f"{what}.{'changed' if before else 'added'}",
        about=about,
        actor=of.actor,
        because=of.because,
        before=before,
        after=after,
        bulk_id=of.bulk_id,
    )
