"""Whether a customer may receive mail at a name: through a verified domain of theirs, and past nobody else's."""

import re
from dataclasses import dataclass

from domains.core.names import understand
from domains.models import Domain, Stage
from inbound_admin.lib.errors import Refused
from receipt_rules.selectors.owning import names_above, nearest_domain, shares_below
from tenants.models import Customer

# RFC 5321's dot-string; 64 octets. Quoted local parts and those outside of ASCII are refused: SES takes neither.
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LONGEST_LOCAL = 64


@dataclass(frozen=True)
class Place:
    """An address as SES writes it, and the domain from which the right to it comes."""

    address: str
    domain: Domain


def place_of(text: str, customer: Customer) -> Place:
    """Raises Refused with a code: NOT_AN_ADDRESS, those of `understand`, or as `domain_for`."""
    address = read_address(text)
    return Place(address, domain_for(address.rpartition("@")[2], customer))


def read_address(text: str) -> str:
    """As SES writes it: lower case, the domain in ASCII. Raises Refused: NOT_AN_ADDRESS, or those of `understand`."""
    local, at, name = text.strip().strip("<>").rpartition("@")
    local = local.strip().lower()
    if not at or not name.strip():
        raise Refused("That is not an email address. Type it as billing@example.com.", code="NOT_AN_ADDRESS")
    if len(local) > LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        raise Refused(
            f"“{local[:LONGEST_LOCAL]}” cannot stand before the @: letters, digits and . _ - + are common there.",
            code="NOT_AN_ADDRESS",
        )
    return f"{local}@{understand(name).domain.ascii}"


def domain_for(name: str, customer: Customer) -> Domain:
    """The customer's verified domain at or above a name. Raises Refused: DOMAIN_MISSING, DOMAIN_NOT_VERIFIED."""
    holder = nearest_domain(name, customer)
    if holder is None or holder.customer_id != customer.id:
        raise Refused(f"{name} is not a domain of {customer}. Add it first.", code="DOMAIN_MISSING")
    refuse_unverified(holder)
    return holder


def refuse_elsewhere(text: str, domain: Domain) -> str:
    """The address as SES writes it. Raises Refused: NOT_AN_ADDRESS, ADDRESS_ELSEWHERE."""
    address = read_address(text)
    if domain.name not in names_above(address.rpartition("@")[2]):
        raise Refused(f"{address} is not an address at {domain}.", code="ADDRESS_ELSEWHERE")
    return address


def refuse_unverified(domain: Domain) -> None:
    if domain.stage != Stage.READY or domain.verified_at is None:
        said = f"{domain} is not verified yet: addresses can be added once all its required records are right."
        raise Refused(said, code="DOMAIN_NOT_VERIFIED")


def lock_domain(domain: Domain, *, to_receive: bool = True) -> Domain:
    """Until the transaction ends it is not deleted and does not change hands. Raises Refused."""
    locked = Domain.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=domain.pk).first()
    if locked is None or locked.customer_id != domain.customer_id:
        raise Refused(f"{domain} has just been changed. Look at it again.", code="DOMAIN_CHANGED")
    if to_receive:
        refuse_unverified(locked)
    return locked


def refuse_shared_below(domain: Domain) -> None:
    """Everything below a domain may be taken by one customer alone."""
    if shares_below(domain):
        raise Refused(
            f"A name below {domain} is set up on its own, so this catch-all cannot receive its mail. "
            "Add the sub-domains that you need one by one.",
            code="SUB_DOMAIN_OF_ANOTHER",
        )
