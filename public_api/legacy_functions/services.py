"""The six functions of the legacy system, with their names and their meaning, over the rows.

None of them calls AWS: each stores what is wanted, and the worker applies it with everything else that is pending.
"""

from collections.abc import Iterable

from django.db import transaction

from accounts.models.people import User
from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.selectors import names_above
from receipt_rules.addresses.services import (
    add_address,
    addresses_at,
    change_address,
    lock_domain,
    own_catch_all,
    place_of,
    read_address,
    remove_address,
    remove_catch_all,
    set_catch_all,
)
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint


def configure_email_receiving(
    *, domain: Domain, addresses: Iterable[str], actor: User | None, endpoint: Endpoint | None = None
) -> list[Address]:
    """These addresses take mail, in addition to what does already. Raises Refused, and then changes none."""
    with transaction.atomic():
        lock_domain(domain)
        return [_take(text, domain, actor, endpoint) for text in addresses]


def remove_email_receiving(*, domain: Domain, actor: User | None, addresses: Iterable[str] | None = None) -> None:
    """These addresses (all of the domain's own name where none are given) take no mail of their own any more."""
    with transaction.atomic():
        there = addresses_at(domain)
        wanted = None if addresses is None else {read_address(text) for text in addresses}
        for address in there:
            if wanted is None or address.address in wanted:
                remove_address(address=address, actor=actor)


def configure_catch_all_domain(*, domain: Domain, actor: User | None, endpoint: Endpoint | None = None) -> CatchAll:
    """Everything at the domain goes to one place: its addresses are switched off, and kept for going back."""
    with transaction.atomic():
        lock_domain(domain)
        for address in addresses_at(domain):
            change_address(address=address, actor=actor, is_active=False, endpoint=address.own_endpoint)
        return set_catch_all(domain=domain, actor=actor, endpoint=endpoint)


def remove_catch_all_domain(*, domain: Domain, actor: User | None) -> None:
    """The catch-all goes; addresses that are switched on go on taking mail."""
    remove_catch_all(domain=domain, actor=actor)


def configure_mixed_mode(
    *,
    domain: Domain,
    addresses: Iterable[str],
    actor: User | None,
    endpoint: Endpoint | None = None,
    catch_all_endpoint: Endpoint | None = None,
) -> CatchAll:
    """These addresses go to their endpoint, everything else at the domain to the catch-all's."""
    with transaction.atomic():
        configure_email_receiving(domain=domain, addresses=addresses, actor=actor, endpoint=endpoint)
        return set_catch_all(domain=domain, actor=actor, endpoint=catch_all_endpoint)


def restore_individual_email_rules(*, domain: Domain, actor: User | None) -> list[Address]:
    """Back from catch-all: the addresses that were kept take mail again. Raises Refused where there is none."""
    with transaction.atomic():
        lock_domain(domain)
        own_catch_all(domain)
        there = addresses_at(domain)
        if not there:
            raise Refused(
                f"{domain} has no addresses to go back to: without its catch-all it would take no mail at all.",
                code="NO_ADDRESSES",
            )
        remove_catch_all(domain=domain, actor=actor)
        return [
            change_address(address=address, actor=actor, is_active=True, endpoint=address.own_endpoint)
            for address in there
        ]


def _take(text: str, domain: Domain, actor: User | None, endpoint: Endpoint | None) -> Address:
    place = place_of(text, domain.customer)
    if domain.name not in names_above(place.address.rpartition("@")[2]):
        raise Refused(f"{place.address} is not an address at {domain}.", code="ADDRESS_ELSEWHERE")
    existing = Address.objects.select_related("domain").filter(address=place.address).first()
    if existing is None or existing.domain.customer_id != domain.customer_id:
        return add_address(text=text, customer=domain.customer, actor=actor, endpoint=endpoint)
    return change_address(address=existing, actor=actor, is_active=True, endpoint=endpoint or existing.own_endpoint)
