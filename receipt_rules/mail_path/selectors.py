"""The path of mail for a domain, an address or a simulated recipient: its facts, and its endpoints by route lookup."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from domains.models.domains import Domain
from domains.receiving.core import Receiving, ReceivingFacts
from notifications.alerts.selectors import open_since
from receipt_rules.forwarding.selectors import blocked_endpoints, is_forwarding_off, own_recipients_of, recipients_of
from receipt_rules.mail_path.core import End, Hop, mail_path
from receipt_rules.models.addresses import Address, CatchAll, RequestedRecipient
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.planner.core.rules import sample_address
from receipt_rules.route_lookup.selectors import Route, route_lookup
from receipt_rules.runs.selectors import set_changing

MOST_ASKED = 100  # recipients whose endpoints are looked up


def path_of_domain(domain: Domain, rows: Iterable[Address | CatchAll]) -> tuple[Hop, ...]:
    """Return the path of mail for the domain's own name. The caller has fetched the domain for its viewer."""
    own = [row for row in rows if row.is_active and row.mail_name == domain.name]
    reached = [row for row in own if row.is_served] or own
    facts, is_unreadable = domain.receiving_facts(domain.name), is_storage_unreadable()
    return mail_path(facts, domain.receiving, _ends(reached), is_unreadable=is_unreadable)


def path_of_address(address: Address) -> tuple[Hop, ...]:
    """Return the path of mail for one address; empty while it is off."""
    if not address.is_active:
        return ()
    facts, is_unreadable = address.receiving_facts, is_storage_unreadable()
    return mail_path(facts, address.receiving, _ends([address]), is_unreadable=is_unreadable)


def path_of_route(facts: ReceivingFacts, receiving: Receiving, route: Route) -> tuple[Hop, ...]:
    """Return the path of a simulated recipient."""
    return mail_path(facts, receiving, _ends_of_routes([route]), is_unreadable=is_storage_unreadable())


def is_storage_unreadable() -> bool:
    """Return whether the function couldn't read the last message that it was called for."""
    return bool(open_since("storage.unreadable", [settings.AWS_REGION]))


def _ends(rows: Sequence[Address | CatchAll]) -> tuple[End, ...]:
    """Where another customer holds the name, its mail is theirs, and so is the endpoint: it is left out."""
    asked = rows[:MOST_ASKED]
    routes = route_lookup(sample_address(row.recipient) for row in asked)
    own = zip(asked, routes, strict=True)
    return _ends_of_routes(route for row, route in own if route.customer == row.domain.customer_id)


def _ends_of_routes(routes: Iterable[Route]) -> tuple[End, ...]:
    """Return an end for each endpoint. One is failing while its alert is open."""
    chosen: dict[str, tuple[Endpoint | None, bool]] = {}
    for route in routes:
        if route.row is not None and route.because != "off":
            endpoint = route.endpoint or route.waits_for or route.row.own_endpoint
            chosen.setdefault(endpoint.name if endpoint else "", (endpoint, route.waits_for is not None))
    end = _end_factory(endpoint for endpoint, _ in chosen.values())
    return tuple(end(endpoint, waits) for endpoint, waits in chosen.values())


MOST_FORWARDS = 5  # in one chain that is followed


@dataclass(frozen=True)
class ForwardChains:
    """Forwarding endpoints (IDs) whose mail nobody gets, because the function forwards no message twice.

    `loops`: the mail comes back to the endpoint. `twice`: each of its addresses is its customer's and forwards it on.
    """

    loops: frozenset[str]
    twice: frozenset[str]


def looping(endpoints: Iterable[Endpoint | None]) -> frozenset[str]:
    return forward_chains(endpoints).loops


def forward_chains(endpoints: Iterable[Endpoint | None]) -> ForwardChains:
    """Follow the mail of the endpoints through the customer's own addresses."""
    ways = [(each.pk, each) for each in {e.pk: e for e in endpoints if e is not None}.values()]
    loops: set[str] = set()
    twice: frozenset[str] = frozenset()
    for number in range(MOST_FORWARDS):
        own = own_recipients_of(at for _, at in ways)
        targets = [(origin, at, address) for origin, at in ways for address in own[at.pk]]
        if not targets:
            break
        asked = list(dict.fromkeys(address for _, _, address in targets))
        next_of = {at: _forwards_to(route) for at, route in zip(asked, route_lookup(asked), strict=True)}
        if number == 0:
            twice = frozenset(origin for origin, at in ways if _are_all_forwarded(at, next_of))
        reached = ((origin, at, next_of[address]) for origin, at, address in targets)
        ways = list(dict.fromkeys((o, to) for o, at, to in reached if to and to.customer_id == at.customer_id))
        loops |= {origin for origin, to in ways if origin == to.pk}
        ways = [(origin, to) for origin, to in ways if origin not in loops]
    return ForwardChains(frozenset(loops), twice)


def _are_all_forwarded(endpoint: Endpoint, next_of: Mapping[str, Endpoint | None]) -> bool:
    """`next_of`: by own address, the endpoint that forwards its mail on; None for one that doesn't."""
    recipients = recipients_of(endpoint)
    return bool(recipients) and all(next_of.get(each.lower()) for each in recipients)


def _forwards_to(route: Route) -> Endpoint | None:
    found = route.endpoint or route.waits_for
    return found if found is not None and found.type != EndpointType.WEBHOOK else None


def set_ends(rows: Collection[RequestedRecipient]) -> None:
    """Set `end` of each row: what happens to mail that arrives, and `is_changing`: whether a run is changing its rule.

    Expects fetched domains and endpoints; constant queries.
    """
    set_changing(rows)
    endpoints = [row.own_endpoint for row in rows]
    waiting, end = blocked_endpoints(endpoints), _end_factory(endpoints)
    for row, endpoint in zip(rows, endpoints, strict=True):
        row.end = end(endpoint, endpoint is not None and endpoint.pk in waiting)


def _end_factory(endpoints: Iterable[Endpoint | None]) -> Callable[[Endpoint | None, bool], End]:
    """Return a function from an endpoint, and whether it waits for confirmation, to its end."""
    found = {endpoint.pk: endpoint for endpoint in endpoints if endpoint}
    failing, chains = open_since("endpoint.failing", sorted(found)), forward_chains(found.values())
    forwards_none = cache(is_forwarding_off)  # read once, and only if an endpoint forwards mail

    def end(endpoint: Endpoint | None, waits: bool) -> End:
        if endpoint is None:
            return End()
        return End(
            endpoint.name,
            endpoint.get_type_display().lower(),
            is_off=not endpoint.is_active,
            is_kept=endpoint.type != EndpointType.WEBHOOK and forwards_none(),
            waits=waits,
            is_failing=endpoint.pk in failing,
            is_loop=endpoint.pk in chains.loops,
            is_chain=endpoint.pk in chains.twice,
        )

    return end
