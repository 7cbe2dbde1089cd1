"""Email addresses that take mail. The row is the wish; the worker brings Amazon's rules to it in a few seconds."""

from typing import Any

from django.db import IntegrityError, transaction

from changes import services as changes
from domains.models import Domain
from inbound_admin.lib.errors import Refused
from receipt_rules.models import Address, Endpoint
from receipt_rules.selectors.owning import holder_of
from receipt_rules.services.endpoints import refuse_foreign
from receipt_rules.services.owning import Place, lock_domain, place_of
from receipt_rules.services.queue import customer_changed
from receipt_rules.services.subjects import address_subject
from tenants.models import Customer, User


def look_at_address(*, text: str, customer: Customer) -> Place:
    """What would be added, for a preview. Raises Refused as `add_address`; writes nothing."""
    place = place_of(text, customer)
    existing = Address.objects.select_related("domain").filter(address=place.address).first()
    if existing is not None and not is_left_over(existing):
        raise Refused(f"{place.address} is there already.", code="ADDRESS_EXISTS")
    return place


def add_address(
    *,
    text: str,
    customer: Customer,
    actor: User | None,
    endpoint: Endpoint | None = None,
    is_active: bool = True,
    bulk_id: str = "",
) -> Address:
    """Raises Refused: NOT_AN_ADDRESS, DOMAIN_MISSING, DOMAIN_NOT_VERIFIED, ADDRESS_EXISTS, or for a bad name."""
    refuse_foreign(endpoint, customer)
    place = place_of(text, customer)
    try:
        with transaction.atomic():
            domain = lock_domain(place.domain)
            _clear_left_over(place.address)
            made = Address.objects.create(address=place.address, domain=domain, endpoint=endpoint, is_active=is_active)
            changes.record("address.added", about=address_subject(made), actor=actor, after=_log(made), bulk_id=bulk_id)
            customer_changed(domain.customer, actor)
    except IntegrityError as error:
        raise Refused(f"{place.address} is there already.", code="ADDRESS_EXISTS") from error
    return made


def change_address(
    *, address: Address, actor: User | None, is_active: bool, endpoint: Endpoint | None, bulk_id: str = ""
) -> Address:
    """Nothing is written where nothing differs. Raises Refused for an endpoint of another customer."""
    with transaction.atomic():
        locked = _locked(address)
        refuse_foreign(endpoint, locked.domain.customer)
        before = _log(locked)
        locked.is_active, locked.endpoint = is_active, endpoint
        if (after := _log(locked)) != before:
            locked.save(update_fields=("is_active", "endpoint"))
            changes.record(
                "address.changed",
                about=address_subject(locked),
                actor=actor,
                before=before,
                after=after,
                bulk_id=bulk_id,
            )
            customer_changed(locked.domain.customer, actor)
    return locked


def remove_address(*, address: Address, actor: User | None, bulk_id: str = "") -> None:
    """One that is gone already is removed."""
    with transaction.atomic():
        if Address.objects.filter(pk=address.pk).exists():
            _remove(_locked(address), actor, bulk_id=bulk_id)


def addresses_at(domain: Domain) -> list[Address]:
    """Of the domain's own name alone; locked, so inside a transaction."""
    found = Address.objects.select_for_update(of=("self",)).select_related("domain__customer", "endpoint")
    return list(found.filter(domain=domain, address__endswith=f"@{domain.name}"))


def _remove(address: Address, actor: User | None, *, because: str = "", bulk_id: str = "") -> None:
    changes.record(
        "address.removed",
        about=address_subject(address),
        actor=actor,
        because=because,
        before=_log(address),
        bulk_id=bulk_id,
    )
    customer = address.domain.customer
    address.delete()
    customer_changed(customer, actor)


def is_left_over(address: Address) -> bool:
    """Its name has become another customer's domain since: the row serves nobody and is in the way of the owner."""
    holder = holder_of(address.address.rpartition("@")[2])
    return holder is not None and holder.customer_id != address.domain.customer_id


def _clear_left_over(text: str) -> None:
    existing = Address.objects.select_related("domain__customer").filter(address=text).first()
    if existing is not None and is_left_over(existing):
        _remove(existing, None, because="The name is not part of this domain any more.")


def _locked(address: Address) -> Address:
    """The domain is locked first, as everywhere here: two who lock in different orders wait for each other."""
    Domain.objects.select_for_update().filter(pk=address.domain_id).first()
    found = Address.objects.select_for_update(of=("self",)).select_related("domain__customer", "endpoint")
    locked = found.filter(pk=address.pk).first()
    if locked is None:
        raise Refused(f"{address} has been removed.", code="ADDRESS_MISSING")
    return locked


def _log(address: Address) -> dict[str, Any]:
    endpoint = address.endpoint
    return {
        "address": address.address,
        "is_active": address.is_active,
        "endpoint": "" if endpoint is None else endpoint.name,
    }
