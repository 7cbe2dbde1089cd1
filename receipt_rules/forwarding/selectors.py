"""Finds the addresses to which a customer may forward mail: their own, and others that have confirmed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.cache import cache
from django.core.signing import BadSignature, Signer
from django.db.models import Q

from domains.models.domains import Stage
from domains.ownership.selectors import held_domains, name_and_parents
from receipt_rules.endpoints.core import EndpointKinds
from receipt_rules.models.endpoints import Endpoint, EndpointType, Forwarding, ForwardingState
from receipt_rules.planner.core.rules import domain_of

_SIGNER = Signer(salt="forwarding")
_PROVEN = Q(verified_at__isnull=False) | Q(claim_proven_at__isnull=False)
Pair = tuple[str, str]  # customer ID, address in lower case
FORWARDS_KEY = "function-forwards"


def is_forwarding_off() -> bool:
    """Return whether the function is known to forward no mail, by the worker's last read; False if unknown."""
    return cache.get(FORWARDS_KEY) is False


def endpoint_kinds() -> EndpointKinds:
    """Return the kinds of endpoint on this deployment, for every form, page and refusal."""
    return EndpointKinds(forwards=not is_forwarding_off())


def is_never_forwarded(endpoint: Endpoint) -> bool:
    """Return whether its mail is only stored, because the function is known to forward none."""
    return endpoint.type != EndpointType.WEBHOOK and is_forwarding_off()


@dataclass(frozen=True)
class Forwardings:
    """The confirmations of many endpoints: at most three queries, and none if nothing is forwarded."""

    own: frozenset[Pair]
    states: Mapping[Pair, ForwardingState]

    def allowed(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the recipients of the endpoint that may get mail; a webhook has none."""
        return tuple(address for address in recipients_of(endpoint) if self._may(_pair(endpoint, address)))

    def waiting(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the recipients of the endpoint that haven't confirmed."""
        return tuple(address for address in recipients_of(endpoint) if not self._may(_pair(endpoint, address)))

    def blocks(self, endpoint: Endpoint) -> bool:
        """Return whether no recipient of the endpoint may get mail yet; False for a webhook."""
        return endpoint.type != EndpointType.WEBHOOK and not self.allowed(endpoint)

    def _may(self, pair: Pair) -> bool:
        state = self.states.get(pair)
        if state is ForwardingState.REFUSED:
            return False
        return pair in self.own or state is ForwardingState.CONFIRMED or settings.FORWARD_WITHOUT_CONFIRMATION


def forwardings_of(endpoints: Iterable[Endpoint]) -> Forwardings:
    pairs = {_pair(endpoint, address) for endpoint in endpoints for address in recipients_of(endpoint)}
    if not pairs:
        return Forwardings(frozenset(), {})
    addresses = {address for _, address in pairs}
    rows = Forwarding.objects.filter(address__in=addresses, customer__in={customer for customer, _ in pairs})
    states = {(row.customer_id, row.address): ForwardingState(row.state) for row in rows}
    return Forwardings(frozenset(_at_own_domains(pairs) | _of_members(addresses)), states)


def blocked_endpoints(endpoints: Iterable[Endpoint | None]) -> frozenset[str]:
    """Return the IDs of endpoints whose mail no recipient may get yet."""
    found = {endpoint.pk: endpoint for endpoint in endpoints if endpoint is not None}
    known = forwardings_of(found.values())
    return frozenset(key for key, endpoint in found.items() if known.blocks(endpoint))


def recipients_of(endpoint: Endpoint) -> tuple[str, ...]:
    if endpoint.type == EndpointType.WEBHOOK:
        return ()
    config = endpoint.config
    return tuple(each for each in (config.get("address"), *config.get("addresses", ())) if each)


def own_recipients_of(endpoints: Iterable[Endpoint]) -> dict[str, tuple[str, ...]]:
    """Return by endpoint ID its recipients, in lower case, at names that its customer holds.

    One query for all; none if no endpoint forwards mail.
    """
    pairs = {each.pk: [_pair(each, address) for address in recipients_of(each)] for each in endpoints}
    every = {pair for some in pairs.values() for pair in some}
    own = _at_own_domains(every) if every else set()
    return {key: tuple(pair[1] for pair in some if pair in own) for key, some in pairs.items()}


def forwarding_rows(endpoint: Endpoint) -> list[Forwarding]:
    """Return the confirmations of the endpoint's recipients, for its page."""
    addresses = {address.lower() for address in recipients_of(endpoint)}
    return list(Forwarding.objects.filter(customer=endpoint.customer_id, address__in=addresses))


def token_of(row: Forwarding) -> str:
    return _SIGNER.sign(row.pk)


def forwarding_for_token(token: str) -> Forwarding | None:
    """Return the row; None for an invalid signature or a deleted customer."""
    try:
        key = _SIGNER.unsign(token)
    except BadSignature:
        return None
    return Forwarding.objects.select_related("customer").filter(pk=key).first()


def _pair(endpoint: Endpoint, address: str) -> Pair:
    return (endpoint.customer_id, address.lower())


def _at_own_domains(pairs: Iterable[Pair]) -> set[Pair]:
    """Return pairs whose nearest held domain is proven and the customer's own."""
    names = {name for _, address in pairs for name in name_and_parents(domain_of(address))}
    held = held_domains().filter(_PROVEN, name__in=names).exclude(stage=Stage.DELETING)
    holders = dict(held.values_list("name", "customer_id"))
    return {(customer, address) for customer, address in pairs if _holder(address, holders) == customer}


def _holder(address: str, holders: Mapping[str, str]) -> str:
    return next((holders[name] for name in name_and_parents(domain_of(address)) if name in holders), "")


def _of_members(addresses: Iterable[str]) -> set[Pair]:
    """A member of the customer with a verified address doesn't need to confirm."""
    known = EmailAddress.objects.filter(email__in=addresses, verified=True, user__is_active=True)
    return {
        (customer, email.lower())
        for email, customer in known.values_list("email", "user__memberships__customer")
        if customer
    }
