"""Reads addresses, catch-alls and endpoints for their viewer, and decides at which domain a recipient is.

Every selector that a customer can reach takes the viewer and returns only their own rows. Who holds a name is read in
`domains.ownership.selectors`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from django.db.models import CharField, Count, F, Func, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, In

from accounts.models.people import Customer, User
from accounts.people.selectors import Viewer, of_customer, of_own_customers, supports_everyone
from accounts.roles import require
from audit.services import Subject
from domains.domain_list.core import UNVERIFIED
from domains.domain_list.selectors import names_in_unicode
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import name_and_parents, nearest_domain
from domains.receiving.core import DELIVERED, MX_POINTS_HERE, MxFact, RulesFact
from domains.records.core import INBOUND_MX
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.filters import has_part
from inbound_admin.lib.lists import ListFilters, Order
from receipt_rules.addresses.core import read_recipient
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, Forwarding
from receipt_rules.models.runs import PendingChange

MAY_NOT_ROUTE = "Only operators and the customer's own members can change where its mail is delivered."


def may_route(viewer: Viewer, customer_id: str = "") -> bool:
    """Return whether to show what changes where mail is delivered: the customer's, or without an ID anybody's."""
    if not isinstance(viewer, User) or not supports_everyone(viewer):
        return True  # people of customers see only their own
    return viewer.may_for(customer_id, "receipt_rules.route_mail") or (not customer_id and viewer.may_be_member)


def require_routing(actor: User | None, customer_id: str) -> None:
    """Raise NotAllowed for staff without the permission who aren't members of the customer."""
    require(actor, "receipt_rules.route_mail", MAY_NOT_ROUTE, customer_id=customer_id)


def recipient_subject(row: Address | CatchAll) -> Subject:
    """Return the change log subject of an address or a catch-all."""
    return Subject(row.kind, row.id, row.recipient, row.domain.customer_id)


def endpoint_subject(endpoint: Endpoint) -> Subject:
    return Subject("endpoint", endpoint.id, endpoint.name, endpoint.customer_id)


def forwarding_subject(row: Forwarding) -> Subject:
    return Subject("forwarding", row.id, row.address[:254], row.customer_id)


@dataclass(frozen=True)
class AddressPlace:
    """An address as spelled in SES, and the domain that entitles the customer to it."""

    address: str
    domain: Domain
    noticed: tuple[str, ...] = ()


def locate_address(text: str, customer: Customer, *, may_wait: bool = False) -> AddressPlace:
    """Return the address and its domain. Raises Refused as `read_recipient` and `domain_for`."""
    read = read_recipient(text)
    return AddressPlace(read.address, domain_for(read.name, customer, may_wait=may_wait), read.noticed)


def domain_for(name: str, customer: Customer, *, may_wait: bool = False) -> Domain:
    """Return the customer's proven domain at or above a name.

    Raises Refused: DOMAIN_MISSING, DOMAIN_NOT_VERIFIED, MAIL_FROM_NAME.
    """
    return entitled(nearest_domain(name, customer), name, customer, may_wait=may_wait)


def entitled(holder: Domain | None, name: str, customer: Customer, *, may_wait: bool = False) -> Domain:
    """Return the nearest domain of a name if the customer may receive mail there. Raises Refused as `domain_for`."""
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


def address_at_domain(text: str, domain: Domain) -> str:
    """Return the address as spelled in SES. Raises Refused: ADDRESS_ELSEWHERE, or as `read_recipient`."""
    address = read_recipient(text).address
    if domain.name not in name_and_parents(address.rpartition("@")[2]):
        raise Refused(f"{address} isn't an address at {domain}.", code="ADDRESS_ELSEWHERE")
    return address


def refuse_unproven(domain: Domain, *, may_wait: bool = False) -> None:
    """Raise Refused if the domain can't receive mail: its ownership isn't proven, or it only sends.

    The MX record isn't needed yet: addresses come first, so that no mail is rejected. `may_wait`: allow addresses that
    wait for the proof; not at an open claim, because others may claim the same name.
    """
    waits = may_wait and domain.stage in (Stage.STARTING, Stage.READY)
    if not waits and (domain.stage != Stage.READY or not domain.is_proven):
        sentence = f"Ownership of {domain} isn't verified yet. You can add addresses once SES has verified its records."
        if domain.stage == Stage.CLAIM:
            sentence = f"Prove that you own {domain} first: publish its ownership record. Then you can add addresses."
        raise Refused(sentence, code="DOMAIN_NOT_VERIFIED")
    if not domain.receives:
        sentence = f"{domain} is set to send only. To receive mail, change this under Settings."
        raise Refused(sentence, code="SEND_ONLY")


_MAIL_NAME = Func(F("address"), Value("@"), Value(2), function="split_part", output_field=CharField())
_MX_FACT = Func(
    F("domain__mx_facts"),
    _MAIL_NAME,
    function="jsonb_extract_path_text",
    output_field=CharField(),
)


def _mx_is(*facts: MxFact) -> Q:
    return Q(In(Coalesce(_MX_FACT, Value("")), facts))


# As `Address.receiving` evaluates a row. A failed MX lookup is unclear, unless the rules reject the mail.
_HERE = ~Q(domain__expectations__has_key=INBOUND_MX)
_RECEIVES = Q(domain__receives=True) & _HERE
_VERIFIED = Q(domain__proven_at__isnull=False) & ~(
    Q(domain__stage=Stage.CLAIM) | Q(domain__identity_status__in=UNVERIFIED)
)
# A subdomain catch-all above receives the mail of a send-only domain too.
_POINTS_HERE = _mx_is(MxFact.HERE) | (_mx_is(MxFact.SHARED) & Q(domain__receives=False))
# By an MTA-STS policy, which is of the domain's own name.
_IS_BLOCKED = Q(Exact(_MAIL_NAME, F("domain__name")), domain__mta_sts_block__isnull=False) & _RECEIVES
_ARRIVES = _POINTS_HERE & Q(rules=RulesFact.CARRIED) & _HERE & _VERIFIED & ~_IS_BLOCKED
_UNCLEAR = _HERE & (
    (_mx_is(MxFact.UNKNOWN) & Q(rules__in=DELIVERED) & _RECEIVES)
    | (_mx_is(MxFact.UNSEEN) & Q(rules__in=DELIVERED) & _VERIFIED & ~_IS_BLOCKED)
    | (_mx_is(MxFact.UNSEEN) & Q(rules__in=(RulesFact.FOREIGN, RulesFact.ENDING)) & _VERIFIED)
    | (_mx_is(*MX_POINTS_HERE) & Q(rules=RulesFact.UNSURE) & _VERIFIED)
)
SHOWN = {
    "live": Q(is_active=True) & _ARRIVES,
    "waiting": Q(is_active=True) & ~_ARRIVES & ~_UNCLEAR,
    "unclear": Q(is_active=True) & _UNCLEAR,
    "off": Q(is_active=False),
}


@dataclass(frozen=True)
class AddressListFilters(ListFilters):
    """`q` matches part of the address."""

    domain: str = ""
    endpoint: str = ""
    customer: str = ""

    columns: ClassVar[Mapping[str, str]] = {"domain": "domain", "endpoint": "endpoint"}
    sorts: ClassVar[Mapping[str, Order]] = {
        "address": ("address", "pk"),
        "-address": ("-address", "-pk"),
        "domain": ("domain__name", "address", "pk"),
    }

    dear = ("waiting", "unclear")  # by what the MX of each address's name was found to be

    def conditions(self) -> Iterator[Q]:
        if self.q:
            yield address_contains(self.q)
        if self.customer:
            yield of_customer("customer", self.customer)

    def groups(self) -> dict[str, Q]:
        return SHOWN


def addresses_for(viewer: Viewer) -> QuerySet[Address]:
    """Return addresses of the viewer's domains; all addresses for support staff."""
    rows = Address.objects.select_related("domain__customer", "endpoint")
    return rows if supports_everyone(viewer) else rows.filter(of_own_customers(viewer))


def address_numbers(domains: Collection[Domain]) -> dict[str, int]:
    """Return the number of addresses by the ID of each of these domains that has any."""
    rows = Address.objects.filter(domain__in=domains).order_by().values_list("domain_id")
    return dict(rows.annotate(number=Count("pk")))


class AddressExists(Refused):
    """The customer has the address already."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} already exists.", code="ADDRESS_EXISTS")


def refuse_existing(address: str, existing: Collection[str]) -> None:
    """Raise AddressExists for one of the customer's existing addresses."""
    if address in existing:
        raise AddressExists(address)


def addresses_named(addresses: Collection[str], customer: Customer) -> QuerySet[Address]:
    """Return the customer's rows of these addresses. Others may have added the same, at domains that aren't proven."""
    rows = Address.objects.select_related("domain__customer", "endpoint")
    return rows.filter(address__in=addresses, domain__customer=customer)


def endpoints_for(viewer: Viewer) -> QuerySet[Endpoint]:
    rows = Endpoint.objects.select_related("customer")
    return rows if supports_everyone(viewer) else rows.filter(of_own_customers(viewer))


_SHOWN_COLUMNS = (
    *("address", "is_active", "rules", "refused_because", "domain__customer__name"),
    *("endpoint__name", "endpoint__type", "endpoint__sealed_config", "endpoint__is_active", "endpoint__customer"),
    *("domain__name", "domain__customer", "domain__region", "domain__stage", "domain__proven_at", "domain__receives"),
    *("domain__identity_status", "domain__routes_unchecked"),
    *("domain__mx_facts", "domain__mail_rules", "domain__expectations", "domain__mta_sts_block"),
    "domain__has_catch_all",
)


def search_addresses(*, viewer: Viewer, filters: AddressListFilters) -> QuerySet[Address]:
    """Return the addresses of the list, with only the columns that it shows: a domain has a hundred more."""
    rows = addresses_for(viewer)
    if filters.sort == "domain":
        rows = rows.filter(_in_order_of_domains(viewer, filters))
    return filters.search(rows).only(*_SHOWN_COLUMNS)


def _in_order_of_domains(viewer: Viewer, filters: AddressListFilters) -> Q:
    """Say of the domains, too, whose they are: an index has those of a customer in order."""
    if not supports_everyone(viewer):
        return of_own_customers(viewer, "domain__customer")
    return of_customer("domain__customer", filters.customer) if filters.customer else Q()


def inbound_of(domain: Domain) -> tuple[list[Address], list[CatchAll]]:
    """Return addresses and catch-alls of a domain. The caller has fetched the domain for its viewer."""
    addresses = Address.objects.select_related("endpoint", "domain").filter(domain=domain)
    catch_alls = CatchAll.objects.select_related("endpoint", "domain").filter(domain=domain)
    return list(addresses), list(catch_alls)


def catch_alls_above(domain: Domain) -> list[CatchAll]:
    """Return the live subdomain catch-alls that make SES accept mail for this domain, anybody's, the nearest first."""
    parents = domain.parsed.parents
    if not parents or not domain.is_proven:
        return []
    rows = CatchAll.objects.filter(subdomains=True, is_active=True, rules__in=DELIVERED, domain__name__in=parents)
    found = rows.filter(domain__region=domain.region).select_related("domain", "endpoint")
    return sorted(found, key=lambda each: -len(each.domain.name))


def pending_for(customer: Customer) -> PendingChange | None:
    """Return the customer's change that SES doesn't have yet, with the reason if an operator must review it."""
    return PendingChange.objects.filter(customer=customer).first()


def pending_changes() -> QuerySet[PendingChange]:
    """Return the pending changes of all customers, for operators."""
    return PendingChange.objects.select_related("customer", "by")


def endpoints_of(customer: Customer) -> QuerySet[Endpoint]:
    """Return the customer's endpoints; the caller has already fetched the customer for its viewer."""
    return Endpoint.objects.filter(customer=customer)


def endpoints_found(*, viewer: Viewer, text: str) -> QuerySet[Endpoint]:
    """Return endpoints that match part of their name or of their customer's name."""
    found = endpoints_for(viewer)
    return found.filter(Q(name__icontains=text) | Q(customer__name__icontains=text)) if text else found


def address_contains(text: str) -> Q:
    """Match part of the address, its domain in Unicode or in DNS form."""
    found = has_part("address", text)
    if text.isascii():
        return found
    local, at, name = text.rpartition("@")
    return found | Q(domain__name__in=names_in_unicode(name), address__contains=f"{local.lower()}{at}")


def address_counts(*, viewer: Viewer, filters: AddressListFilters) -> dict[str, int]:
    return filters.counts(addresses_for(viewer))


_IS_OWN = Q(domain__customer=F("endpoint__customer"))  # a domain that moves to another customer keeps its rows


def addresses_to(*endpoints: str) -> QuerySet[Address]:
    """Return the addresses that are delivered to these endpoints (IDs): those of the endpoint's own customer."""
    return Address.objects.select_related("domain").filter(_IS_OWN, endpoint__in=endpoints)


def catch_alls_to(*endpoints: str) -> QuerySet[CatchAll]:
    """Return the catch-alls that are delivered to these endpoints (IDs): those of the endpoint's own customer."""
    return CatchAll.objects.select_related("domain").filter(_IS_OWN, endpoint__in=endpoints)


def domains_using(endpoint: Endpoint) -> list[str]:
    """Return the IDs of domains with a recipient that is delivered to the endpoint."""
    rows = (addresses_to(endpoint.pk), catch_alls_to(endpoint.pk))
    return sorted({domain for found in rows for domain in found.values_list("domain_id", flat=True)})


def used_by(endpoint: Endpoint, most: int = 10) -> tuple[str, ...]:
    """Return up to `most` recipients that are delivered to the endpoint, catch-alls first."""
    return tuple(map(str, [*catch_alls_to(endpoint.pk)[:most], *addresses_to(endpoint.pk)[:most]][:most]))
