"""API operation for the receiving function: the owner and the endpoint of each recipient of a message."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from pydantic import AwareDatetime, Field, StringConstraints

from accounts.api_keys.api import ApiKeyWith, call_router
from accounts.api_keys.core import Scope
from inbound_admin.lib.api.answers import ERRORS
from inbound_admin.lib.api.schemas import In, Out
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.route_lookup.selectors import Route, endpoints_with_stores, possible_stores, route_lookup
from receipt_rules.route_lookup.services import note_function

router = call_router("Receiving")

MOST_RECIPIENTS = 100
CLAIMS = "X-Inbound-Admin-Claims"
# PostgreSQL holds no NUL and no address has control characters; 320 is 64 before the @ and 255 after it.
Recipient = Annotated[str, StringConstraints(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$")]
_CONFIG_NAMES = {
    EndpointType.EMAIL.value: {"address": "forwardTo"},
    EndpointType.EMAIL_GROUP.value: {"addresses": "emails"},
}


class RecipientsAsked(In):
    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=MOST_RECIPIENTS)]
    received_at: Annotated[
        Annotated[AwareDatetime, Field(strict=False)] | None,
        Field(description="When SES received the message: it's delivered for the customer who held the domain then"),
    ] = None


class RouteOwnerOut(Out):
    id: str
    type: Literal["address", "catchAll"]
    recipient: str = Field(
        description="The address. For a catch-all, the domain; for a subdomain catch-all, with a leading dot"
    )
    is_active: bool


class RouteEndpointOut(Out):
    id: str
    name: str
    type: str
    config: dict[str, Any]
    is_active: bool


class RouteDomainOut(Out):
    id: str
    name: str


class StoreOut(Out):
    bucket: str
    prefix: str


class RouteOut(Out):
    recipient: str
    because: str = Field(
        description="address, label, domain, subdomain, former (as its customer had it until the domain changed "
        "hands), off (switched off), stopped (by staff), nobody, earlier (nobody held the domain yet), or undecided "
        "(it changed hands at that moment)"
    )
    owner: RouteOwnerOut | None
    domain: RouteDomainOut | None
    endpoint: Annotated[RouteEndpointOut | None, Field(description="null: deliver nothing")]
    awaits_confirmation: bool = Field(
        description="The endpoint forwards to someone who hasn't confirmed yet: keep the message, deliver nothing yet"
    )
    shared_name: bool = Field(
        description="Another customer holds a name above, so two rules may bring one message: deliver it once"
    )
    stores: list[StoreOut] = Field(
        description="Where the rules store the message, most likely first. The key is prefix and message ID"
    )


class RoutesOut(Out):
    data: list[RouteOut]


@router.post(
    "/v2/route-lookup",
    auth=ApiKeyWith(Scope.ROUTE),
    response={200: RoutesOut, **ERRORS},
    by_alias=True,
    summary="Look up where mail is delivered",
)
def look_up_route(request: HttpRequest, asked: RecipientsAsked) -> JsonResponse:
    """Return for each recipient its owner, its endpoint with secrets, and where SES stored the message.

    For the receiving function: the key needs the scope `route`, which only staff can give. An exact address comes
    first, then user+tag as user, then the catch-all of the subdomain, then that of the domain. This call has no
    rate limit. A function that sends `X-Inbound-Admin-Claims: 1` delivers each message once per recipient, although
    two events arrive for it.
    """
    if request.headers.get(CLAIMS) == "1":
        note_function(key=request.auth.name, now=timezone.now())  # type: ignore[attr-defined]  # as in `caller`
    routes = route_lookup(asked.recipients, received_at=asked.received_at)
    others = endpoints_with_stores({route.customer for route in routes if route.customer})
    found = zip(asked.recipients, routes, strict=True)
    # No schema validation: it would take longer than the lookup. A test validates the response instead.
    return JsonResponse({"data": [_route(each, route, others.get(route.customer, ())) for each, route in found]})


def _route(recipient: str, route: Route, others: Iterable[Endpoint]) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "because": route.because,
        "owner": _owner(route.row) if route.row else None,
        "domain": {"id": route.row.domain.id, "name": route.row.domain.name} if route.row else None,
        "endpoint": _endpoint(route.endpoint, route.config) if route.endpoint else None,
        "awaitsConfirmation": route.waits_for is not None,
        "sharedName": route.has_shared_name,
        "stores": [{"bucket": store.bucket, "prefix": store.prefix} for store in possible_stores(route, others)],
    }


def _owner(row: Address | CatchAll) -> dict[str, Any]:
    kind = "address" if isinstance(row, Address) else "catchAll"
    return {"id": row.id, "type": kind, "recipient": row.recipient, "isActive": row.is_active}


def _endpoint(endpoint: Endpoint, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "type": endpoint.type,
        "config": _config(endpoint.type, config),
        "isActive": endpoint.is_active,
    }


def _config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings under the names of the published contract."""
    names = _CONFIG_NAMES.get(kind, {})
    return {names.get(name, name): value for name, value in config.items()}
