"""Finds the owner of a recipient's mail: the exact address, then the subdomain catch-all, then the domain's catch-all.

SES's rules only receive the mail; the operator's function asks here who owns it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from accounts.models.people import Customer
from domains.ownership.selectors import held_domains, name_and_parents
from receipt_rules.addresses.core import as_stored
from receipt_rules.forwarding.selectors import Forwardings, forwardings_of
from receipt_rules.models.addresses import Address, CatchAll, FormerHolder, FormerRoute
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import ReceivingStop
from receipt_rules.planner.core.rules import domain_of
from receipt_rules.route_lookup.core import CLOCKS_DIFFER, Owner, Tenure, ended_in, owner_at, without_label

MOST_STORES = 50  # of the customers of one message, beside those of its endpoints
RULES_UNCHANGED = timedelta(days=1)  # after a transfer, at most, as far as we look where mail is stored


@dataclass(frozen=True)
class Route:
    """`owner` is the ID of the address or catch-all; "" if there is none. Without an endpoint nothing is delivered."""

    recipient: str
    owner: str = ""
    because: str = "nobody"  # address, label, domain, subdomain, former, off, stopped, nobody, earlier, undecided
    customer: str = ""
    endpoint: Endpoint | None = None
    row: Address | CatchAll | None = None
    waits_for: Endpoint | None = None  # the endpoint, if a recipient must confirm first
    members: tuple[str, ...] = ()  # members of a group that may get mail
    former: FormerRoute | None = None  # delivered as before the domain was transferred or its deletion began
    rivals: frozenset[str] = frozenset()  # customer IDs: the name changed hands at that moment
    before: FormerRoute | None = None  # of the former holder: their rule stores mail until the rules are changed
    above: tuple[CatchAll, ...] = ()  # subdomain catch-alls of others: of a stopped customer's mail only they store it
    held: tuple[str, str] = ("", "")  # the domain that holds the name now and its customer, IDs
    has_shared_name: bool = False  # a rule of another customer, who holds or held a name here, may bring this mail too

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
    """Return the most likely store first. An address under a catch-all is stored with it (planner/services.py).

    Until the rules are changed after a transfer, those of the former holder store the mail.
    """
    name = route.row.domain.name if route.row else ""
    endpoint = route.row.own_endpoint if route.row else None
    if route.former:
        name, endpoint = route.former.domain_name, route.former.endpoint
    found = _stores_at(name, endpoint)
    if route.before:
        found += _stores_at(route.before.domain_name, route.before.endpoint)
    return tuple(dict.fromkeys(found))


def possible_stores(route: Route, others: Iterable[Endpoint]) -> tuple[Store, ...]:
    """Return `stores_of`, the default store, those of `others`, the customer's endpoints, and of catch-alls above.

    After a change of the endpoint, or of its store, the rules store mail where it was, until they are changed.
    """
    name = route.former.domain_name if route.former else route.row.domain.name if route.row else ""
    places = [(name, each) for each in (None, *others)] + [(row.domain.name, row.own_endpoint) for row in route.above]
    return tuple(dict.fromkeys((*stores_of(route), *(store for place in places for store in _stores_at(*place)))))


def endpoints_with_stores(customers: Collection[str]) -> dict[str, list[Endpoint]]:
    """Return the endpoints with a store of their own, also as they were, the newest first, by customer ID."""
    rows = Endpoint.objects.filter(customer__in=customers).order_by("-created_at")
    stores = rows.exclude(s3_bucket="", s3_prefix="", former_stores__isnull=True)
    found: dict[str, list[Endpoint]] = {}
    for row in stores.only("customer", "s3_bucket", "s3_prefix", "former_stores")[:MOST_STORES]:
        former = [Endpoint(s3_bucket=bucket, s3_prefix=prefix) for bucket, prefix in row.former_stores or ()]
        found.setdefault(row.customer_id, []).extend((row, *former))
    return found


def _stores_at(name: str, endpoint: Endpoint | None) -> tuple[Store, ...]:
    bucket = (endpoint.s3_bucket if endpoint else "") or settings.RECEIVING_BUCKET
    if endpoint and endpoint.s3_prefix:
        return (Store(bucket, endpoint.s3_prefix),)
    is_each = settings.RECEIVING_PREFIX_EACH_DOMAIN and name
    prefix = f"{settings.RECEIVING_PREFIX}{name}/" if is_each else settings.RECEIVING_PREFIX
    tails = (settings.RECEIVING_CATCH_ALL_PREFIX, "")
    return tuple(Store(bucket, f"{prefix}{tail}") for tail in dict.fromkeys(tails))


@dataclass(frozen=True)
class _Known:
    """The rows for the names in the request: three queries, however many recipients.

    By recipient and customer ID: several customers may have the same, of whom one holds the name.
    """

    addresses: Mapping[tuple[str, str], Address]
    catch_alls: Mapping[tuple[str, str], CatchAll]
    tenures: Mapping[str, Sequence[Tenure]]  # by name, of those who hold it now or held it at the time of a message
    stopped: Mapping[str, datetime]  # customer ID, and since when their receiving is stopped
    gone: frozenset[str]  # IDs of former holders who were deleted
    domains: Mapping[str, str]  # IDs of the held domains, by name
    moved: Mapping[str, datetime]  # when support moved the held domains to their customers, by name

    def tenures_of(self, name: str) -> list[Tenure]:
        return [each for above in name_and_parents(name) for each in self.tenures.get(above, ())]

    def held(self, name: str) -> list[Tenure]:
        """Return who holds the name or one above it now, the nearest first."""
        return [each for each in self.tenures_of(name) if each.until is None]

    def domain(self, name: str) -> tuple[str, str]:
        """Return the domain that holds the name and its customer, by ID."""
        return next(((self.domains[each.name], each.customer) for each in self.held(name)), ("", ""))

    def was_moved_before(self, name: str, at: datetime) -> bool:
        """Return whether support had moved the domain that holds the name not long before."""
        moved = next((self.moved.get(each.name) for each in self.held(name)), None)
        return moved is not None and moved <= at < moved + RULES_UNCHANGED

    def is_shared(self, name: str) -> bool:
        """Return whether another customer than the holder of the name holds a name above it."""
        return len({each.customer for each in self.held(name)}) > 1

    def above(self, name: str, owner: str) -> tuple[CatchAll, ...]:
        """Return the subdomain catch-alls of other customers whose rules bring mail at the name."""
        above = {f".{each}" for each in name_and_parents(name)[1:]}
        return tuple(row for (entry, whose), row in self.catch_alls.items() if whose != owner and entry in above)

    def may_come_twice(self, name: str) -> bool:
        """Return whether rules of two customers may bring a message: it is shared, or was when SES received it."""
        return len({each.customer for each in self.tenures_of(name)}) > 1


_Asked = tuple[str, datetime | None]  # recipient, and when SES received the message; None: as if now


def route_lookup(recipients: Iterable[str], *, received_at: datetime | None = None) -> tuple[Route, ...]:
    """Return a route for each recipient, in order, of a message that SES received at that time; None: now."""
    return routes_at([(recipient, received_at) for recipient in recipients])


def routes_at(asked: Sequence[_Asked]) -> tuple[Route, ...]:
    """Return a route for each recipient and time, in order. Three queries; more for names that changed hands, and three
    more if mail is forwarded.

    A message is delivered for the customer who held its name when SES received it, also once another holds it; never
    for another. It gets no endpoint if that is nobody or undecided, nor if it was received since Trust & Safety stopped
    that customer's receiving: a rule of another customer may still bring it.
    """
    asked = [(as_stored(recipient), at) for recipient, at in asked]
    known = _read(asked)
    owners = _owners(asked, known)
    routes = [_route_of(recipient, owners[recipient, at], at, known) for recipient, at in asked]
    routes = _with_former_routes(routes, [owners[each] for each in asked], asked)
    routes = _with_former_stores(routes, asked, known)
    return _without_unconfirmed(
        [_unless_stopped(route, known.stopped, at) for route, (_, at) in zip(routes, asked, strict=True)]
    )


def possible_owners(asked: Iterable[tuple[str, datetime]]) -> list[frozenset[str]]:
    """Return for each message that belongs to nobody the customers (IDs) to whom staff may give it: who held its name
    then, or if nobody did, who held it before or later. Mail of a customer who was deleted is nobody else's.
    """
    asked = [(as_stored(recipient), at) for recipient, at in asked]
    known = _read(asked)
    return [_possible_owners(domain_of(recipient), at, known) for recipient, at in asked]


def _possible_owners(name: str, received_at: datetime, known: _Known) -> frozenset[str]:
    tenures = known.tenures_of(name)
    owner = owner_at(name_and_parents(name), tenures, received_at)
    if owner.customer in known.gone or owner.rivals & known.gone:
        return frozenset()
    return owner.rivals or frozenset(each.customer for each in tenures) - known.gone


def _owners(asked: Sequence[_Asked], known: _Known) -> dict[_Asked, Owner]:
    found = {(recipient, at): _owner(domain_of(recipient), at, known) for recipient, at in asked}
    open_ = [each for each, owner in found.items() if not owner.customer and known.tenures_of(domain_of(each[0]))]
    return found | _decided(open_)


def _owner(name: str, at: datetime | None, known: _Known) -> Owner:
    if at is None:
        held = known.held(name)
        return Owner(held[0].customer, held[0]) if held else Owner()
    owner = owner_at(name_and_parents(name), known.tenures_of(name), at)
    return Owner() if owner.customer in known.gone else replace(owner, rivals=owner.rivals - known.gone)


def _decided(asked: Iterable[_Asked]) -> dict[_Asked, Owner]:
    """Return the owners that a stored message has: looked up before the name changed hands, or decided by staff.

    Mail of the same moment has the same owner.
    """
    if not (times := {(recipient, at) for recipient, at in asked if at is not None}):
        return {}
    rows = ReceivedMail.objects.filter(
        recipient__in={each for each, _ in times}, received_at__in={at for _, at in times}, customer__isnull=False
    )
    found: dict[_Asked, set[str]] = {}
    for recipient, at, customer in rows.order_by().values_list("recipient", "received_at", "customer_id"):
        if customer is not None and (recipient, at) in times:
            found.setdefault((recipient, at), set()).add(customer)
    return {each: Owner(min(customers)) for each, customers in found.items() if len(customers) == 1}


def _route_of(recipient: str, owner: Owner, at: datetime | None, known: _Known) -> Route:
    name = domain_of(recipient)
    is_shared, domain = known.is_shared(name), known.domain(name)
    if owner.rivals:
        found = Route(recipient, because="undecided", rivals=owner.rivals)
    elif not owner.customer:
        found = Route(recipient, because="earlier" if at is not None and known.tenures_of(name) else "nobody")
    else:
        found = _route(recipient, owner.customer, known)
        if found.row is None and owner.customer != domain[1]:
            found = replace(found, because="former")
        if is_shared and found.row is not None and not found.row.domain.receives:  # nobody wants this mail here
            found = Route(recipient, customer=found.customer)
    above, may_come_twice = known.above(name, owner.customer), known.may_come_twice(name)
    return replace(found, has_shared_name=may_come_twice, held=domain, above=above)


def _with_former_routes(routes: Sequence[Route], owners: Sequence[Owner], asked: Sequence[_Asked]) -> list[Route]:
    """Deliver what has no endpoint now as its customer had it until they lost or deleted the domain."""
    without = [route for route in routes if route.endpoint is None and route.customer and route.because != "off"]
    wanted = {each.recipient: _entries(each.recipient) for each, (_, at) in zip(routes, asked, strict=True) if at}
    if not (entries := {entry for route in without for entry in wanted.get(route.recipient, ())}):
        return list(routes)
    rows = FormerRoute.objects.filter(recipient__in=entries, customer__in={route.customer for route in without})
    known: dict[tuple[str, str], list[FormerRoute]] = {}
    for row in rows.select_related("endpoint"):
        known.setdefault((row.recipient, row.customer_id), []).append(row)
    return [
        _with_former_route(route, owner, at, known) if route in without and at else route
        for route, owner, (_, at) in zip(routes, owners, asked, strict=True)
    ]


def _with_former_route(
    route: Route, owner: Owner, at: datetime, known: Mapping[tuple[str, str], Sequence[FormerRoute]]
) -> Route:
    for entry in _entries(route.recipient):
        rows = [row for row in known.get((entry, route.customer), ()) if ended_in(owner.tenure, row.until)]
        later = [row for row in rows if row.until >= at - CLOCKS_DIFFER]
        row = min(later, key=lambda each: each.until) if later else max(rows, key=lambda each: each.until, default=None)
        if row is not None:
            because = route.because if route.row else "former"
            return replace(route, because=because, endpoint=_usable(row.endpoint), former=row)
    return route


def _with_former_stores(routes: Sequence[Route], asked: Sequence[_Asked], known: _Known) -> list[Route]:
    """Add the former route of mail that came in soon after a transfer. One query, if there is such mail."""
    soon = {recipient for recipient, at in asked if at and known.was_moved_before(domain_of(recipient), at)}
    entries = {entry for recipient in soon for entry in _entries(recipient)}
    rows = FormerRoute.objects.select_related("endpoint").filter(recipient__in=entries) if entries else ()
    latest = {row.recipient: row for row in sorted(rows, key=lambda each: each.until)}
    before = {each: next((latest[one] for one in _entries(each) if one in latest), None) for each in soon}
    return [replace(each, before=before.get(each.recipient)) if each.row else each for each in routes]


def _entries(recipient: str) -> list[str]:
    """Return the recipients of rules that cover it, the one that wins first."""
    name, *above = name_and_parents(domain_of(recipient))
    return [*dict.fromkeys((recipient, without_label(recipient))), name, *(f".{each}" for each in above)]


def _unless_stopped(route: Route, stopped: Mapping[str, datetime], received_at: datetime | None) -> Route:
    since = stopped.get(route.customer)
    if since is None or not (route.row or route.former) or (received_at is not None and received_at < since):
        return route
    return replace(route, because="off" if route.because == "off" else "stopped", endpoint=None)


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


def _read(asked: Sequence[_Asked]) -> _Known:
    recipients = {recipient for recipient, _ in asked}
    names = {name for recipient in recipients for name in name_and_parents(domain_of(recipient))}
    spellings = {spelling for recipient in recipients for spelling in (recipient, without_label(recipient))}
    addresses = _select_columns(Address.objects.filter(address__in=spellings), "address")
    catch_alls = _select_columns(CatchAll.objects.filter(domain__name__in=names, is_active=True), "subdomains")
    held = held_domains().filter(name__in=names).annotate(stopped_at=_stop("customer"))
    holders = list(held.values_list("name", "customer_id", "proven_at", "stopped_at", "pk", "held_since"))
    tenures = {name: [Tenure(name, customer, since)] for name, customer, since, *_ in holders}
    stopped = {customer: stopped_at for _, customer, _, stopped_at, *_ in holders if stopped_at is not None}
    gone: set[str] = set()
    for former, exists, stopped_at in _read_former(_changed_names(asked, tenures)):
        tenures.setdefault(former.name, []).append(former)
        gone |= set() if exists else {former.customer}
        stopped |= {former.customer: stopped_at} if stopped_at is not None else {}
    return _Known(
        {(row.address, row.domain.customer_id): row for row in addresses},
        {(row.recipient, row.domain.customer_id): row for row in catch_alls},
        tenures,
        stopped,
        frozenset(gone),
        {name: domain for name, *_, domain, _ in holders},
        {name: moved for name, *_, moved in holders if moved is not None},
    )


def _stop(customer: str) -> Subquery:
    return Subquery(ReceivingStop.objects.filter(customer=OuterRef(customer), is_stopped=True).values("asked_at")[:1])


def _changed_names(asked: Iterable[_Asked], held: Mapping[str, Sequence[Tenure]]) -> set[str]:
    """Return the names whose former holders matter: those below the nearest that was held already at that time, and
    those above that have changed hands since: a rule of the former holder may bring the message too.
    """
    found: set[str] = set()
    for recipient, at in asked:
        is_held = False
        for name in name_and_parents(domain_of(recipient)) if at else ():
            since = held[name][0].since if name in held else None
            was_held = at is not None and since is not None and since <= at - CLOCKS_DIFFER
            if not was_held and (since or not is_held):
                found.add(name)
            is_held = is_held or was_held
    return found


def _read_former(names: Collection[str]) -> Iterator[tuple[Tenure, bool, datetime | None]]:
    """Yield former holders, whether the customer exists, and since when their receiving is stopped."""
    if not names:
        return
    exists = Exists(Customer.objects.filter(pk=OuterRef("customer")))
    rows = FormerHolder.objects.filter(name__in=names).annotate(exists=exists, stopped_at=_stop("customer"))
    for name, customer, since, until, *rest in rows.order_by().values_list(
        "name", "customer", "since", "until", "exists", "stopped_at"
    ):
        yield Tenure(name, customer, since, until), bool(rest[0]), rest[1]


def _select_columns(rows: QuerySet[Any], own: str) -> QuerySet[Any]:
    """Select only the columns that a route needs: a domain's row is wide, and this runs for every message."""
    domain = ("domain__name", "domain__customer", "domain__receives")
    endpoint = ("name", "type", "sealed_config", "is_active", "customer", "s3_bucket", "s3_prefix")
    shown = (own, "is_active", "rules", *domain, *(f"endpoint__{field}" for field in endpoint))
    return rows.select_related("domain", "endpoint").only(*shown).order_by()


def _route(recipient: str, holder: str, known: _Known) -> Route:
    name = domain_of(recipient)
    for spelling, because in ((recipient, "address"), (without_label(recipient), "label")):
        row = known.addresses.get((spelling, holder))
        if row is not None:
            if not row.is_active:
                return Route(recipient, row.id, "off", holder, row=row)
            return Route(recipient, row.id, because, holder, _usable(row.own_endpoint), row)
    return _by_catch_all(recipient, name, holder, known)


def _by_catch_all(recipient: str, name: str, holder: str, known: _Known) -> Route:
    for entry, because in ((name, "domain"), *((f".{above}", "subdomain") for above in name_and_parents(name)[1:])):
        row = known.catch_alls.get((entry, holder))
        if row is not None:
            return Route(recipient, row.id, because, holder, _usable(row.own_endpoint), row)
    return Route(recipient, customer=holder)


def _usable(endpoint: Endpoint | None) -> Endpoint | None:
    return endpoint if endpoint is not None and endpoint.is_active else None
