"""The path of mail for a domain, an address, or a simulated recipient: its facts, and the endpoints by route lookup."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

from domains.models.domains import Domain
from domains.receiving.core import Receiving, ReceivingFacts
from notifications.alerts.selectors import open_since
from receipt_rules.forwarding.selectors import forwards_nothing
from receipt_rules.mail_path.core import End, Hop, mail_path
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.planner.core.rules import sample_address
from receipt_rules.route_lookup.selectors import Route, route_lookup

MOST_ASKED = 100  # recipients whose endpoints are looked up


def path_of_domain(domain: Domain, wishes: Iterable[Address | CatchAll]) -> tuple[Hop, ...]:
    """Return the path of mail for the domain's own name. The caller has fetched the domain for its viewer."""
    own = [wish for wish in wishes if wish.is_active and wish.mail_name == domain.name]
    return mail_path(domain.receiving_facts(domain.name), domain.receiving, _ends(own))


def path_of_address(address: Address) -> tuple[Hop, ...]:
    """Return the path of mail for one address; empty while it is off."""
    if not address.is_active:
        return ()
    return mail_path(address.receiving_facts, address.receiving, _ends([address]))


def path_of_route(facts: ReceivingFacts, receiving: Receiving, route: Route) -> tuple[Hop, ...]:
    """Return the path of a simulated recipient."""
    return mail_path(facts, receiving, _judged([route]))


def _ends(wishes: Sequence[Address | CatchAll]) -> tuple[End, ...]:
    return _judged(route_lookup(sample_address(wish.recipient) for wish in wishes[:MOST_ASKED]))


def _judged(routes: Iterable[Route]) -> tuple[End, ...]:
    """Return an end for each endpoint. One is failing while its alert is open."""
    found: dict[str, tuple[End, Endpoint | None]] = {}
    forwards_none = cache(forwards_nothing)  # asked once of all, and only where something is to be forwarded
    for route in routes:
        if route.row is not None and route.because != "off":
            end, endpoint = _end(route, route.row.own_endpoint, forwards_none)
            found.setdefault(end.name, (end, endpoint))
    failing = open_since("endpoint.failing", [endpoint.pk for _, endpoint in found.values() if endpoint])
    return tuple(
        replace(end, is_failing=endpoint is not None and endpoint.pk in failing) for end, endpoint in found.values()
    )


def _end(route: Route, chosen: Endpoint | None, forwards_none: Callable[[], bool]) -> tuple[End, Endpoint | None]:
    """The endpoint that mail goes to is returned beside; None where it is stored only."""
    meant = route.endpoint or route.waits_for
    if meant is not None and meant.type != EndpointType.WEBHOOK and forwards_none():
        return End(meant.name, is_kept=True), None
    if route.endpoint is not None:
        return End(route.endpoint.name, route.endpoint.get_type_display().lower()), route.endpoint
    if route.waits_for is not None:
        return End(route.waits_for.name, waits=True), None
    return (End(chosen.name, is_off=True) if chosen else End()), None
