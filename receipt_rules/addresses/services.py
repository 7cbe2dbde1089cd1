"""Adds, changes and removes addresses and catch-alls.

A customer may receive mail at a name through a proven domain of their own at or above it, unless the name belongs to
another customer. The row is what is wanted; the worker applies it to the SES receipt rules within seconds.
"""

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.domain_list.services import record_catch_all
from domains.models.domains import Domain, Stage
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import read_recipient
from receipt_rules.addresses.selectors import (
    address_subject,
    catch_all_subject,
    holder_of,
    names_above,
    nearest_domain,
    shares_below,
)
from receipt_rules.alerts import services as alerts_services
from receipt_rules.endpoints.services import refuse_foreign
from receipt_rules.jobs import customer_changed
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.planner.core.rules import domain_of, is_address
from receipt_rules.receiving.services import note_wished

MOST_NAMES_BELOW = 50


@dataclass(frozen=True)
class AddressPlace:
    """An address as SES writes it, and the domain from which the right to it comes."""

    address: str
    domain: Domain
    noticed: tuple[str, ...] = ()


def place_of(text: str, customer: Customer, *, may_wait: bool = False) -> AddressPlace:
    """Raises Refused as `read_recipient` and `domain_for`."""
    read = read_recipient(text)
    return AddressPlace(read.address, domain_for(read.name, customer, may_wait=may_wait), read.noticed)


def domain_for(name: str, customer: Customer, *, may_wait: bool = False) -> Domain:
    """The customer's proven domain at or above a name.

    Raises Refused: DOMAIN_MISSING, DOMAIN_NOT_VERIFIED, MAIL_FROM_NAME.
    """
    holder = nearest_domain(name, customer)
    if holder is None or holder.customer_id != customer.id:
        raise Refused(f"{name} isn't one of {customer}'s domains. Add the domain first.", code="DOMAIN_MISSING")
    if name in (holder.mail_from, holder.ses_mail_from):
        raise Refused(
            f"{name} is the MAIL FROM domain of {holder}, so it can't receive other mail. "
            "Use another name, or change the MAIL FROM domain under Settings first.",
            code="MAIL_FROM_NAME",
        )
    refuse_unproven(holder, may_wait=may_wait)
    return holder


def refuse_elsewhere(text: str, domain: Domain) -> str:
    """The address as SES writes it. Raises Refused: ADDRESS_ELSEWHERE, or as `read_recipient`."""
    address = read_recipient(text).address
    if domain.name not in names_above(address.rpartition("@")[2]):
        raise Refused(f"{address} isn't an address at {domain}.", code="ADDRESS_ELSEWHERE")
    return address


def refuse_unproven(domain: Domain, *, may_wait: bool = False) -> None:
    """Addresses come before the MX record, so that no mail is rejected: only the ownership must be proven.

    `may_wait`: what is added waits for the proof. At a claim it may not: others may claim the same name.
    """
    waits = may_wait and domain.stage in (Stage.STARTING, Stage.READY)
    if not waits and (domain.stage != Stage.READY or not domain.is_proven):
        said = f"Ownership of {domain} isn't verified yet. You can add addresses once SES has verified its records."
        raise Refused(said, code="DOMAIN_NOT_VERIFIED")
    if not domain.receives:
        said = f"{domain} is set to send only. To receive mail, change this under Settings."
        raise Refused(said, code="SEND_ONLY")


def lock_domain(domain: Domain, *, to_receive: bool = True, may_wait: bool = False) -> Domain:
    """Until the transaction ends it is not deleted and does not change hands. Raises Refused."""
    locked = Domain.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=domain.pk).first()
    if locked is None or locked.customer_id != domain.customer_id:
        raise Refused(
            f"{domain} was just changed by someone else. Reload the page and try again.", code="DOMAIN_CHANGED"
        )
    if to_receive:
        refuse_unproven(locked, may_wait=may_wait)
    return locked


def _refuse_more_names(name: str, domain: Domain) -> None:
    """Each name below the domain has an MX record of its own, which is offered and checked."""
    if name != domain.name and name not in domain.mail_rules and len(domain.names_below) >= MOST_NAMES_BELOW:
        raise Refused(
            f"You can add addresses at up to {MOST_NAMES_BELOW} subdomains of {domain}. Turn on the subdomain "
            "catch-all instead, or add the subdomain as a domain.",
            code="TOO_MANY_NAMES",
        )


def refuse_shared_below(domain: Domain) -> None:
    """Only one customer can have the subdomain catch-all of a domain."""
    if shares_below(domain):
        raise Refused(
            f"A subdomain of {domain} is set up as its own domain, so this catch-all can't receive its mail. "
            "Add the subdomains that you need one by one.",
            code="SUB_DOMAIN_OF_ANOTHER",
        )


def look_at_address(*, text: str, customer: Customer) -> AddressPlace:
    """Return the address that would be added, for a preview. Raises Refused as `add_address`; writes nothing."""
    place = place_of(text, customer)
    existing = Address.objects.select_related("domain").filter(address=place.address).first()
    if existing is not None and not is_left_over(existing):
        raise Refused(f"{place.address} already exists.", code="ADDRESS_EXISTS")
    _refuse_more_names(place.address.rpartition("@")[2], place.domain)
    return place


def add_address(
    *,
    text: str,
    customer: Customer,
    actor: User | None,
    endpoint: Endpoint | None = None,
    is_active: bool = True,
    may_wait: bool = False,
    bulk_id: str = "",
) -> Address:
    """`may_wait`: at a domain that is not proven yet it waits, and becomes live with the proof.

    Raises Refused: NOT_AN_ADDRESS, DOMAIN_MISSING, DOMAIN_NOT_VERIFIED, ADDRESS_EXISTS, or for a bad name.
    """
    refuse_foreign(endpoint, customer)
    place = place_of(text, customer, may_wait=may_wait)
    try:
        with transaction.atomic():
            domain = lock_domain(place.domain, may_wait=may_wait)
            _refuse_more_names(place.address.rpartition("@")[2], domain)
            _clear_left_over(place.address)
            made = Address.objects.create(address=place.address, domain=domain, endpoint=endpoint, is_active=is_active)
            audit_services.record(
                "address.added", about=address_subject(made), actor=actor, after=_log(made), bulk_id=bulk_id
            )
            note_wished(domain)
            if domain.is_proven:
                customer_changed(domain.customer, actor, recipients=[made.recipient], domains=[domain.pk])
    except IntegrityError as error:
        if not place.domain.is_proven and not _is_own(place.address, customer):
            refuse_unproven(place.domain)  # what others wait for there is not told
        raise Refused(f"{place.address} already exists.", code="ADDRESS_EXISTS") from error
    return made


def _is_own(text: str, customer: Customer) -> bool:
    return Address.objects.filter(address=text, domain__customer=customer).exists()


def change_address(*, address: Address, actor: User | None, is_active: bool, endpoint: Endpoint | None) -> Address:
    """Nothing is written where nothing differs. One that SES refused is tried again where it is switched on.

    Raises Refused for an endpoint of another customer.
    """
    with transaction.atomic():
        locked = _locked(address)
        refuse_foreign(endpoint, locked.domain.customer)
        before = _log(locked)
        locked.is_active, locked.endpoint = is_active, endpoint
        locked.refused_because = "" if is_active else locked.refused_because
        if (after := _log(locked)) != before:
            locked.save(update_fields=("is_active", "endpoint", "refused_because"))
            _note_tried_again(locked, address_subject(locked))
            audit_services.record(
                "address.changed",
                about=address_subject(locked),
                actor=actor,
                before=before,
                after=after,
            )
            note_wished(locked.domain)
            customer_changed(locked.domain.customer, actor, recipients=[locked.recipient], domains=[locked.domain_id])
    return locked


def remove_address(*, address: Address, actor: User | None, bulk_id: str = "") -> None:
    """One that is gone already is removed."""
    with transaction.atomic():
        if Address.objects.filter(pk=address.pk).exists():
            _remove(_locked(address), actor, bulk_id=bulk_id)


def _remove(address: Address, actor: User | None, *, because: str = "", bulk_id: str = "") -> None:
    audit_services.record(
        "address.removed",
        about=address_subject(address),
        actor=actor,
        because=because,
        before=_log(address),
        bulk_id=bulk_id,
    )
    domain = address.domain
    alerts_services.tell_of_refusal(address_subject(address), "")
    address.delete()
    note_wished(domain)
    customer_changed(domain.customer, actor, recipients=[address.recipient], domains=[domain.pk])


def is_left_over(address: Address) -> bool:
    """Its name has become another customer's domain since: the row serves nobody and is in the way of the owner."""
    holder = holder_of(address.address.rpartition("@")[2])
    return holder is not None and holder.customer_id != address.domain.customer_id


def _clear_left_over(text: str) -> None:
    existing = Address.objects.select_related("domain__customer").filter(address=text).first()
    if existing is not None and is_left_over(existing):
        _remove(existing, None, because="The name is no longer part of this domain.")


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
        **_log_refusal(address),
    }


def _log_refusal(wish: Address | CatchAll) -> dict[str, str]:
    return {"refused_because": wish.refused_because} if wish.refused_because else {}


def _note_tried_again(wish: Address | CatchAll, about: audit_services.Subject) -> None:
    if not wish.refused_because:
        alerts_services.tell_of_refusal(about, "")


def set_aside(*, recipient: str, because: str) -> bool:
    """SES does not take this recipient: plans leave it out, and its row says why.

    False where no row wants it, and where its row says so already.
    """
    with transaction.atomic():
        found = _wish_of(recipient)
        if found is None or found.refused_because:
            return False
        Domain.objects.select_for_update(no_key=True).filter(pk=found.domain_id).first()
        is_address = isinstance(found, Address)
        about = address_subject(found) if isinstance(found, Address) else catch_all_subject(found)
        type(found).objects.filter(pk=found.pk).update(refused_because=because)
        kind = "address" if is_address else "catch_all"
        audit_services.record(
            f"{kind}.refused", about=about, actor=None, because=because, after={"refused_because": because}
        )
        alerts_services.tell_of_refusal(about, because)
    return True


def _wish_of(recipient: str) -> Address | CatchAll | None:
    if is_address(recipient):
        return Address.objects.select_related("domain").filter(address=recipient).first()
    found = CatchAll.objects.select_related("domain").filter(subdomains=recipient.startswith("."))
    return found.filter(domain__name=domain_of(recipient), is_active=True).first()


def set_catch_all(
    *,
    domain: Domain,
    actor: User | None,
    endpoint: Endpoint | None = None,
    is_active: bool = True,
    subdomains: bool = False,
) -> CatchAll:
    """Make it or change it. Raises Refused: DOMAIN_NOT_VERIFIED, SUB_DOMAIN_OF_ANOTHER, ENDPOINT_MISSING."""
    with transaction.atomic():
        locked = lock_domain(domain, to_receive=is_active)
        refuse_foreign(endpoint, locked.customer)
        if subdomains and is_active:
            refuse_shared_below(locked)
        found = CatchAll.objects.select_related("endpoint").filter(domain=locked, subdomains=subdomains).first()
        before = _log_catch_all(found) if found else {}
        made = found or CatchAll(domain=locked, subdomains=subdomains)
        made.domain, made.endpoint, made.is_active = locked, endpoint, is_active
        made.refused_because = "" if is_active else made.refused_because
        if (after := _log_catch_all(made)) != before:
            made.save()
            _note_tried_again(made, catch_all_subject(made))
            what = "catch_all.changed" if found else "catch_all.added"
            audit_services.record(what, about=catch_all_subject(made), actor=actor, before=before, after=after)
            customer_changed(locked.customer, actor, recipients=[made.recipient], domains=[locked.pk])
        _note(locked)
    return made


def remove_catch_all(*, domain: Domain, actor: User | None, subdomains: bool = False, bulk_id: str = "") -> None:
    """One that is not there is removed. The exact addresses of the domain stay as they are."""
    with transaction.atomic():
        Domain.objects.select_for_update().filter(pk=domain.pk).first()
        found = (
            CatchAll.objects.select_for_update(of=("self",))
            .select_related("domain__customer", "endpoint")
            .filter(domain=domain, subdomains=subdomains)
            .first()
        )
        if found is None:
            return
        audit_services.record(
            "catch_all.removed",
            about=catch_all_subject(found),
            actor=actor,
            before=_log_catch_all(found),
            bulk_id=bulk_id,
        )
        alerts_services.tell_of_refusal(catch_all_subject(found), "")
        found.delete()
        customer_changed(found.domain.customer, actor, recipients=[found.recipient], domains=[found.domain_id])
        _note(found.domain)


def _note(domain: Domain) -> None:
    has = CatchAll.objects.filter(domain=domain, subdomains=False, is_active=True).exists()
    record_catch_all(domain_id=domain.pk, has=has)
    note_wished(domain)


def _log_catch_all(catch_all: CatchAll) -> dict[str, Any]:
    endpoint = catch_all.endpoint
    return {
        "recipient": catch_all.recipient,
        "is_active": catch_all.is_active,
        "endpoint": "" if endpoint is None else endpoint.name,
        **_log_refusal(catch_all),
    }
