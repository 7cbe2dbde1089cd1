"""What the published contract does to an endpoint beyond the pages: unknown settings refused, removing what is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models.people import User
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.services import change_address, set_catch_all
from receipt_rules.endpoints.services import WEBHOOK_EXTRAS, remove_endpoint
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType

KNOWN: dict[str, tuple[str, ...]] = {
    EndpointType.WEBHOOK.value: ("url", *WEBHOOK_EXTRAS),
    EndpointType.EMAIL.value: ("address",),
    EndpointType.EMAIL_GROUP.value: ("addresses",),
}


@dataclass(frozen=True)
class Freed:
    """What pointed to an endpoint that is gone."""

    addresses: tuple[str, ...]
    domains: tuple[str, ...]


def known_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Refused (ENDPOINT_CONFIG) for a member that the type does not know, or that is no text where it must."""
    if unknown := [name for name in config if name not in KNOWN.get(kind, ())]:
        named = ", ".join(_printable(name) for name in unknown[:3])
        raise Refused(f"An endpoint of the type {kind} has no setting called {named}.", code="ENDPOINT_CONFIG")
    return dict(config)


def remove(*, endpoint: Endpoint, actor: User) -> Freed:
    """What used it goes on taking mail, without an endpoint: all or nothing."""
    with transaction.atomic():
        addresses = list(Address.objects.select_related("domain").filter(endpoint=endpoint).order_by("address"))
        for address in addresses:
            change_address(address=address, actor=actor, is_active=address.is_active, endpoint=None)
        catch_alls = list(CatchAll.objects.select_related("domain__customer").filter(endpoint=endpoint))
        for row in catch_alls:
            set_catch_all(domain=row.domain, actor=actor, is_active=row.is_active, subdomains=row.subdomains)
        remove_endpoint(endpoint=endpoint, actor=actor)
    return Freed(tuple(each.address for each in addresses), tuple(row.domain.name for row in catch_alls))


def _printable(name: str) -> str:
    return "".join(char for char in name[:40] if char.isprintable()).encode("utf-8", "replace").decode()
