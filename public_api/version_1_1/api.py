"""The family before v2: the same data and services, in an envelope `{success, data, message?}`."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from django.http import HttpRequest
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from domains.api import domain_of
from domains.models.domains import Domain
from inbound_admin.lib.api.schemas import LenientIn, LenientPaged, Out, Pagination, Text, given, page_of
from public_api.addresses import api as addresses_api
from public_api.addresses.api import AddressOut
from public_api.domains import api as domains_api
from public_api.domains import services as domains_services
from public_api.domains.api import DomainRow, EndpointBrief
from public_api.domains.selectors import (
    Published,
    endpoint_counts,
    pending_of,
    receiving_of,
    rule_names,
)
from public_api.endpoints import api as endpoints_api
from public_api.endpoints.api import EndpointOne, EndpointOut, EndpointRemovedOut
from public_api.endpoints.services import config_out
from receipt_rules.models.endpoints import Endpoint

router = call_router("Version 1.1", lenient=True)
Data = TypeVar("Data")


class Envelope(Out, Generic[Data]):
    success: Literal[True] = True
    data: Data
    message: str | None = None


class ListEnvelope(Out, Generic[Data]):
    success: Literal[True] = True
    data: list[Data]
    pagination: Pagination


class DomainsEnvelope(ListEnvelope[DomainRow]):
    meta: domains_api.DomainsMeta


class EndpointTypes(Out):
    webhook: int
    email: int
    email_group: int = Field(alias="email_group")


class EndpointsMeta(Out):
    """Counted over everything that matches the filter, not only the page."""

    total_count: int
    active_count: int
    type_breakdown: EndpointTypes


class EndpointsEnvelope(ListEnvelope[EndpointOut]):
    meta: EndpointsMeta


class EndpointRemovedEnvelope(EndpointRemovedOut):
    success: Literal[True] = True


class CatchAllEndpoint(EndpointBrief):
    config: dict[str, Any]


class CatchAllOut(Out):
    domain_id: str
    domain_name: str
    has_catch_all: bool
    is_catch_all_enabled: bool = Field(description="The same as hasCatchAll")
    catch_all_endpoint_id: str | None
    endpoint: CatchAllEndpoint | None
    receipt_rule_name: str | None
    warning: str | None = None


class CatchAllAsked(LenientIn):
    """Without an endpoint (absent, null or empty), the catch-all is turned off."""

    endpoint_id: Text | None = None


class OlderDomainFilters(LenientPaged):
    status: Published | None = Field(None, description="Of its SES identity")
    can_receive: bool | None = Field(None, description="Whether mail for it arrives")


class OlderAddressFilters(LenientPaged):
    domain_id: Text | None = Field(None, description="A domain that you can see")
    active: bool | None = Field(None, description="Whether it is on")


class OlderRemovedOut(Out):
    success: Literal[True] = True
    message: str
    cleanup: addresses_api.AddressCleanup


@router.get("/v1.1/domains", **reads(DomainsEnvelope), summary="List domains")
def list_domains_v11(request: HttpRequest, query: Annotated[OlderDomainFilters, Query()]) -> DomainsEnvelope:
    """As `GET /api/v2/domains`, in the envelope of version 1.1 and without `check`."""
    filters = domains_api.DomainFilters.model_validate(query.model_dump(by_alias=True))
    page = domains_api.domain_page(request, filters, check=False)
    return DomainsEnvelope(success=True, data=page.data, pagination=page.pagination, meta=page.meta)


@router.get(
    "/v1.1/domains/{domain_id}/catch-all", **reads(Envelope[CatchAllOut]), summary="Get the catch-all of a domain"
)
def get_catch_all_v11(request: HttpRequest, domain_id: str) -> Envelope[CatchAllOut]:
    """Return whether the catch-all is on, and its endpoint.

    This is the desired state; `receiptRuleName` is set once SES has it.
    """
    return _enveloped(domain_of(request, domain_id), "The desired catch-all.")


@router.put(
    "/v1.1/domains/{domain_id}/catch-all", **writes(Envelope[CatchAllOut]), summary="Turn the catch-all on or off"
)
def put_catch_all_v11(
    request: HttpRequest, domain_id: str, asked: CatchAllAsked | None = None
) -> Envelope[CatchAllOut]:
    """Turn the catch-all on with an endpoint, or off without one.

    Addresses continue to receive mail. `warning` says what is pending. 400 `DOMAIN_NOT_VERIFIED`,
    `ENDPOINT_MISSING` or `ENDPOINT_INACTIVE`.
    """
    return _put_catch_all(request, domain_id, asked.endpoint_id if asked else None)


@router.delete("/v1.1/domains/{domain_id}/catch-all", **writes(Envelope[CatchAllOut]), summary="Turn the catch-all off")
def delete_catch_all_v11(request: HttpRequest, domain_id: str) -> Envelope[CatchAllOut]:
    """Turn the catch-all off. Addresses continue to receive mail.

    Turning it off again changes nothing.
    """
    return _put_catch_all(request, domain_id, None)


def _put_catch_all(request: HttpRequest, domain_id: str, endpoint_id: str | None) -> Envelope[CatchAllOut]:
    domain, is_on = domain_of(request, domain_id), bool(endpoint_id)
    wanted = domains_services.DomainChange(is_catch_all_enabled=is_on, catch_all_endpoint_id=endpoint_id)
    domains_services.change(domain=domain, wanted=wanted, actor=caller(request))
    return _enveloped(domain, f"The catch-all is {'on' if is_on else 'off'}.")


@router.get("/v1.1/email-addresses", **reads(ListEnvelope[AddressOut]), summary="List addresses")
def list_addresses_v11(
    request: HttpRequest, query: Annotated[OlderAddressFilters, Query()]
) -> ListEnvelope[AddressOut]:
    """As `GET /api/v2/email-addresses`, in the envelope of version 1.1.

    The filter `isActive` is called `active` here.
    """
    found, pagination = page_of(addresses_api.matching_addresses(request, query.domain_id, query.active), query)
    return ListEnvelope[AddressOut](success=True, data=addresses_api.rows(found), pagination=pagination)


@router.post("/v1.1/email-addresses", **writes(Envelope[AddressOut], status=201), summary="Add an address")
def add_address_v11(request: HttpRequest, asked: addresses_api.AddressAdded) -> Status[Envelope[AddressOut]]:
    """As `POST /api/v2/email-addresses`, in the envelope of version 1.1."""
    made = addresses_api.add_address(request, asked).value
    return Status(201, Envelope[AddressOut](success=True, data=made, message=f"{made.address} added."))


@router.get("/v1.1/email-addresses/{address_id}", **reads(Envelope[AddressOut]), summary="Get an address")
def get_address_v11(request: HttpRequest, address_id: str) -> Envelope[AddressOut]:
    """As `GET /api/v2/email-addresses/{id}`, in the envelope of version 1.1."""
    return Envelope[AddressOut](success=True, data=addresses_api.get_address(request, address_id))


@router.put("/v1.1/email-addresses/{address_id}", **writes(Envelope[AddressOut]), summary="Change an address")
def change_address_v11(
    request: HttpRequest, address_id: str, asked: addresses_api.AddressChanged
) -> Envelope[AddressOut]:
    """As `PUT /api/v2/email-addresses/{id}`, in the envelope of version 1.1."""
    changed = addresses_api.change_address(request, address_id, asked)
    return Envelope[AddressOut](success=True, data=changed, message=f"{changed.address} changed.")


@router.delete("/v1.1/email-addresses/{address_id}", **writes(OlderRemovedOut), summary="Remove an address")
def delete_address_v11(request: HttpRequest, address_id: str) -> OlderRemovedOut:
    """As `DELETE /api/v2/email-addresses/{id}`, with `success`."""
    gone = addresses_api.delete_address(request, address_id)
    return OlderRemovedOut(success=True, message=gone.message, cleanup=gone.cleanup)


def _with_config(endpoint: Endpoint) -> CatchAllEndpoint:
    return CatchAllEndpoint.of(endpoint, config=config_out(endpoint.type, endpoint.shown_config))


@router.get("/v1.1/endpoints", **reads(EndpointsEnvelope), summary="List endpoints")
def list_endpoints_v11(
    request: HttpRequest, query: Annotated[endpoints_api.EndpointFilters, Query()]
) -> EndpointsEnvelope:
    """As `GET /api/v2/endpoints`, in the envelope of version 1.1 and with counts in `meta`."""
    page = endpoints_api.list_endpoints(request, query)
    counts = endpoint_counts(endpoints_api.endpoints_wanted(request, query))
    return EndpointsEnvelope(
        success=True,
        data=page.data,
        pagination=page.pagination,
        meta=EndpointsMeta(
            total_count=page.pagination.total,
            active_count=counts["active"],
            type_breakdown=EndpointTypes(
                webhook=counts["webhook"], email=counts["email"], email_group=counts["email_group"]
            ),
        ),
    )


@router.post("/v1.1/endpoints", **writes(Envelope[EndpointOut], status=201), summary="Add an endpoint")
def add_endpoint_v11(request: HttpRequest, asked: endpoints_api.EndpointAdded) -> Status[Envelope[EndpointOut]]:
    """As `POST /api/v2/endpoints`, in the envelope of version 1.1."""
    made = endpoints_api.add_endpoint(request, asked).value
    return Status(201, Envelope[EndpointOut](success=True, data=made, message=f"{made.name} added."))


@router.get("/v1.1/endpoints/{endpoint_id}", **reads(Envelope[EndpointOne]), summary="Get an endpoint")
def get_endpoint_v11(request: HttpRequest, endpoint_id: str) -> Envelope[EndpointOne]:
    """As `GET /api/v2/endpoints/{id}`, in the envelope of version 1.1."""
    return Envelope[EndpointOne](success=True, data=endpoints_api.get_endpoint(request, endpoint_id))


@router.put("/v1.1/endpoints/{endpoint_id}", **writes(Envelope[EndpointOne]), summary="Change an endpoint")
def change_endpoint_v11(
    request: HttpRequest, endpoint_id: str, asked: endpoints_api.EndpointChanged
) -> Envelope[EndpointOne]:
    """As `PUT /api/v2/endpoints/{id}`, in the envelope of version 1.1."""
    changed = endpoints_api.change_endpoint(request, endpoint_id, asked)
    return Envelope[EndpointOne](success=True, data=changed, message=f"{changed.name} changed.")


@router.delete("/v1.1/endpoints/{endpoint_id}", **writes(EndpointRemovedEnvelope), summary="Remove an endpoint")
def delete_endpoint_v11(request: HttpRequest, endpoint_id: str) -> EndpointRemovedEnvelope:
    """As `DELETE /api/v2/endpoints/{id}`, with `success`."""
    gone = endpoints_api.delete_endpoint(request, endpoint_id)
    return EndpointRemovedEnvelope(success=True, message=gone.message, cleanup=gone.cleanup)


def _enveloped(domain: Domain, message: str) -> Envelope[CatchAllOut]:
    receiving = receiving_of([domain])[domain.pk]
    is_on, named = receiving.catches_all, receiving.endpoint
    endpoint = domains_services.own_endpoint(domain.customer_id, named.pk) if named and is_on else None
    pending = pending_of([domain])
    data = CatchAllOut(
        domain_id=domain.pk,
        domain_name=domain.name,
        has_catch_all=is_on,
        is_catch_all_enabled=is_on,
        catch_all_endpoint_id=endpoint.pk if endpoint else None,
        endpoint=_with_config(endpoint) if endpoint else None,
        receipt_rule_name=rule_names([domain.name]).get(domain.name) if is_on else None,
        **given(warning=pending.get(domain.pk)),
    )
    return Envelope[CatchAllOut](success=True, data=data, message=message)
