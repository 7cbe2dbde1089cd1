"""Imports endpoints, addresses and catch-alls of the legacy system as wanted rows. It queues no run.

An operator approves the plan for all of them. The domain need not be verified but must be held by the customer: SES may
not know it yet, and an address at an open claim is not wanted before the claim is proven.
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
from domains.ownership.selectors import held_domains
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import read_recipient
from receipt_rules.addresses.selectors import address_subject, catch_all_subject, endpoint_subject, names_above
from receipt_rules.addresses.services import is_left_over, lock_domain
from receipt_rules.endpoints.services import checked_config, endpoint_log, endpoint_name
from receipt_rules.forwarding.services import take_over
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint


class StoredImport(StrEnum):
    NEW = "new"
    SAME = "same"
    CHANGES = "changes"


@dataclass(frozen=True)
class Import:
    """For whom, by whom, why, and the one id of all changes."""

    customer: Customer
    actor: User | None
    because: str
    bulk_id: str


def import_endpoint(
    *, name: str, kind: str, config: Mapping[str, Any], is_active: bool, description: str, of: Import
) -> tuple[Endpoint, StoredImport]:
    """Found by its name among the customer's. Raises Refused: ENDPOINT_NAME, ENDPOINT_TYPE, ENDPOINT_CONFIG."""
    plain, wanted = endpoint_name(name), checked_config(kind, config)
    found = Endpoint.objects.select_for_update().filter(customer=of.customer, name__iexact=plain).first()
    if found is not None and found.type != kind:
        raise Refused(f"{found} already exists with another type of endpoint.", code="ENDPOINT_TYPE")
    made = found or Endpoint(customer=of.customer, name=plain, type=kind, description=description[:2000])
    before = endpoint_log(found) if found else {}
    made.config, made.is_active = wanted, is_active
    if (after := endpoint_log(made)) == before:
        return made, StoredImport.SAME
    made.save()
    take_over(endpoint=made)
    _record("endpoint", before, after, endpoint_subject(made), of)
    return made, StoredImport.CHANGES if found else StoredImport.NEW


def import_address(
    *, text: str, endpoint: Endpoint | None, is_active: bool, of: Import
) -> tuple[Address, StoredImport]:
    """Raises Refused: NOT_AN_ADDRESS, those of `parse_domain`, DOMAIN_MISSING, ADDRESS_EXISTS."""
    plain = read_recipient(text).address
    domain = lock_domain(_own_domain(plain.rpartition("@")[2], of.customer), to_receive=False)
    found = Address.objects.select_related("domain", "endpoint").filter(address=plain).first()
    if found is not None and found.domain.customer_id != of.customer.pk:
        _clear_left_over(found, of)
        found = None
    before = _address_log(found) if found else {}
    made = found or Address(address=plain, domain=domain)
    made.endpoint, made.is_active = endpoint, is_active
    if (after := _address_log(made)) == before:
        return made, StoredImport.SAME
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as error:
        raise Refused(f"{plain} was just added by someone else.", code="ADDRESS_EXISTS") from error
    _record("address", before, after, address_subject(made), of)
    return made, StoredImport.CHANGES if found else StoredImport.NEW


def _clear_left_over(address: Address, of: Import) -> None:
    """Where the name is somebody else's domain by now, the row serves nobody. Raises Refused (ADDRESS_EXISTS)."""
    if not is_left_over(address):
        raise Refused(f"{address} already belongs to another customer.", code="ADDRESS_EXISTS")
    audit_services.record(
        "address.removed",
        about=address_subject(address),
        actor=of.actor,
        because="The domain now belongs to another customer.",
        before=_address_log(address),
        bulk_id=of.bulk_id,
    )
    address.delete()


def import_catch_all(*, name: str, endpoint: Endpoint | None, is_active: bool, of: Import) -> StoredImport:
    """Everything at a domain; where none is wanted and none is here, nothing is stored. Raises Refused."""
    domain = lock_domain(_own_domain(name, of.customer, exactly=True), to_receive=False)
    found = CatchAll.objects.select_related("endpoint").filter(domain=domain, subdomains=False).first()
    if found is None and not is_active:
        return StoredImport.SAME
    before = _catch_all_log(found) if found else {}
    made = found or CatchAll(domain=domain)
    made.domain, made.endpoint, made.is_active = domain, endpoint, is_active
    if (after := _catch_all_log(made)) == before:
        return StoredImport.SAME
    made.save()
    record_catch_all(domain_id=domain.pk, has=is_active)
    _record("catch_all", before, after, catch_all_subject(made), of)
    return StoredImport.CHANGES if found else StoredImport.NEW


def _own_domain(name: str, customer: Customer, *, exactly: bool = False) -> Domain:
    """The nearest at or above the name; what somebody holds counts before a claim. Raises Refused (DOMAIN_MISSING)."""
    names = (name,) if exactly else names_above(name)
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


def _address_log(address: Address) -> dict[str, Any]:
    return {"address": address.address, "is_active": address.is_active, "endpoint": _name(address.endpoint)}


def _catch_all_log(catch_all: CatchAll) -> dict[str, Any]:
    return {
        "recipient": catch_all.recipient,
        "is_active": catch_all.is_active,
        "endpoint": _name(catch_all.endpoint),
    }


def _name(endpoint: Endpoint | None) -> str:
    return "" if endpoint is None else endpoint.name
