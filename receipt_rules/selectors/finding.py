"""Rows of receiving to be read. What a customer can reach takes the viewer and shows their own rows alone."""

from dataclasses import dataclass, fields

from django.db.models import Q, QuerySet
from django.http import QueryDict

from domains.models import Domain
from domains.selectors.finding import domains_for
from receipt_rules.models import Address, CatchAll, Endpoint, PendingChange, Run
from receipt_rules.selectors.owning import shares_below
from tenants.models import Customer
from tenants.selectors import Viewer, customers_for, supports_everyone

SORTS = {"address": ("address",), "-address": ("-address",), "domain": ("domain__name", "address")}


@dataclass(frozen=True)
class Filters:
    """What the URL of the list says; nonsense in it filters nothing."""

    q: str = ""
    show: str = ""  # live, waiting, off
    domain: str = ""
    endpoint: str = ""
    customer: str = ""
    sort: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> "Filters":
        given = {field.name: query.get(field.name, "").replace("\x00", "").strip()[:320] for field in fields(cls)}
        return cls(**given)

    @property
    def active(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self) if field.name != "sort")


SHOWN = {
    "live": Q(is_active=True, is_live=True),
    "waiting": Q(is_active=True, is_live=False),
    "off": Q(is_active=False),
}


def addresses_for(viewer: Viewer) -> QuerySet[Address]:
    """Addresses of the viewer's domains, or of all for staff who support them."""
    rows = Address.objects.select_related("domain__customer", "endpoint")
    return rows if supports_everyone(viewer) else rows.filter(domain__customer__in=customers_for(viewer))


def catch_alls_for(viewer: Viewer) -> QuerySet[CatchAll]:
    rows = CatchAll.objects.select_related("domain__customer", "endpoint")
    return rows if supports_everyone(viewer) else rows.filter(domain__customer__in=customers_for(viewer))


def endpoints_for(viewer: Viewer) -> QuerySet[Endpoint]:
    rows = Endpoint.objects.select_related("customer")
    return rows if supports_everyone(viewer) else rows.filter(customer__in=customers_for(viewer))


def search_addresses(*, viewer: Viewer, filters: Filters) -> QuerySet[Address]:
    """By part of the address, and by the filters."""
    found = addresses_for(viewer)
    if filters.q:
        found = found.filter(address__icontains=filters.q.lower())
    if filters.show in SHOWN:
        found = found.filter(SHOWN[filters.show])
    for column, value in (
        ("domain", filters.domain),
        ("endpoint", filters.endpoint),
        ("domain__customer", filters.customer),
    ):
        if value:
            found = found.filter(**{column: value})
    return found.order_by(*SORTS.get(filters.sort, SORTS["address"]))


def inbound_of(domain: Domain) -> tuple[list[Address], list[CatchAll]]:
    """What takes mail at a domain and below it. The caller has fetched the domain for its viewer."""
    addresses = Address.objects.select_related("endpoint", "domain").filter(domain=domain)
    catch_alls = CatchAll.objects.select_related("endpoint", "domain").filter(domain=domain)
    return list(addresses), list(catch_alls)


def mode_of(domain: Domain) -> tuple[str, ...]:
    """In words: "billing@ goes to A", "everything else to B". A sentence each."""
    addresses, catch_alls = inbound_of(domain)
    own = [row for row in addresses if row.is_active]
    spoken = [f"{row.address.removesuffix(domain.name)} goes to {_where(row)}." for row in own]
    for row in catch_alls:
        if row.is_active and row.subdomains and shares_below(domain):
            spoken.append(f"Mail below {domain} is not received: a name there is set up on its own.")
        elif row.is_active:
            what = f"Everything below {domain}" if row.subdomains else f"Everything{' else' if own else ''} at {domain}"
            spoken.append(f"{what} goes to {_where(row)}.")
    return tuple(spoken) or (f"No mail is taken for {domain}.",)


def _where(row: Address | CatchAll) -> str:
    endpoint = row.own_endpoint
    if endpoint is None:
        return "no endpoint yet: it is only stored"
    return endpoint.name if endpoint.is_active else f"{endpoint.name}, which is switched off"


def pending_for(customer: Customer) -> PendingChange | None:
    """What the customer changed and Amazon does not know yet; says why when an operator must look."""
    return PendingChange.objects.filter(customer=customer).first()


def pending_changes() -> QuerySet[PendingChange]:
    """Of all customers, for operators."""
    return PendingChange.objects.select_related("customer", "by")


def runs() -> QuerySet[Run]:
    """For operators; newest first."""
    return Run.objects.select_related("approved_by", "customer", "cancelled_by")


def domains_that_receive(viewer: Viewer) -> QuerySet[Domain]:
    """The viewer's verified domains, to which addresses can be added."""
    return domains_for(viewer).filter(verified_at__isnull=False, stage="ready")
