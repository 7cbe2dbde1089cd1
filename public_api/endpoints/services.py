"""Operations of the published contract on addresses and endpoints: ignore unknown settings, remove endpoints in use."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models.people import User
from domains.models.domains import Domain
from public_api.domains.services import KEEP, own_endpoint
from receipt_rules.addresses.selectors import address_at_domain, addresses_to, catch_alls_to, refuse_unproven
from receipt_rules.addresses.services import add_address, change_address, lock_domain, lock_uses, set_catch_all
from receipt_rules.endpoints.core import WEBHOOK_EXTRAS
from receipt_rules.endpoints.services import remove_endpoint
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.received_mail.selectors import recent_deliveries


def add(*, domain: Domain, text: str, endpoint_id: str | None, is_active: bool, actor: User) -> Address:
    """Add an address. It is pending until the domain is verified.

    Raises Refused as `add_address` does, ADDRESS_ELSEWHERE for another domain's address, ENDPOINT_MISSING.
    """
    address_at_domain(text, domain)
    refuse_unproven(domain, may_wait=True)
    return add_address(
        text=text,
        customer=domain.customer,
        actor=actor,
        endpoint=own_endpoint(domain.customer_id, endpoint_id),
        is_active=is_active,
        may_wait=True,
    )


def change(*, address: Address, is_active: bool | None, actor: User, endpoint_id: str | None = KEEP) -> Address:
    """Change an address. Absent values are unchanged, also if another request changes them at this moment.

    An endpoint of None is removed. Raises Refused.
    """
    with transaction.atomic():
        lock_domain(address.domain, to_receive=False)
        now = Address.objects.select_related("domain", "endpoint").filter(pk=address.pk).first() or address
        endpoint = now.own_endpoint if endpoint_id == KEEP else own_endpoint(now.domain.customer_id, endpoint_id)
        wanted = now.is_active if is_active is None else is_active
        return change_address(address=now, actor=actor, is_active=wanted, endpoint=endpoint)


KNOWN: dict[str, tuple[str, ...]] = {
    EndpointType.WEBHOOK.value: ("url", *WEBHOOK_EXTRAS),
    EndpointType.EMAIL.value: ("address",),
    EndpointType.EMAIL_GROUP.value: ("addresses",),
}

_OUT: dict[str, dict[str, tuple[str, ...]]] = {
    EndpointType.WEBHOOK.value: {
        "retry_attempts": ("retryAttempts",),
        "verification_token": ("verificationToken",),
        "signing_secret": ("signingSecret",),
    },
    # The published client itself calls it "email" where the contract has "forwardTo".
    EndpointType.EMAIL.value: {"address": ("forwardTo", "email")},
    EndpointType.EMAIL_GROUP.value: {"addresses": ("emails",)},
}


def config_out(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    names = _OUT.get(kind, {})
    return {outer: value for name, value in config.items() for outer in names.get(name, (name,))}


def config_in(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with our names. Unknown members are left for the service to reject."""
    ours = {outer: name for name, outers in _OUT.get(kind, {}).items() for outer in outers}
    return {ours.get(name, name): value for name, value in given.items()}


def known_config(kind: str, config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the known members of the type, and the names of the others."""
    known = KNOWN.get(kind, ())
    return {name: config[name] for name in known if name in config}, tuple(name for name in config if name not in known)


def remove(*, endpoint: Endpoint, actor: User) -> tuple[list[str], list[str]]:
    """Remove an endpoint, and return the addresses and domains that used it. They receive mail without an endpoint."""
    with transaction.atomic():
        lock_uses(endpoint)
        addresses = list(addresses_to(endpoint.pk).order_by("address"))
        for address in addresses:
            change(address=address, actor=actor, is_active=None, endpoint_id=None)
        catch_alls = list(catch_alls_to(endpoint.pk))
        for row in catch_alls:
            lock_domain(row.domain, to_receive=False)
            row.refresh_from_db(fields=("is_active",))
            set_catch_all(domain=row.domain, actor=actor, is_active=row.is_active, subdomains=row.subdomains)
        remove_endpoint(endpoint=endpoint, actor=actor)
    return [each.address for each in addresses], [row.domain.name for row in catch_alls]


def recent(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the last deliveries, in the previous system's format."""
    return [
        {
            "id": row.pk,
            "emailId": row.message_id,
            "deliveryType": endpoint.type,
            "status": {"delivered": "success", "failed": "failed"}.get(row.outcome, "pending"),
            "attempts": row.tries,
            "lastAttemptAt": row.reported_at.isoformat(),
            "createdAt": row.received_at.isoformat(),
        }
        for row in recent_deliveries(endpoint)
    ]
