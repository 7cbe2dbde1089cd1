"""Finds the owner of a recipient's mail: the exact address, then the subdomain catch-all, then the domain's catch-all.

SES's rules only receive the mail; the operator's function asks here who owns it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery

from domains.ownership.selectors import held_domains, name_and_parents
from receipt_rules.forwarding.selectors import Forwardings, forwardings_of
from receipt_rules.models.addresses import Address, CatchAll, FormerHolder
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.live import ReceivingStop
from receipt_rules.planner.core.rules import domain_of


@dataclass(frozen=True)
class Route:
    """`owner` is the ID of the address or catch-all; "" if there is none. Without an endpoint nothing is delivered."""

    recipient: str
    owner: str = ""
    because: str = "nobody"  # address, label, domain, subdomain, off, stopped, nobody, earlier
    customer: str = ""
    endpoint: Endpoint | None = None
    row: Address | CatchAll | None = None
    waits_for: Endpoint | None = None  # the endpoint, if a recipient must confirm first
    members: tuple[str, ...] = ()  # members of a group that may get mail
    since: datetime | None = None  # since when the customer holds the name
    has_shared_name: bool = False  # another customer holds a name above: a rule of theirs may bring this mail too

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the endpoint's settings with live secrets, for the operator's function only."""
        if self.endpoint is None:
            return {}
        config = self.endpoint.config
        return {**config, "addresses": list(self.members)} if "addresses" in config else config


@dataclass(frozen=True)
class Store:
    """Where the rules store a recipient's mail: `prefix` and the message ID are the object's key."""

    bucket: str
    prefix: str


def stores_of(route: Route) -> tuple[Store, ...]:
    """Return the most likely store first. An address under a catch-all is stored with it (planner/services.py)."""
    endpoint = route.row.own_endpoint if route.row else None
    bucket = (endpoint.s3_bucket if endpoint else "") or settings.RECEIVING_BUCKET
    if endpoint and endpoint.s3_prefix:
        return (Store(bucket, endpoint.s3_prefix),)
    is_each = settings.RECEIVING_PREFIX_EACH_DOMAIN and route.row is not None
    prefix = (
        f"{settings.RECEIVING_PREFIX}{route.row.domain.name}/" if is_each and route.row else settings.RECEIVING_PREFIX
    )
    tails = (settings.RECEIVING_CATCH_ALL_PREFIX, "")
    return tuple(Store(bucket, f"{prefix}{tail}") for tail in dict.fromkeys(tails))


@dataclass(frozen=True)
class _Known:
    """The rows for the names in the request: three queries, however many recipients.

    By recipient and customer ID: several customers may have the same, of whom one holds the name.
    """

    addresses: Mapping[tuple[str, str], Address]
    catch_alls: Mapping[tuple[str, str], CatchAll]
    held: Mapping[str, tuple[str, datetime | None]]  # customer ID, and since when they hold it
    stopped: Mapping[str, datetime]  # customer ID, and since when their receiving is stopped
    former: Sequence[tuple[str, str, datetime]] = ()  # deleted name below a held one, its customer ID, and until when

    def holder(self, name: str) -> tuple[str, datetime | None]:
        return next((self.held[above] for above in name_and_parents(name) if above in self.held), ("", None))

    def since(self, name: str) -> datetime | None:
        """Return since when the holder has had the name: until another customer's domain was deleted, it was theirs."""
        holder, since = self.holder(name)
        at_or_above = name_and_parents(name)
        ended = (until for was, customer, until in self.former if was in at_or_above and customer != holder)
        return max(filter(None, (since, *ended)), default=None)

    def is_shared(self, name: str) -> bool:
        """Return whether another customer than the holder of the name holds a name above it."""
        return len({self.held[above][0] for above in name_and_parents(name) if above in self.held}) > 1


def route_lookup(recipients: Iterable[str], *, received_at: datetime | None = None) -> tuple[Route, ...]:
    """Return a route for each recipient, in order. Three queries, one more for names below a held one, and three more
    if mail is forwarded.

    Mail received before the current holder had the name belonged to someone else: it gets no endpoint. Nor does mail
    received since Trust & Safety stopped the holder's receiving: a rule of another customer may still bring it.
    """
    addresses = [recipient.strip().lower() for recipient in recipients]
    known = _read(addresses)
    routes = [_unless_stopped(_route_of(each, known), known.stopped, received_at) for each in addresses]
    return _without_unconfirmed([_unless_earlier(route, received_at) for route in routes])


def _route_of(recipient: str, known: _Known) -> Route:
    name = domain_of(recipient)
    found, is_shared = _route(recipient, known), known.is_shared(name)
    if is_shared and found.row is not None and not found.row.domain.receives:  # nobody wants this mail here
        found = Route(recipient, customer=found.customer)
    return replace(found, since=known.since(name), has_shared_name=is_shared)


def _unless_stopped(route: Route, stopped: Mapping[str, datetime], received_at: datetime | None) -> Route:
    since = stopped.get(route.customer)
    if since is None or route.row is None or (received_at is not None and received_at < since):
        return route
    return replace(route, because="off" if route.because == "off" else "stopped", endpoint=None)


def _unless_earlier(route: Route, received_at: datetime | None) -> Route:
    if route.since is None or received_at is None or received_at >= route.since:
        return route
    return Route(route.recipient, because="earlier", since=route.since, has_shared_name=route.has_shared_name)


def _without_unconfirmed(routes: Sequence[Route]) -> tuple[Route, ...]:
    """Deliver nothing to an address of someone else who hasn't confirmed; the mail stays stored."""
    known = forwardings_of({route.endpoint.pk: route.endpoint for route in routes if route.endpoint}.values())
    return tuple(_with_allowed_recipients(route, known) for route in routes)


def _with_allowed_recipients(route: Route, known: Forwardings) -> Route:
    if route.endpoint is None:
        return route
    if known.blocks(route.endpoint):
        return replace(route, endpoint=None, waits_for=route.endpoint)
    return replace(route, members=known.allowed(route.endpoint))


def _read(recipients: Iterable[str]) -> _Known:
    names = {name for recipient in recipients for name in name_and_parents(domain_of(recipient))}
    spellings = {spelling for recipient in recipients for spelling in (recipient, _without_label(recipient))}
    addresses = _select_columns(Address.objects.filter(address__in=spellings), "address")
    catch_alls = _select_columns(CatchAll.objects.filter(domain__name__in=names, is_active=True), "subdomains")
    stop = ReceivingStop.objects.filter(customer=OuterRef("customer"), is_stopped=True).values("asked_at")[:1]
    held = held_domains().filter(name__in=names).annotate(stopped_at=Subquery(stop))
    holders = list(held.values_list("name", "customer_id", "proven_at", "stopped_at"))
    known = {name: (customer, since) for name, customer, since, _ in holders}
    return _Known(
        {(row.address, row.domain.customer_id): row for row in addresses},
        {(row.recipient, row.domain.customer_id): row for row in catch_alls},
        known,
        {customer: stopped_at for _, customer, _, stopped_at in holders if stopped_at is not None},
        _read_former({domain_of(recipient) for recipient in recipients}, known),
    )


def _read_former(names: Iterable[str], held: Collection[str]) -> list[tuple[str, str, datetime]]:
    """Read former holders of names that are below a held one; no query if there are none."""
    below: set[str] = set()
    for name in names:
        at_or_above = name_and_parents(name)
        nearest = next((place for place, each in enumerate(at_or_above) if each in held), 0)
        below.update(at_or_above[:nearest])
    if not below:
        return []
    return list(FormerHolder.objects.filter(name__in=below).order_by().values_list("name", "customer", "until"))


def _select_columns(rows: QuerySet[Any], own: str) -> QuerySet[Any]:
    """Select only the columns that a route needs: a domain's row is wide, and this runs for every message."""
    domain = ("domain__name", "domain__customer", "domain__receives")
    endpoint = ("name", "type", "sealed_config", "is_active", "customer", "s3_bucket", "s3_prefix")
    shown = (own, "is_active", *domain, *(f"endpoint__{field}" for field in endpoint))
    return rows.select_related("domain", "endpoint").only(*shown).order_by()


def _route(recipient: str, known: _Known) -> Route:
    name = domain_of(recipient)
    holder, _ = known.holder(name)
    for spelling, because in ((recipient, "address"), (_without_label(recipient), "label")):
        row = known.addresses.get((spelling, holder))
        if row is not None:
            if not row.is_active:
                return Route(recipient, row.id, "off", holder, row=row)
            return Route(recipient, row.id, because, holder, _usable(row.own_endpoint), row)
    return _by_catch_all(recipient, name, holder, known)


def _by_catch_all(recipient: str, name: str, holder: str, known: _Known) -> Route:
    entries = [(name, "domain"), *((f".{above}", "subdomain") for above in name_and_parents(name)[1:])]
    for entry, because in entries:
        row = known.catch_alls.get((entry, holder))
        if row is not None:
            return Route(recipient, row.id, because, holder, _usable(row.own_endpoint), row)
    return Route(recipient, customer=holder)


def _usable(endpoint: Endpoint | None) -> Endpoint | None:
    return endpoint if endpoint is not None and endpoint.is_active else None


def _without_label(recipient: str) -> str:
    local, at, name = recipient.rpartition("@")
    return f"{local.partition('+')[0]}{at}{name}"
