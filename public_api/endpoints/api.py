"""Published API operations on endpoints."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, chosen_customer, reads, writes
from accounts.people.selectors import first_owners
from inbound_admin.lib.api.schemas import (
    USUAL,
    LenientIn,
    LenientPaged,
    Out,
    Page,
    Text,
    bounded,
    clamped,
    given,
    ignore_members,
    page_of,
)
from inbound_admin.lib.errors import Malformed
from inbound_admin.lib.redaction import MASK
from public_api.domains.selectors import find_endpoints, status_of, uses_of
from public_api.endpoints import services
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.forwarding import selectors as forwarding_selectors
from receipt_rules.forwarding import services as forwarding_services
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.received_mail.selectors import DeliveryCounts, delivery_counts

router = call_router("Endpoints", lenient=True)
Kind = Literal["webhook", "email", "email_group"]
MOST_NAMED = 500  # of what points to one
MOST_ENDPOINTS = 500  # of a page


class EndpointFilters(LenientPaged):
    limit: Annotated[int, clamped(1, MOST_ENDPOINTS), bounded(1, MOST_ENDPOINTS)] = USUAL
    type: Kind | None = Field(None, description="Its type")
    active: bool | None = Field(None, description="Whether it is on")
    search: Text | None = Field(None, description="Part of the name")
    sort_by: Literal["newest", "oldest"] = Field("newest", description="The order")


class DeliveryStats(Out):
    """As reported by the delivery function, within the retention of received mail."""

    total: int = 0
    successful: int = 0
    failed: int = 0
    last_delivery: datetime | None = None


class DomainOfEndpoint(Out):
    id: str
    domain: str
    status: str


class AddressOfEndpoint(Out):
    id: str
    address: str
    is_active: bool
    created_at: datetime


class ConfirmationOut(Out):
    """For recipients outside the customer's own domains, who confirm through an emailed link."""

    status: Literal["confirmed", "partly", "waiting"] = Field(description="waiting: nothing is forwarded yet")
    waiting_for: list[str]


class EndpointOut(Out):
    id: str
    name: str
    type: Kind
    config: dict[str, Any] = Field(
        description=f"Secrets are masked: {MASK}. Sending a masked value back keeps the stored secret"
    )
    is_active: bool
    description: str | None
    user_id: str | None
    created_at: datetime
    updated_at: datetime
    group_emails: list[str] | None
    delivery_stats: DeliveryStats
    confirmation: ConfirmationOut | None = Field(description="null for a webhook")
    warning: str | None = Field(None, description="After a change: secrets removed because the URL has a new host")


class EndpointOne(EndpointOut):
    recent_deliveries: list[dict[str, Any]]
    associated_emails: list[AddressOfEndpoint]
    catch_all_domains: list[DomainOfEndpoint]


class EndpointAdded(LenientIn):
    name: Text
    type: Kind
    config: dict[str, Any] = Field(
        description="By type: url, timeout, retryAttempts, headers; forwardTo; or emails. Only webhooks, unless "
        "forwarding is set up on this deployment"
    )
    description: Text | None = None
    customer_id: Text | None = Field(None, description="The owner. Required if you belong to several customers")


class EndpointChanged(LenientIn):
    """Absent members are unchanged, in `config` too. A masked secret keeps the stored one.

    A `description` of null clears it. A new host in the URL removes stored secrets, unless they are given again.
    """

    name: Text | None = None
    config: dict[str, Any] | None = None
    is_active: bool | None = None
    description: Text | None = None


class EndpointCleanup(Out):
    email_addresses_updated: int
    domains_updated: int
    group_emails_deleted: int
    deliveries_deleted: int
    email_addresses: list[str]
    domains: list[str]


class EndpointRemovedOut(Out):
    message: str
    cleanup: EndpointCleanup


class TestedOut(Out):
    success: bool
    message: str
    response_time: int = Field(description="Milliseconds")
    status_code: int | None = None
    response_body: str | None = Field(None, description="The beginning of the response")
    error: str | None = None
    test_payload: dict[str, Any] | None = None
    webhook_format: Literal["inbound"] | None = None
    url_tested: str | None = None


class TestAsked(LenientIn):
    """A test goes to the stored URL, in the only format."""

    webhook_format: Literal["inbound"] = "inbound"
    override_url: Text | None = None


@router.get("/v2/endpoints", **reads(Page[EndpointOut]), summary="List endpoints")
def list_endpoints(request: HttpRequest, query: Annotated[EndpointFilters, Query()]) -> Page[EndpointOut]:
    """Return your endpoints, which are the places where mail is delivered.

    Secrets in `config` are masked.
    """
    some, pagination = page_of(endpoints_wanted(request, query), query)
    return Page[EndpointOut](data=_rows(some), pagination=pagination)


def endpoints_wanted(request: HttpRequest, query: EndpointFilters) -> QuerySet[Endpoint]:
    return find_endpoints(
        viewer=caller(request),
        kind=query.type,
        is_active=query.active,
        name=query.search,
        oldest_first=query.sort_by == "oldest",
    )


@router.post("/v2/endpoints", **writes(EndpointOut, status=201), summary="Add an endpoint")
def add_endpoint(request: HttpRequest, asked: EndpointAdded) -> Status[EndpointOut]:
    """Add a webhook, an email address to forward to, or a group of them.

    The members of `config` depend on `type`; unknown ones are ignored and named in `X-Ignored`. A recipient outside
    your domains must confirm by email first. Refused: 400 `ENDPOINT_CONFIG` (such as a URL of a private address),
    409 `ENDPOINT_NAME_TAKEN`, 400 `CUSTOMER_UNCLEAR`.
    """
    made = endpoints_services.add_endpoint(
        customer=chosen_customer(caller(request), asked.customer_id),
        name=asked.name,
        type=asked.type,
        config=_known(request, asked.type, asked.config),
        description=asked.description or "",
        actor=caller(request),
    )
    return Status(201, _rows([endpoint_of(request, made.pk)])[0])


@router.get("/v2/endpoints/{endpoint_id}", **reads(EndpointOne), summary="Get an endpoint")
def get_endpoint(request: HttpRequest, endpoint_id: str) -> EndpointOne:
    """Return one endpoint with what uses it and its last deliveries. 404 if it isn't yours."""
    return _one(endpoint_of(request, endpoint_id))


@router.put("/v2/endpoints/{endpoint_id}", **writes(EndpointOne), summary="Change an endpoint")
def change_endpoint(request: HttpRequest, endpoint_id: str, asked: EndpointChanged) -> EndpointOne:
    """Change the name, the settings or the description of an endpoint, or turn it on or off.

    Absent members are unchanged. The type can't be changed. `warning` says which secrets were removed because the
    URL has a new host. 400 `ENDPOINT_CONFIG`, 409 `ENDPOINT_NAME_TAKEN`.
    """
    endpoint = endpoint_of(request, endpoint_id)
    is_given = "description" in asked.model_fields_set
    done = endpoints_services.change_endpoint(
        endpoint=endpoint,
        name=asked.name,
        config=None if asked.config is None else _known(request, endpoint.type, asked.config),
        is_active=asked.is_active,
        description=(asked.description or "") if is_given else None,
        actor=caller(request),
    )
    answer = _one(endpoint_of(request, endpoint_id))
    return answer.model_copy(update={"warning": done.warning}) if done.dropped else answer


@router.delete("/v2/endpoints/{endpoint_id}", **writes(EndpointRemovedOut), summary="Remove an endpoint")
def delete_endpoint(request: HttpRequest, endpoint_id: str) -> EndpointRemovedOut:
    """Remove an endpoint. Addresses that use it continue to receive mail, which is only stored."""
    endpoint = endpoint_of(request, endpoint_id)
    addresses, domains = services.remove(endpoint=endpoint, actor=caller(request))
    return EndpointRemovedOut(
        message=f"{endpoint} removed.",
        cleanup=EndpointCleanup(
            email_addresses_updated=len(addresses),
            domains_updated=len(domains),
            group_emails_deleted=len(endpoint.config.get("addresses", ())),
            deliveries_deleted=0,
            email_addresses=addresses,
            domains=domains,
        ),
    )


@router.post("/v2/endpoints/{endpoint_id}/test", **writes(TestedOut), summary="Test an endpoint")
def test_endpoint(
    request: HttpRequest,
    endpoint_id: str,
    asked: TestAsked | None = None,  # noqa: PT028  # no test of pytest's
) -> TestedOut:
    """Send a test message to a webhook, and return its response.

    `success` is false if it didn't answer with 2xx; the call itself is still 200. For a forwarding endpoint nothing
    is sent: its settings are returned. 400 `OVERRIDE_URL`: a test only goes to the stored URL.
    """
    endpoint = endpoint_of(request, endpoint_id)
    if asked and asked.override_url:
        said = "Tests only go to the stored URL, because its headers are secrets. Change the URL, then test."
        raise Malformed(said, code="OVERRIDE_URL")
    if endpoint.type != EndpointType.WEBHOOK:
        return _forwarding_result(endpoint)
    tried = endpoints_services.send_test(endpoint=endpoint, actor=caller(request))
    return TestedOut(
        success=tried.is_good,
        message=tried.sentence,
        response_time=tried.milliseconds,
        webhook_format="inbound",
        **given(
            status_code=tried.status,
            response_body=tried.excerpt,
            error=None if tried.is_good else tried.sentence,
            test_payload=tried.payload,
            url_tested=endpoint.shown_config.get("url"),
        ),
    )


def _forwarding_result(endpoint: Endpoint) -> TestedOut:
    """Return the configuration without sending. It fails if no recipient has confirmed, or nothing is forwarded."""
    known, never = forwarding_selectors.forwardings_of([endpoint]), forwarding_selectors.is_never_forwarded(endpoint)
    to, blocked = list(forwarding_selectors.recipients_of(endpoint)), known.blocks(endpoint) or never
    named = to[0] if len(to) == 1 else f"{len(to):,} addresses"
    said = f"Mail is forwarded to {named}."
    if never:
        said = forwarding_selectors.endpoint_kinds().limits
    elif blocked:
        said = f"Nothing is forwarded until {', '.join(known.waiting(endpoint))} confirms."
    kind = "email_forward_test" if endpoint.type == EndpointType.EMAIL else "email_group_test"
    payload = {"type": kind, "preserveHeaders": False, "timestamp": timezone.now().isoformat(timespec="seconds")}
    where = {"groupEmails": to} if endpoint.type == EndpointType.EMAIL_GROUP else {"forwardTo": to[0]}
    return TestedOut(
        success=not blocked,
        message=f"{said} No test message was sent. Send a message to an address that uses this endpoint.",
        response_time=0,
        test_payload=payload | where,
        **given(error=said if blocked else None),
    )


def _known(request: HttpRequest, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with our names. The response header names unknown members."""
    ours, unknown = services.known_config(kind, services.config_in(kind, config))
    ignore_members(request, unknown, inside="config.")
    return ours


@router.post("/v2/endpoints/{endpoint_id}/confirmations", **writes(EndpointOne), summary="Resend confirmation links")
def resend_confirmations(request: HttpRequest, endpoint_id: str) -> EndpointOne:
    """Send the confirmation link again to recipients who haven't confirmed.

    At most once a day and three times in total for each recipient; then 422 `FORWARDING_ASKED`.
    """
    forwarding_services.resend_confirmations(endpoint=endpoint_of(request, endpoint_id), actor=caller(request))
    return _one(endpoint_of(request, endpoint_id))


def endpoint_of(request: HttpRequest, endpoint_id: str) -> Endpoint:
    """Return the endpoint. Another customer's is 404."""
    return get_object_or_404(find_endpoints(viewer=caller(request)), pk=endpoint_id)


def _rows(some: Collection[Endpoint]) -> list[EndpointOut]:
    return [EndpointOut(**fields) for fields in _fields(some)]


def _one(endpoint: Endpoint) -> EndpointOne:
    addresses, domains = uses_of(endpoint, at_most=MOST_NAMED)
    return EndpointOne(
        **next(_fields([endpoint])),
        recent_deliveries=services.recent(endpoint),
        associated_emails=[AddressOfEndpoint.of(each) for each in addresses],
        catch_all_domains=[DomainOfEndpoint(id=each.pk, domain=each.name, status=status_of(each)) for each in domains],
    )


def _confirmation(endpoint: Endpoint, known: forwarding_selectors.Forwardings) -> ConfirmationOut | None:
    if endpoint.type == EndpointType.WEBHOOK:
        return None
    waiting = list(known.waiting(endpoint))
    status: Literal["confirmed", "partly", "waiting"]
    status = "waiting" if known.blocks(endpoint) else "partly" if waiting else "confirmed"
    return ConfirmationOut(status=status, waiting_for=waiting)


def _fields(some: Collection[Endpoint]) -> Iterator[dict[str, Any]]:
    owners = first_owners(endpoint.customer_id for endpoint in some)
    known, counts = forwarding_selectors.forwardings_of(some), delivery_counts([endpoint.pk for endpoint in some])
    for endpoint in some:
        counted = counts.get(endpoint.pk, DeliveryCounts())
        is_group = endpoint.type == EndpointType.EMAIL_GROUP
        yield {
            "id": endpoint.pk,
            "name": endpoint.name,
            "type": endpoint.type,
            "config": services.config_out(endpoint.type, endpoint.shown_config),
            "is_active": endpoint.is_active,
            "description": endpoint.description or None,
            "user_id": owners.get(endpoint.customer_id),
            "created_at": endpoint.created_at,
            "updated_at": endpoint.changed_at,  # type: ignore[attr-defined]  # annotated by `find_endpoints`
            "group_emails": list(endpoint.config.get("addresses", ())) if is_group else None,
            "confirmation": _confirmation(endpoint, known),
            "delivery_stats": DeliveryStats(
                total=counted.total, successful=counted.successful, failed=counted.failed, last_delivery=counted.last
            ),
        }
