"""The family before v2: the same rows and services, in an envelope `{success, data, message?}`."""

from typing import Annotated, Generic, Literal, TypeVar

from django.http import HttpRequest
from ninja import Query, Status

from accounts.api_keys.api import call_router, caller, reads, writes
from domains.domain_list.api import domain_of
from domains.models.domains import Domain
from inbound_admin.lib.api.values import In, Out, Paged, Pagination, Text, given, page_of
from public_api.addresses import api as addresses_api
from public_api.addresses.api import AddressOut
from public_api.domains import api as domains_api
from public_api.domains import services as domains_services
from public_api.domains.api import DomainRow, EndpointBrief, brief
from public_api.domains.core import Published
from public_api.domains.selectors import AddressesWanted, addresses_found, pending_of, receiving_of, rule_names
from receipt_rules.addresses.services import remove_address

router = call_router("Version 1.1")
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


class CatchAllOut(Out):
    domain_id: str
    domain_name: str
    has_catch_all: bool
    endpoint: EndpointBrief | None
    receipt_rule_name: str | None
    warning: str | None = None


class CatchAllAsked(In):
    endpoint_id: Text | None = None


class OlderDomainFilters(Paged):
    status: Published | None = None
    can_receive: bool | None = None


class OlderAddressFilters(Paged):
    domain_id: Text | None = None
    active: bool | None = None


class OlderRemovedOut(Out):
    success: Literal[True] = True
    message: str
    cleanup: addresses_api.AddressCleanup


@router.get("/v1.1/domains", **reads(DomainsEnvelope), summary="Your domains")
def list_domains_v11(request: HttpRequest, query: Annotated[OlderDomainFilters, Query()]) -> DomainsEnvelope:
    filters = domains_api.DomainFilters.model_validate(query.model_dump(by_alias=True))
    page = domains_api.domain_page(request, filters, check=False)
    return DomainsEnvelope(success=True, data=page.data, pagination=page.pagination, meta=page.meta)


@router.get("/v1.1/domains/{domain_id}/catch-all", **reads(Envelope[CatchAllOut]), summary="The catch-all")
def get_catch_all_v11(request: HttpRequest, domain_id: str) -> Envelope[CatchAllOut]:
    return _enveloped(domain_of(request, domain_id), "The catch-all as it is wanted.")


@router.put("/v1.1/domains/{domain_id}/catch-all", **writes(Envelope[CatchAllOut]), summary="Switch it on")
def put_catch_all_v11(request: HttpRequest, domain_id: str, asked: CatchAllAsked) -> Envelope[CatchAllOut]:
    wanted = domains_services.DomainChange(is_catch_all_enabled=True, catch_all_endpoint_id=asked.endpoint_id)
    domain = domain_of(request, domain_id)
    domains_services.change(domain=domain, wanted=wanted, actor=caller(request))
    return _enveloped(domain, "The catch-all is on.")


@router.delete("/v1.1/domains/{domain_id}/catch-all", **writes(Envelope[CatchAllOut]), summary="Switch it off")
def delete_catch_all_v11(request: HttpRequest, domain_id: str) -> Envelope[CatchAllOut]:
    """Addresses that are switched on go on taking mail. Off already is off."""
    domain = domain_of(request, domain_id)
    domains_services.change(
        domain=domain,
        wanted=domains_services.DomainChange(is_catch_all_enabled=False, catch_all_endpoint_id=None),
        actor=caller(request),
    )
    return _enveloped(domain, "The catch-all is off.")


@router.get("/v1.1/email-addresses", **reads(ListEnvelope[AddressOut]), summary="Your addresses")
def list_addresses_v11(
    request: HttpRequest, query: Annotated[OlderAddressFilters, Query()]
) -> ListEnvelope[AddressOut]:
    wanted = AddressesWanted(query.domain_id, query.active)
    found, pagination = page_of(addresses_found(viewer=caller(request), wanted=wanted), query)
    return ListEnvelope[AddressOut](success=True, data=addresses_api.rows(found), pagination=pagination)


@router.post("/v1.1/email-addresses", **writes(Envelope[AddressOut], status=201), summary="Add an address")
def add_address_v11(request: HttpRequest, asked: addresses_api.AddressAdded) -> Status[Envelope[AddressOut]]:
    made = addresses_api.added(request, asked)
    return Status(201, Envelope[AddressOut](success=True, data=made, message=f"{made.address} is added."))


@router.get("/v1.1/email-addresses/{address_id}", **reads(Envelope[AddressOut]), summary="One address")
def get_address_v11(request: HttpRequest, address_id: str) -> Envelope[AddressOut]:
    return Envelope[AddressOut](success=True, data=addresses_api.row(addresses_api.address_of(request, address_id)))


@router.put("/v1.1/email-addresses/{address_id}", **writes(Envelope[AddressOut]), summary="Change an address")
def change_address_v11(
    request: HttpRequest, address_id: str, asked: addresses_api.AddressChanged
) -> Envelope[AddressOut]:
    changed = addresses_api.row(addresses_api.change(request, address_id, asked))
    return Envelope[AddressOut](success=True, data=changed, message=f"{changed.address} is changed.")


@router.delete("/v1.1/email-addresses/{address_id}", **writes(OlderRemovedOut), summary="Remove an address")
def delete_address_v11(request: HttpRequest, address_id: str) -> OlderRemovedOut:
    address = addresses_api.address_of(request, address_id)
    remove_address(address=address, actor=caller(request))
    return OlderRemovedOut(success=True, message=f"{address} is removed.", cleanup=addresses_api.removed(address))


def _enveloped(domain: Domain, message: str) -> Envelope[CatchAllOut]:
    catch_all = receiving_of([domain])[domain.pk].catch_all
    is_on = catch_all is not None and catch_all.is_active
    pending = pending_of([domain])
    data = CatchAllOut(
        domain_id=domain.pk,
        domain_name=domain.name,
        has_catch_all=is_on,
        endpoint=brief(catch_all.own_endpoint) if catch_all and is_on else None,
        receipt_rule_name=rule_names([domain.name]).get(domain.name) if is_on else None,
        **given(warning=pending.get(domain.pk)),
    )
    return Envelope[CatchAllOut](success=True, data=data, message=message)
