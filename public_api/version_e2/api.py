"""The family of the newer client (`inboundemail` at npm): domains, addresses and endpoints of v2 under /api/e2/.

Null texts are omitted where its types have optional texts. Its mail methods don't exist: see `nothing_here`.
"""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Status

from accounts.api_keys.api import call_router, reads, writes
from inbound_admin.lib.api.schemas import Page
from public_api.addresses import api as addresses_api
from public_api.addresses.api import AddressOut
from public_api.domain_removal.api import DomainDeletedOut, deleted
from public_api.domains import api as domains_api
from public_api.domains.api import DomainAddedOut, DomainChangedOut, DomainOne, DomainPage
from public_api.endpoints import api as endpoints_api
from public_api.endpoints.api import EndpointOne, EndpointOut, EndpointRemovedOut

router = call_router("Version e2", lenient=True)
OPTIONAL = ("mail_from_domain", "mail_from_domain_status")


class DomainAddedE2(DomainAddedOut):
    mail_from_domain: str | None = None
    mail_from_domain_status: str | None = None  # type: ignore[assignment]  # the words of `Published`


@router.get("/e2/domains", **reads(DomainPage), summary="List domains")
def list_domains_e2(request: HttpRequest, query: Annotated[domains_api.DomainFilters, Query()]) -> DomainPage:
    """As `GET /api/v2/domains`."""
    return domains_api.list_domains(request, query)


@router.post("/e2/domains", **writes(DomainAddedE2, status=201), summary="Add a domain and start verification")
def add_domain_e2(request: HttpRequest, asked: domains_api.DomainAdded) -> Status[DomainAddedE2]:
    """As `POST /api/v2/domains`. A MAIL FROM domain that isn't set is absent instead of null."""
    made = domains_api.added(request, asked).model_dump(exclude_unset=True)
    return Status(201, DomainAddedE2(**_without_nulls(made)))


@router.get("/e2/domains/{domain_id}", **reads(DomainOne), summary="Get a domain with its DNS records")
def get_domain_e2(request: HttpRequest, domain_id: str, query: Annotated[domains_api.CheckAsked, Query()]) -> DomainOne:
    """As `GET /api/v2/domains/{id}`."""
    return domains_api.get_domain(request, domain_id, query)


@router.patch("/e2/domains/{domain_id}", **writes(DomainChangedOut), summary="Change a domain")
def change_domain_e2(request: HttpRequest, domain_id: str, asked: domains_api.DomainChanged) -> DomainChangedOut:
    """As `PUT /api/v2/domains/{id}`."""
    return domains_api.change_domain(request, domain_id, asked)


@router.delete("/e2/domains/{domain_id}", **writes(DomainDeletedOut, proven=True), summary="Delete a domain")
def delete_domain_e2(request: HttpRequest, domain_id: str) -> DomainDeletedOut:
    """As `DELETE /api/v2/domains/{id}`."""
    return deleted(request, domain_id)


@router.get("/e2/email-addresses", **reads(Page[AddressOut]), summary="List addresses")
def list_addresses_e2(
    request: HttpRequest, query: Annotated[addresses_api.AddressFilters, Query()]
) -> Page[AddressOut]:
    """As `GET /api/v2/email-addresses`."""
    return addresses_api.list_addresses(request, query)


@router.post("/e2/email-addresses", **writes(AddressOut, status=201), summary="Add an address")
def add_address_e2(request: HttpRequest, asked: addresses_api.AddressAdded) -> Status[AddressOut]:
    """As `POST /api/v2/email-addresses`."""
    return Status(201, addresses_api.added(request, asked))


@router.get("/e2/email-addresses/{address_id}", **reads(AddressOut), summary="Get an address")
def get_address_e2(request: HttpRequest, address_id: str) -> AddressOut:
    """As `GET /api/v2/email-addresses/{id}`."""
    return addresses_api.get_address(request, address_id)


@router.put("/e2/email-addresses/{address_id}", **writes(AddressOut), summary="Change an address")
def change_address_e2(request: HttpRequest, address_id: str, asked: addresses_api.AddressChanged) -> AddressOut:
    """As `PUT /api/v2/email-addresses/{id}`."""
    return addresses_api.change_address(request, address_id, asked)


@router.delete(
    "/e2/email-addresses/{address_id}", **writes(addresses_api.AddressRemovedOut), summary="Remove an address"
)
def delete_address_e2(request: HttpRequest, address_id: str) -> addresses_api.AddressRemovedOut:
    """As `DELETE /api/v2/email-addresses/{id}`."""
    return addresses_api.delete_address(request, address_id)


@router.get("/e2/endpoints", **reads(Page[EndpointOut]), summary="List endpoints")
def list_endpoints_e2(
    request: HttpRequest, query: Annotated[endpoints_api.EndpointFilters, Query()]
) -> Page[EndpointOut]:
    """As `GET /api/v2/endpoints`."""
    return endpoints_api.endpoint_page(request, query)


@router.post("/e2/endpoints", **writes(EndpointOut, status=201), summary="Add an endpoint")
def add_endpoint_e2(request: HttpRequest, asked: endpoints_api.EndpointAdded) -> Status[EndpointOut]:
    """As `POST /api/v2/endpoints`."""
    return Status(201, endpoints_api.added(request, asked))


@router.get("/e2/endpoints/{endpoint_id}", **reads(EndpointOne), summary="Get an endpoint")
def get_endpoint_e2(request: HttpRequest, endpoint_id: str) -> EndpointOne:
    """As `GET /api/v2/endpoints/{id}`."""
    return endpoints_api.one(request, endpoint_id)


@router.put("/e2/endpoints/{endpoint_id}", **writes(EndpointOne), summary="Change an endpoint")
def change_endpoint_e2(request: HttpRequest, endpoint_id: str, asked: endpoints_api.EndpointChanged) -> EndpointOne:
    """As `PUT /api/v2/endpoints/{id}`."""
    return endpoints_api.changed(request, endpoint_id, asked)


@router.delete("/e2/endpoints/{endpoint_id}", **writes(EndpointRemovedOut), summary="Remove an endpoint")
def delete_endpoint_e2(request: HttpRequest, endpoint_id: str) -> EndpointRemovedOut:
    """As `DELETE /api/v2/endpoints/{id}`."""
    return endpoints_api.removed(request, endpoint_id)


@router.post("/e2/endpoints/{endpoint_id}/test", **writes(endpoints_api.TestedOut), summary="Test an endpoint")
def test_endpoint_e2(
    request: HttpRequest,
    endpoint_id: str,
    asked: endpoints_api.TestAsked | None = None,  # noqa: PT028  # no test of pytest's
) -> endpoints_api.TestedOut:
    """As `POST /api/v2/endpoints/{id}/test`."""
    return endpoints_api.tested(request, endpoint_id, asked)


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None or name not in OPTIONAL}
