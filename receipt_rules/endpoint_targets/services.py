"""Creates an endpoint from a webhook URL or an email address, together with the change that uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import urlsplit

from django.db import connection, transaction

from accounts.models.people import Customer, User
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.selectors import endpoints_of
from receipt_rules.endpoints.services import add_endpoint
from receipt_rules.forwarding.selectors import endpoint_kinds
from receipt_rules.models.endpoints import Endpoint, EndpointType

LONGEST_NAME = 110  # leaves room for a number


@contextmanager
def endpoint_for(
    *, target: str, chosen: Endpoint | None, customer: Customer, actor: User | None
) -> Iterator[Endpoint | None]:
    """Yield the endpoint of `target`, or `chosen` if it is empty. A failure in the block also undoes a new endpoint.

    Raises Refused as `add_endpoint`.
    """
    with transaction.atomic():
        yield _endpoint_at(target.strip(), customer, actor) if target.strip() else chosen


def _endpoint_at(target: str, customer: Customer, actor: User | None) -> Endpoint:
    """Return the customer's endpoint that delivers there, created if none does, however many ask at once."""
    if "@" not in target and "://" not in target:
        kinds = endpoint_kinds()
        raise Refused(f"Enter {kinds.target}, such as {kinds.example}.", code="ENDPOINT_CONFIG")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"endpoint target {customer.pk}"])
    is_email = "@" in target and "://" not in target
    kind, member = (EndpointType.EMAIL, "address") if is_email else (EndpointType.WEBHOOK, "url")
    own = list(endpoints_of(customer))
    for endpoint in own:
        if endpoint.type == kind and endpoint.config.get(member) == target and endpoint.is_active:
            return endpoint
    name = _name(target, is_email=is_email, used={endpoint.name.lower() for endpoint in own})
    return add_endpoint(customer=customer, name=name, type=kind.value, config={member: target}, actor=actor)


def _name(target: str, *, is_email: bool, used: set[str]) -> str:
    """Return the address or the URL's host, with a number if the name is in use."""
    plain = (target if is_email else _host(target))[:LONGEST_NAME]
    names = (plain if number == 1 else f"{plain} {number}" for number in count(1))
    return next(name for name in names if name.lower() not in used)


def _host(url: str) -> str:
    """Return "webhook" for a URL that is refused later."""
    try:
        return urlsplit(url).hostname or "webhook"
    except ValueError:
        return "webhook"
