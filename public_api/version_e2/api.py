"""The family of the newer client (`inboundemail` at npm): domains, addresses and endpoints of v2 under /api/e2/.

Null texts are omitted where its types have optional texts. Its mail methods don't exist: see `nothing_here`.
"""

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from ninja import Status

from accounts.api_keys.api import call_router, reads, writes
from inbound_admin.lib.api.schemas import Page
from public_api.addresses import api as addresses
from public_api.addresses.api import AddressOut
from public_api.domain_removal.api import DomainDeletedOut, delete_domain
from public_api.domains import api as domains
from public_api.endpoints import api as endpoints
from public_api.endpoints.api import EndpointOne, EndpointOut

router = call_router("Version e2", lenient=True)
OPTIONAL = ("mail_from_domain", "mail_from_domain_status")
DOMAIN, ADDRESS, ENDPOINT = "/domains/{domain_id}", "/email-addresses/{address_id}", "/endpoints/{endpoint_id}"


class DomainAddedE2(domains.DomainAddedOut):
    mail_from_domain: str | None = None
    mail_from_domain_status: str | None = None  # type: ignore[assignment]  # the words of `Published`


@router.post("/e2/domains", **writes(DomainAddedE2, status=201), summary="Add a domain and start verification")
def add_domain_e2(request: HttpRequest, asked: domains.DomainAdded) -> Status[DomainAddedE2]:
    """As `POST /api/v2/domains`. A MAIL FROM domain that isn't set is absent instead of null."""
    made = domains.add_domain(request, asked).value.model_dump(exclude_unset=True)
    shown = {name: value for name, value in made.items() if value is not None or name not in OPTIONAL}
    return Status(201, DomainAddedE2(**shown))


def _same(method: str, path: str, view: Callable[..., Any], summary: str, as_method: str = "", **declared: Any) -> None:
    """Add an operation of version 2 to this family. `as_method`: its method there, if it has another here."""
    first, *others = view.__name__.split("_")
    router.add_api_operation(
        f"/e2{path}",
        [method],
        view,
        operation_id=f"{first}{''.join(map(str.capitalize, others))}E2",
        url_name=f"{view.__name__}_e2",
        summary=summary,
        description=f"As `{as_method or method} /api/v2{re.sub('{.*?}', '{id}', path)}`.",
        **declared,
    )


_same("GET", "/domains", domains.list_domains, "List domains", **reads(domains.DomainPage))
_same("GET", DOMAIN, domains.get_domain, "Get a domain with its DNS records", **reads(domains.DomainOne))
_same("PATCH", DOMAIN, domains.change_domain, "Change a domain", "PUT", **writes(domains.DomainChangedOut))
_same("DELETE", DOMAIN, delete_domain, "Delete a domain", **writes(DomainDeletedOut, proven=True))
_same("GET", "/email-addresses", addresses.list_addresses, "List addresses", **reads(Page[AddressOut]))
_same("POST", "/email-addresses", addresses.add_address, "Add an address", **writes(AddressOut, status=201))
_same("GET", ADDRESS, addresses.get_address, "Get an address", **reads(AddressOut))
_same("PUT", ADDRESS, addresses.change_address, "Change an address", **writes(AddressOut))
_same("DELETE", ADDRESS, addresses.delete_address, "Remove an address", **writes(addresses.AddressRemovedOut))
_same("GET", "/endpoints", endpoints.list_endpoints, "List endpoints", **reads(Page[EndpointOut]))
_same("POST", "/endpoints", endpoints.add_endpoint, "Add an endpoint", **writes(EndpointOut, status=201))
_same("GET", ENDPOINT, endpoints.get_endpoint, "Get an endpoint", **reads(EndpointOne))
_same("PUT", ENDPOINT, endpoints.change_endpoint, "Change an endpoint", **writes(EndpointOne))
_same("DELETE", ENDPOINT, endpoints.delete_endpoint, "Remove an endpoint", **writes(endpoints.EndpointRemovedOut))
_same("POST", f"{ENDPOINT}/test", endpoints.test_endpoint, "Test an endpoint", **writes(endpoints.TestedOut))
