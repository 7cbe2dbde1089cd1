"""Adds, changes and removes addresses and catch-alls.

A customer may receive mail at a name through a proven domain of their own at or above it, unless the name belongs to
another customer. The row is the desired state; the worker applies it to the SES receipt rules within seconds.

Who locks more than one row locks in this order, so that nobody waits in a circle: the customer (if several domains
follow), domains by ID, the endpoint, the address or catch-all, the customer's pending change.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import IntegrityError, connection, transaction

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.domain_list.services import record_catch_all
from domains.models.domains import Domain
from domains.ownership.selectors import held_domains, holder_of, nearest_domains, shares_below
from domains.ownership.services import lock_domains
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.seen import refuse_if_changed
from receipt_rules.addresses.core import ReadAddress, read_recipient
from receipt_rules.addresses.selectors import (
    AddressExists,
    AddressPlace,
    addresses_named,
    entitled,
    inbound_of,
    locate_address,
    recipient_subject,
    refuse_existing,
    refuse_unproven,
    require_routing,
)
from receipt_rules.alerts import services as alerts_services
from receipt_rules.endpoints.services import refuse_foreign
from receipt_rules.forwarding.services import refuse_loop
from receipt_rules.jobs import queue_customer_change
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.planner.core.rules import domain_of, is_address
from receipt_rules.receiving.services import update_name_facts
from receipt_rules.route_lookup.services import keep_routes

MOST_NAMES_BELOW = 50


@dataclass(frozen=True)
class AddressAsked:
    """An address that a customer wants, as it was typed."""

    text: str
    endpoint: Endpoint | None = None
    is_active: bool = True


def lock_domain(domain: Domain, *, to_receive: bool = True, may_wait: bool = False) -> Domain:
    """Lock the domain until the transaction ends, so that it isn't deleted and doesn't change hands. Raises Refused."""
    locked = Domain.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=domain.pk).first()
    if locked is None or locked.customer_id != domain.customer_id:
        sentence = f"{domain} was just changed by someone else. Reload the page and try again."
        raise Refused(sentence, code="DOMAIN_CHANGED")
    if to_receive:
        refuse_unproven(locked, may_wait=may_wait)
    return locked


def lock_uses(endpoint: Endpoint) -> None:
    """Lock the domains that use the endpoint, then the endpoint: until the transaction ends, nobody else chooses it."""
    Customer.locked(endpoint.customer_id)
    used = [Model.objects.filter(endpoint=endpoint).values("domain") for Model in (Address, CatchAll)]
    list(Domain.objects.select_for_update(of=("self",)).filter(pk__in=used[0].union(used[1])).order_by("pk"))
    Endpoint.objects.select_for_update().filter(pk=endpoint.pk).first()


@contextmanager
def choosing(endpoint: Endpoint | None) -> Iterator[None]:
    """Run in a transaction that refers to the endpoint. Raises Refused for a loop, and if somebody removes it now.

    Until the end of the transaction, nobody else can remove it.
    """
    try:
        with transaction.atomic():
            yield
            refuse_loop(endpoint)
            if endpoint is not None:
                connection.check_constraints()  # an error at the commit could not become a refusal
    except IntegrityError as error:
        raise Refused(f"{endpoint} was just removed. Choose another endpoint.", code="ENDPOINT_MISSING") from error


def names_below(domain: Domain) -> set[str]:
    new = Address.objects.filter(domain=domain, address__endswith=f".{domain.name}").values_list("address", flat=True)
    return {*domain.names_below, *(domain_of(address) for address in new)}


def refuse_more_names(name: str, domain: Domain, below_of: Callable[[Domain], set[str]] = names_below) -> None:
    """Each subdomain with addresses has its own MX record to publish and check."""
    if name == domain.name or name in domain.mail_rules:
        return
    below = below_of(domain)
    if name not in below and len(below) >= MOST_NAMES_BELOW:
        raise Refused(
            f"You can add addresses at up to {MOST_NAMES_BELOW} subdomains of {domain}. Turn on the subdomain "
            "catch-all instead, or add the subdomain as a domain.",
            code="TOO_MANY_NAMES",
        )


def refuse_shared_below(domain: Domain) -> None:
    """A new subdomain catch-all would accept mail of another customer's domain that SES rejects for them now."""
    if shares_below(domain):
        raise Refused(
            f"A subdomain of {domain} is set up as its own domain, so this catch-all can't receive its mail. "
            "Add the subdomains that you need one by one.",
            code="SUB_DOMAIN_OF_ANOTHER",
        )


def preview_addresses(*, texts: Sequence[str], customer: Customer) -> tuple[AddressPlace | Refused, ...]:
    """Return the address that would be added of each text, or why it is refused. Writes nothing.

    One query for all domains and one for all addresses; each domain has one more.
    """
    read: dict[str, ReadAddress] = {}
    for text in texts:
        with suppress(Refused):  # read again below, where its refusal is the answer
            read[text] = read_recipient(text)
    holders = nearest_domains({each.name for each in read.values()}, customer)
    existing = {row.address for row in addresses_named({each.address for each in read.values()}, customer)}
    below = cache(names_below)

    def preview(text: str) -> AddressPlace | Refused:
        try:
            each = read.get(text) or read_recipient(text)
            domain = entitled(holders[each.name], each.name, customer)
            refuse_existing(each.address, existing)
            refuse_more_names(each.name, domain, below)
        except Refused as refused:
            return refused
        return AddressPlace(each.address, domain, each.noticed)

    return tuple(map(preview, texts))


def add_address(
    *,
    text: str,
    customer: Customer,
    actor: User | None,
    endpoint: Endpoint | None = None,
    is_active: bool = True,
    may_wait: bool = False,
) -> Address:
    """Add the address. `may_wait`: at a domain that isn't proven yet, it becomes live with the proof.

    Raises NotAllowed, and Refused: NOT_AN_ADDRESS, DOMAIN_MISSING, DOMAIN_NOT_VERIFIED, ADDRESS_EXISTS, a bad name.
    """
    require_routing(actor, customer.pk)
    asked = AddressAsked(text, endpoint, is_active=is_active)
    with choosing(endpoint):
        made = _add(asked, customer, actor, may_wait=may_wait)
        _queue_added([made], actor)
    return made


def add_addresses(
    *, asked: Sequence[AddressAsked], customer: Customer, actor: User | None, bulk_id: str = ""
) -> tuple[Address | Refused, ...]:
    """Add many as one change, which is decided on its total. All of it is stored in one transaction.

    A refused address stops no other: its refusal is in its place. Raises NotAllowed.
    """
    require_routing(actor, customer.pk)
    with choosing(next((each.endpoint for each in asked if each.endpoint), None)):
        Customer.locked(customer.pk)
        lock_domains(of=[each.text for each in asked], customer=customer)
        found = tuple(_added_or_refused(each, customer, actor, bulk_id) for each in asked)
        _queue_added([each for each in found if isinstance(each, Address)], actor)
    return found


def _added_or_refused(asked: AddressAsked, customer: Customer, actor: User | None, bulk_id: str) -> Address | Refused:
    try:
        return _add(asked, customer, actor, bulk_id=bulk_id)
    except Refused as refused:
        return refused


def _add(
    asked: AddressAsked, customer: Customer, actor: User | None, *, may_wait: bool = False, bulk_id: str = ""
) -> Address:
    """Create the row and its entry in the change log. `_queue_added` follows in the same transaction."""
    refuse_foreign(asked.endpoint, customer)
    place = locate_address(asked.text, customer, may_wait=may_wait)
    try:
        with transaction.atomic():
            domain = lock_domain(place.domain, may_wait=may_wait)
            refuse_more_names(place.address.rpartition("@")[2], domain)
            refuse_existing(place.address, {str(row) for row in addresses_named([place.address], customer)})
            made = Address.objects.create(
                address=place.address, domain=domain, endpoint=asked.endpoint, is_active=asked.is_active
            )
            refuse_loop(asked.endpoint)
            about, after = recipient_subject(made), made.logged
            audit_services.record("address.added", about=about, actor=actor, after=after, bulk_id=bulk_id)
    except IntegrityError as error:
        raise AddressExists(place.address) from error
    return made


def _queue_added(made: Sequence[Address], actor: User | None) -> None:
    """Update the names of each domain, and queue one change for all addresses. Runs in their transaction."""
    domains = {address.domain_id: address.domain for address in made}
    for domain in domains.values():
        update_name_facts(domain)
    proven = [address for address in made if address.domain.is_proven]
    if proven:
        recipients, ids = [each.recipient for each in proven], {each.domain_id for each in proven}
        queue_customer_change(proven[0].domain.customer, actor, recipients=recipients, domains=ids)


def change_address(
    *, address: Address, actor: User | None, is_active: bool, endpoint: Endpoint | None, seen: str = ""
) -> Address:
    """Change the address; does nothing without a difference. Turning on one that SES refused retries it.

    Raises NotAllowed, Refused for another customer's endpoint, and ChangedMeanwhile. `seen`: of the form.
    """
    with choosing(endpoint):
        locked = _locked(address)
        require_routing(actor, locked.domain.customer_id)
        refuse_foreign(endpoint, locked.domain.customer)
        before, shown = locked.logged, shown_values(locked)
        locked.is_active, locked.endpoint = is_active, endpoint
        locked.refused_because = "" if is_active else locked.refused_because
        if (after := locked.logged) != before:
            refuse_if_changed(seen, shown)
            locked.save(update_fields=("is_active", "endpoint", "refused_because"))
            about = recipient_subject(locked)
            _clear_refusal_alert(locked, about)
            audit_services.record("address.changed", about=about, actor=actor, before=before, after=after)
            update_name_facts(locked.domain)
            queue_customer_change(
                locked.domain.customer, actor, recipients=[locked.recipient], domains=[locked.domain_id]
            )
    return locked


def remove_address(*, address: Address, actor: User | None) -> None:
    """Remove the address; no effect if it is already removed. Raises NotAllowed."""
    with transaction.atomic():
        if Address.objects.filter(pk=address.pk).exists():
            require_routing(actor, (locked := _locked(address)).domain.customer_id)
            _delete(locked, actor)
            update_name_facts(locked.domain)
            customer, domains = locked.domain.customer, [locked.domain_id]
            queue_customer_change(customer, actor, recipients=[locked.recipient], domains=domains)


def remove_all(*, domain: Domain, actor: User | None, bulk_id: str = "") -> int:
    """Remove all addresses and catch-alls of the domain as one change, each with its entry in the change log.

    Returns the number of addresses. Raises NotAllowed if there are any of a proven domain: those of a claim receive
    nothing.
    """
    with transaction.atomic():
        Domain.objects.select_for_update().filter(pk=domain.pk).first()
        addresses, catch_alls = inbound_of(domain)
        rows: list[Address | CatchAll] = [*addresses, *catch_alls]
        if domain.is_proven and rows:
            require_routing(actor, domain.customer_id)
            keep_routes(rows, domain_name=domain.name, customer_id=domain.customer_id)
        for row in rows:
            _delete(row, actor, bulk_id=bulk_id)
        if recipients := [row.recipient for row in rows]:
            queue_customer_change(domain.customer, actor, recipients=recipients, domains=[domain.pk])
            _update_domain(domain)
    return len(addresses)


def _delete(row: Address | CatchAll, actor: User | None, *, because: str = "", bulk_id: str = "") -> None:
    """Delete the row. The update of its domain's names and the queued change follow in the same transaction."""
    what, about = f"{row.kind}.removed", recipient_subject(row)
    audit_services.record(what, about=about, actor=actor, because=because, before=row.logged, bulk_id=bulk_id)
    alerts_services.update_refusal_alert(about, "")
    row.delete()


def merge_addresses(domain: Domain) -> None:
    """Of an address that the new holder of a domain has at another domain too, keep the one at this domain.

    It takes over the endpoint that this customer chose for the other. Runs in the transaction that changes the holder.
    """
    moved = {row.address: row for row in Address.objects.select_related("domain", "endpoint").filter(domain=domain)}
    for other in addresses_named(moved.keys(), domain.customer).exclude(domain=domain):
        row, endpoint = moved[other.address], other.own_endpoint
        _delete(other, None, because=f"{domain} has the same address.")
        update_name_facts(other.domain)
        if row.own_endpoint is None and endpoint is not None:
            before, row.endpoint = row.logged, endpoint
            row.save(update_fields=("endpoint",))
            about = recipient_subject(row)
            audit_services.record("address.changed", about=about, actor=None, before=before, after=row.logged)


def _locked(address: Address) -> Address:
    Domain.objects.select_for_update().filter(pk=address.domain_id).first()
    found = Address.objects.select_for_update(of=("self",)).select_related("domain__customer", "endpoint")
    locked = found.filter(pk=address.pk).first()
    if locked is None:
        raise Refused(f"{address} has been removed.", code="ADDRESS_MISSING")
    return locked


def shown_values(row: Address | CatchAll | None) -> dict[str, Any]:
    """Return what a form shows of it."""
    return {"is_active": row.is_active, "endpoint": row.endpoint_id, "whose": row.domain.customer_id} if row else {}


def _clear_refusal_alert(row: Address | CatchAll, about: audit_services.Subject) -> None:
    if not row.refused_because:
        alerts_services.update_refusal_alert(about, "")


def record_refused(*, recipient: str, because: str) -> bool:
    """Store that SES refuses this recipient: plans leave it out, and its row has the reason.

    Returns False if no row has the recipient, or its row already has a reason.
    """
    with transaction.atomic():
        found = _row_of(recipient)
        if found is None or found.refused_because:
            return False
        Domain.objects.select_for_update(no_key=True).filter(pk=found.domain_id).first()
        about, after = recipient_subject(found), {"refused_because": because}
        type(found).objects.filter(pk=found.pk).update(**after)
        audit_services.record(f"{found.kind}.refused", about=about, actor=None, because=because, after=after)
        alerts_services.update_refusal_alert(about, because)
    return True


def _row_of(recipient: str) -> Address | CatchAll | None:
    if is_address(recipient):
        holder = holder_of(domain_of(recipient))
        return addresses_named([recipient], holder.customer).first() if holder else None
    found = CatchAll.objects.select_related("domain").filter(subdomains=recipient.startswith("."))
    return found.filter(domain__in=held_domains(), domain__name=domain_of(recipient), is_active=True).first()


def set_catch_all(
    *,
    domain: Domain,
    actor: User | None,
    endpoint: Endpoint | None = None,
    is_active: bool = True,
    subdomains: bool = False,
    seen: str = "",
) -> CatchAll:
    """Create or change the catch-all. `seen`: of the form that shows it.

    Raises NotAllowed, Refused (DOMAIN_NOT_VERIFIED, SUB_DOMAIN_OF_ANOTHER, ENDPOINT_MISSING) and ChangedMeanwhile.
    """
    with choosing(endpoint):
        locked = lock_domain(domain, to_receive=is_active)
        require_routing(actor, locked.customer_id)
        refuse_foreign(endpoint, locked.customer)
        found = CatchAll.objects.select_related("endpoint").filter(domain=locked, subdomains=subdomains).first()
        if subdomains and is_active and not (found and found.is_active):
            refuse_shared_below(locked)
        before, shown = found.logged if found else {}, shown_values(found)
        made = found or CatchAll(domain=locked, subdomains=subdomains)
        made.domain, made.endpoint, made.is_active = locked, endpoint, is_active
        made.refused_because = "" if is_active else made.refused_because
        if (after := made.logged) != before:
            refuse_if_changed(seen, shown)
            made.save()
            _clear_refusal_alert(made, recipient_subject(made))
            what = "catch_all.changed" if found else "catch_all.added"
            audit_services.record(what, about=recipient_subject(made), actor=actor, before=before, after=after)
            queue_customer_change(locked.customer, actor, recipients=[made.recipient], domains=[locked.pk])
        _update_domain(locked)
    return made


def _update_domain(domain: Domain) -> None:
    has = CatchAll.objects.filter(domain=domain, subdomains=False, is_active=True).exists()
    record_catch_all(domain_id=domain.pk, has=has)
    update_name_facts(domain)
