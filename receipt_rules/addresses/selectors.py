"""Reads addresses, catch-alls and endpoints for their viewer, finds who holds a name, and reads the Inbound pages.

The holder of a name is the nearest proven domain at or above it; an unproven domain holds nothing. Every selector that
a customer can reach takes the viewer and returns only their own rows.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from django.db.models import CharField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import In

from accounts.models.people import Customer
from accounts.people.selectors import Viewer, customers_for, of_customer, supports_everyone
from audit.services import Subject
from domains.models.domains import UNVERIFIED, Domain, Stage
from domains.ownership.selectors import held_domains, held_names_near
from domains.receiving.core import DELIVERED, MX_POINTS_HERE, MxFact, RulesFact
from domains.records.core import INBOUND_MX
from inbound_admin.lib.database import in_values
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.lists import ListFilters, Order, has_part
from receipt_rules.addresses.core import read_recipient
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, Forwarding
from receipt_rules.models.runs import PendingChange


def address_subject(address: Address) -> Subject:
    """Return the change log subject of an address."""
    return Subject("address", address.id, address.address, address.domain.customer_id)


def catch_all_subject(catch_all: CatchAll) -> Subject:
    return Subject("catch_all", catch_all.id, catch_all.recipient, catch_all.domain.customer_id)


def endpoint_subject(endpoint: Endpoint) -> Subject:
    return Subject("endpoint", endpoint.id, endpoint.name, endpoint.customer_id)


def forwarding_subject(row: Forwarding) -> Subject:
    return Subject("forwarding", row.id, row.address[:254], row.customer_id)


def names_above(name: str) -> tuple[str, ...]:
    """Return the name itself, then the names above it, down to two labels."""
    labels = name.split(".")
    return tuple(".".join(labels[at:]) for at in range(max(1, len(labels) - 1)))


def holder_of(name: str) -> Domain | None:
    """Return the held domain at a name, or the nearest above it."""
    found = held_domains().select_related("customer").filter(name__in=names_above(name))
    return max(found, key=lambda domain: len(domain.name), default=None)


def nearest_domain(name: str, customer: Customer) -> Domain | None:
    """Return the nearest domain at or above a name: a held one, or the customer's own that isn't proven yet."""
    own = Q(customer=customer) & ~Q(stage=Stage.CLAIM)
    rows = Domain.objects.filter(own | Q(pk__in=held_domains().values("pk")), name__in=names_above(name))
    found = rows.select_related("customer")
    return max(found, key=lambda domain: (len(domain.name), domain.proven_at is not None), default=None)


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


def address_at_domain(text: str, domain: Domain) -> str:
    """Return the address as spelled in SES. Raises Refused: ADDRESS_ELSEWHERE, or as `read_recipient`."""
    address = read_recipient(text).address
    if domain.name not in names_above(address.rpartition("@")[2]):
        raise Refused(f"{address} isn't an address at {domain}.", code="ADDRESS_ELSEWHERE")
    return address


def refuse_unproven(domain: Domain, *, may_wait: bool = False) -> None:
    """Raise Refused if the domain can't receive mail: its ownership isn't proven, or it only sends.

    The MX record isn't needed yet: addresses come first, so that no mail is rejected. `may_wait`: allow addresses that
    wait for the proof; not at an open claim, because others may claim the same name.
    """
    waits = may_wait and domain.stage in (Stage.STARTING, Stage.READY)
    if not waits and (domain.stage != Stage.READY or not domain.is_proven):
        said = f"Ownership of {domain} isn't verified yet. You can add addresses once SES has verified its records."
        raise Refused(said, code="DOMAIN_NOT_VERIFIED")
    if not domain.receives:
        said = f"{domain} is set to send only. To receive mail, change this under Settings."
        raise Refused(said, code="SEND_ONLY")


def shares_below(domain: Domain) -> bool:
    """Return whether another customer holds a subdomain of this domain."""
    return held_domains().filter(name__endswith=f".{domain.name}").exclude(customer=domain.customer_id).exists()


MOST_ASKED = 20_000  # names; of more, all are read


class Holders:
    """The holders of all names, read once: a plan needs the holder of each of thousands of recipients."""

    def __init__(self, held: Mapping[str, str]) -> None:
        self._held = held
        self._foreign_below: dict[str, set[str]] = {}
        for name, customer in held.items():
            above = name.partition(".")[2]
            while "." in above:  # same as `names_above`, inlined for 100,000 names
                if above in held:
                    self._foreign_below.setdefault(above, set()).add(customer)
                above = above.partition(".")[2]

    @classmethod
    def read(cls, customers: Collection[str] | None = None) -> "Holders":
        """Read the holders. With customers (IDs), read only domains at and below the names they hold."""
        return cls(
            dict(held_domains().values_list("name", "customer_id") if customers is None else held_names_near(customers))
        )

    @classmethod
    def at(cls, names: Collection[str]) -> "Holders":
        """Read the holders of these names only. With more than 20,000 names, read all."""
        if len(names) > MOST_ASKED:
            return cls.read()
        above = {each for name in names for each in names_above(name)}
        return cls(dict(held_domains().filter(in_values("name", above)).order_by().values_list("name", "customer_id")))

    @classmethod
    def read_staying(cls, names: Collection[str] | None = None) -> "Holders":
        """Read the holders without domains that are being deleted, which may not receive mail. `names`: as in `at`."""
        staying = held_domains().exclude(stage=Stage.DELETING)
        if names is not None and len(names) <= MOST_ASKED:
            staying = staying.filter(in_values("name", {each for name in names for each in names_above(name)}))
        return cls(dict(staying.values_list("name", "customer_id")))

    def names_of(self, customers: Collection[str]) -> frozenset[str]:
        """Return the names that these customers (IDs) hold."""
        return frozenset(name for name, customer in self._held.items() if customer in customers)

    def customer_of(self, name: str) -> str:
        """Return the ID of the customer who holds a name; "" if nobody does."""
        return self._held.get(name) or self._held.get(self.nearest(name), "")

    def nearest(self, name: str) -> str:
        """Return the held name at or above this one; "" if there is none."""
        return next((above for above in names_above(name) if above in self._held), "")

    def belongs(self, name: str, domain: str) -> bool:
        """Return whether a name is at or below this domain, and below no other held one.

        The domain need not be held.
        """
        return domain in names_above(name) and len(self.nearest(name)) <= len(domain)

    def shares_below(self, domain: str) -> bool:
        """Return whether another customer holds a subdomain of this domain."""
        return bool(self._foreign_below.get(domain, set()) - {self._held.get(domain, "")})


_MX_FACT = Func(
    F("domain__mx_facts"),
    Func(F("address"), Value("@"), Value(2), function="split_part"),
    function="jsonb_extract_path_text",
    output_field=CharField(),
)


def _mx_is(*facts: MxFact) -> Q:
    return Q(In(Coalesce(_MX_FACT, Value("")), facts))


# As `Address.receiving` evaluates a row. A failed MX lookup is unclear, unless the rules reject the mail.
_RECEIVES = Q(domain__receives=True) & ~Q(domain__expectations__has_key=INBOUND_MX)
_VERIFIED = Q(domain__proven_at__isnull=False) & ~(
    Q(domain__stage=Stage.CLAIM) | Q(domain__identity_status__in=UNVERIFIED)
)
_ARRIVES = _mx_is(MxFact.HERE) & Q(rules=RulesFact.CARRIED) & _RECEIVES & _VERIFIED
_UNCLEAR = _RECEIVES & (
    (_mx_is(MxFact.UNKNOWN) & Q(rules__in=DELIVERED))
    | (_mx_is(MxFact.UNSEEN) & Q(rules__in=(*DELIVERED, RulesFact.FOREIGN)) & _VERIFIED)
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
        "address": ("address",),
        "-address": ("-address",),
        "domain": ("domain__name", "address"),
    }

    dear = ("waiting", "unclear")  # by what the MX of each address's name was found to be

    def conditions(self) -> Iterator[Q]:
        if self.q:
            yield has_part("address", self.q)
        if self.customer:
            yield of_customer("domain__customer", self.customer)

    def groups(self) -> dict[str, Q]:
        return SHOWN


def addresses_for(viewer: Viewer) -> QuerySet[Address]:
    """Return addresses of the viewer's domains; all addresses for support staff."""
    rows = Address.objects.select_related("domain__customer", "endpoint")
    return rows if supports_everyone(viewer) else rows.filter(domain__customer__in=customers_for(viewer))


def endpoints_for(viewer: Viewer) -> QuerySet[Endpoint]:
    rows = Endpoint.objects.select_related("customer")
    return rows if supports_everyone(viewer) else rows.filter(customer__in=customers_for(viewer))


_SHOWN_COLUMNS = (
    *("address", "is_active", "rules", "refused_because", "domain__customer__name"),
    *("endpoint__name", "endpoint__type", "endpoint__sealed_config", "endpoint__is_active", "endpoint__customer"),
    *("domain__name", "domain__customer", "domain__region", "domain__stage", "domain__proven_at", "domain__receives"),
    *("domain__identity_status", "domain__routes_unchecked"),
    *("domain__mx_facts", "domain__mail_rules", "domain__expectations", "domain__has_catch_all"),
)


def search_addresses(*, viewer: Viewer, filters: AddressListFilters) -> QuerySet[Address]:
    """Return the addresses of the list, with only the columns that it shows: a domain has a hundred more."""
    return filters.search(addresses_for(viewer)).only(*_SHOWN_COLUMNS)


def inbound_of(domain: Domain) -> tuple[list[Address], list[CatchAll]]:
    """Return addresses and catch-alls of a domain. The caller has fetched the domain for its viewer."""
    addresses = Address.objects.select_related("endpoint", "domain").filter(domain=domain)
    catch_alls = CatchAll.objects.select_related("endpoint", "domain").filter(domain=domain)
    return list(addresses), list(catch_alls)


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


def address_counts(*, viewer: Viewer, filters: AddressListFilters) -> dict[str, int]:
    return filters.counts(addresses_for(viewer))


def domains_using(endpoint: Endpoint) -> list[str]:
    """Return the IDs of domains with a recipient that is delivered to the endpoint."""
    addresses = Address.objects.filter(endpoint=endpoint).values_list("domain_id", flat=True)
    return sorted({*addresses, *CatchAll.objects.filter(endpoint=endpoint).values_list("domain_id", flat=True)})


def used_by(endpoint: Endpoint) -> tuple[str, ...]:
    """Return up to ten recipients that are delivered to the endpoint, for its page."""
    addresses = [each.recipient for each in Address.objects.filter(endpoint=endpoint)[:10]]
    everything = [str(each) for each in CatchAll.objects.select_related("domain").filter(endpoint=endpoint)[:10]]
    return tuple([*everything, *addresses][:10])
