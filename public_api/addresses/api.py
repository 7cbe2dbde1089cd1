"""Published API operations on addresses. The worker adds them to receipt rules within seconds."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from accounts.people.selectors import first_owners
from domains.api import domain_of
from domains.domain_list.selectors import domains_for
from domains.receiving.core import DELIVERED, RulesFact
from inbound_admin.lib.api.schemas import LenientIn, LenientPaged, Out, Page, Text, given, page_of
from inbound_admin.lib.api.validation import require_id
from inbound_admin.lib.errors import Malformed
from public_api.domains.selectors import Published, find_addresses, pending_of, rule_names, status_of
from public_api.endpoints import services as endpoints_services
from public_api.endpoints.services import config_out
from receipt_rules.addresses.core import read_recipient
from receipt_rules.addresses.services import remove_address
from receipt_rules.mail_path.core import HopState
from receipt_rules.mail_path.selectors import set_ends
from receipt_rules.models.addresses import Address

NOT_LIVE = "{address} isn't live yet. It receives mail once SES has verified {domain}. You don't have to add it again."
ROUTED = (*DELIVERED, RulesFact.TLS_ONLY, RulesFact.UNSURE)  # the rules call the function with the mail, or may
router = call_router("Email addresses", lenient=True)


class AddressFilters(LenientPaged):
    domain_id: Text | None = Field(None, description="A domain that you can see")
    is_active: bool | None = Field(None, description="Whether it is on")
    is_receipt_rule_configured: bool | None = Field(None, description="Whether a receipt rule in SES contains it")


class DomainBrief(Out):
    id: str
    name: str
    status: Published


class Routing(Out):
    type: Literal["webhook", "endpoint", "none"]
    id: str | None
    name: str | None
    endpoint_type: str | None = None
    config: dict[str, Any] | None = None
    is_active: bool


class AddressOut(Out):
    id: str
    address: str
    domain_id: str
    webhook_id: None = Field(description="Always null: webhooks are endpoints")
    endpoint_id: str | None
    is_active: bool
    is_receipt_rule_configured: bool = Field(description="Whether a receipt rule in SES contains it, as last read")
    receiving: str = Field(description="As for a domain, or held (by a rollback); off if the address is inactive")
    receiving_message: str
    delivery: str = Field(
        description="Of mail that arrives: ok, stored_only (no active endpoint), unconfirmed (no recipient has "
        "confirmed forwarding), undelivered (the endpoint is failing), "
        "none (no receipt rule brings in its mail), or off"
    )
    delivery_message: str
    receipt_rule_name: str | None
    created_at: datetime
    updated_at: datetime
    user_id: str | None
    tenant_id: str | None
    domain: DomainBrief
    routing: Routing
    warning: str | None = None


class AddressAdded(LenientIn):
    address: Text
    domain_id: Text
    endpoint_id: Text | None = None
    webhook_id: Text | None = Field(None, description="The older name of endpointId")
    is_active: bool = True


class AddressChanged(LenientIn):
    """Absent members are unchanged. Null or "" removes the endpoint."""

    endpoint_id: Text | None = None
    webhook_id: Text | None = None
    is_active: bool | None = None


class AddressCleanup(Out):
    email_address: str
    domain: str
    ses_rule_updated: bool
    warning: str | None = None


class AddressRemovedOut(Out):
    message: str
    cleanup: AddressCleanup


@router.get("/v2/email-addresses", **reads(Page[AddressOut]), summary="List addresses")
def list_addresses(request: HttpRequest, query: Annotated[AddressFilters, Query()]) -> Page[AddressOut]:
    """Return your addresses in alphabetical order, with where their mail goes.

    `receiving` says whether mail arrives, `delivery` what happens to it then. 400 `DOMAIN_MISSING` for a `domainId`
    that you can't see.
    """
    wanted = matching_addresses(request, query.domain_id, query.is_active, query.is_receipt_rule_configured)
    found, pagination = page_of(wanted, query)
    return Page[AddressOut](data=rows(found), pagination=pagination)


@router.post("/v2/email-addresses", **writes(AddressOut, status=201), summary="Add an address")
def add_address(request: HttpRequest, asked: AddressAdded) -> Status[AddressOut]:
    """Add an address that receives mail, with the endpoint that gets it.

    The worker adds it to a receipt rule in SES within seconds; `isReceiptRuleConfigured` becomes true then.
    `warning` says what it waits for, such as the verification of its domain. Without an endpoint its mail is only
    stored. Refused: 409 `ADDRESS_EXISTS`, 400 `NOT_AN_ADDRESS`, `ADDRESS_ELSEWHERE`,
    `ENDPOINT_MISSING` or `TWO_ENDPOINTS`, 404 for the domain, 422 `FORWARDS_TO_ITSELF` for an endpoint that forwards
    mail back to the address.
    """
    _refuse_two([asked.endpoint_id, asked.webhook_id])
    address = endpoints_services.add(
        domain=domain_of(request, asked.domain_id),
        text=asked.address,
        endpoint_id=asked.endpoint_id or asked.webhook_id,
        is_active=asked.is_active,
        actor=caller(request),
    )
    made = row(address_of(request, address.pk))
    said = [*([made.warning] if made.warning else []), *read_recipient(asked.address).noticed]
    return Status(201, made.model_copy(update={"warning": " ".join(said)}) if said else made)


@router.get("/v2/email-addresses/{address_id}", **reads(AddressOut), summary="Get an address")
def get_address(request: HttpRequest, address_id: str) -> AddressOut:
    """Return one address with its endpoint.

    404 for an address that isn't yours.
    """
    return row(address_of(request, address_id))


@router.put("/v2/email-addresses/{address_id}", **writes(AddressOut), summary="Change an address")
def change_address(request: HttpRequest, address_id: str, asked: AddressChanged) -> AddressOut:
    """Set the endpoint of an address, or turn the address on or off.

    Absent members are unchanged. An endpoint of null removes it: mail is then only stored. Mail for an address that
    is off isn't delivered. 400 `ENDPOINT_MISSING` or `TWO_ENDPOINTS`.
    """
    address = address_of(request, address_id)
    named = [getattr(asked, name) for name in ("endpoint_id", "webhook_id") if name in asked.model_fields_set]
    _refuse_two(named)
    endpoint = {"endpoint_id": next((each for each in named if each), None)} if named else {}
    endpoints_services.change(address=address, is_active=asked.is_active, actor=caller(request), **endpoint)
    return row(address_of(request, address_id))


@router.delete("/v2/email-addresses/{address_id}", **writes(AddressRemovedOut), summary="Remove an address")
def delete_address(request: HttpRequest, address_id: str) -> AddressRemovedOut:
    """Remove an address. SES then rejects its mail, unless a catch-all receives it.

    The worker updates the receipt rule; `cleanup.warning` says when, if it isn't done yet.
    """
    address = address_of(request, address_id)
    remove_address(address=address, actor=caller(request))
    waits = pending_of([address.domain]).get(address.domain_id, "")
    cleanup = AddressCleanup(
        email_address=address.address,
        domain=address.domain.name,
        ses_rule_updated=not waits,
        **given(warning=waits or None),
    )
    return AddressRemovedOut(message=f"{address} removed.", cleanup=cleanup)


def matching_addresses(
    request: HttpRequest, domain_id: str | None, is_active: bool | None, is_live: bool | None = None
) -> QuerySet[Address]:
    """Raises Malformed (DOMAIN_MISSING) if the caller can't see the domain of the filter."""
    require_id(domain_id, domains_for(caller(request)), "domainId", "domain")
    return find_addresses(viewer=caller(request), domain_id=domain_id, is_active=is_active, is_live=is_live)


def address_of(request: HttpRequest, address_id: str) -> Address:
    """Return the address. Another customer's is 404."""
    return get_object_or_404(find_addresses(viewer=caller(request)), pk=address_id)


def _refuse_two(named: Collection[str | None]) -> None:
    if all(named) and len(set(named)) > 1:
        raise Malformed("Set endpointId or webhookId, not both.", code="TWO_ENDPOINTS")


def row(address: Address) -> AddressOut:
    return rows([address])[0]


def rows(addresses: Collection[Address]) -> list[AddressOut]:
    """Return the rows, in a constant number of queries. Each has its `changed_at`."""
    customers = [address.domain.customer_id for address in addresses]
    owners, pending = first_owners(customers), pending_of([address.domain for address in addresses])
    set_ends(addresses)
    names = rule_names([address.address for address in addresses if address.is_served])
    return [_row(each, owners.get(each.domain.customer_id), names.get(each.address), pending) for each in addresses]


def _row(address: Address, owner: str | None, rule: str | None, pending: dict[str, str]) -> AddressOut:
    domain, endpoint = address.domain, address.own_endpoint
    is_waiting = address.is_active != address.is_served and domain.pk in pending
    warning = pending[domain.pk] if is_waiting else ""
    warning = address.refused_because if address.is_active and address.refused_because else warning
    if address.is_active and not domain.is_proven:
        warning = NOT_LIVE.format(address=address, domain=domain)
    delivery, delivered = _delivery(address)
    return AddressOut(
        id=address.pk,
        address=address.address,
        domain_id=domain.pk,
        webhook_id=None,
        endpoint_id=endpoint.pk if endpoint else None,
        is_active=address.is_active,
        is_receipt_rule_configured=address.is_served,
        receiving=address.receiving.state.value,
        receiving_message=address.receiving.sentence,
        delivery=delivery,
        delivery_message=delivered,
        receipt_rule_name=rule,
        created_at=address.created_at,
        updated_at=address.changed_at,  # type: ignore[attr-defined]  # annotated by `find_addresses`
        user_id=owner,
        tenant_id=domain.tenant_id,
        domain=DomainBrief(id=domain.pk, name=domain.name, status=status_of(domain)),
        routing=_routing(address),
        **given(warning=warning),
    )


def _delivery(address: Address) -> tuple[str, str]:
    """Return it as a word and as a sentence. Nothing is delivered of mail that the live rules don't bring in."""
    if not address.is_active or address.end is None:
        return "off", "The address is off."
    if address.rules in ROUTED:
        return address.end.state.value, f"{address.end.description}."
    why = "no receipt rule brings in its mail."
    if address.rules == RulesFact.UNROUTED:
        why = "the receipt rule stores its mail, but doesn't call our function."
    return HopState.NONE.value, f"Nothing is delivered: {why}"


def _routing(address: Address) -> Routing:
    endpoint = address.own_endpoint
    if endpoint is None:
        return Routing(type="none", id=None, name=None, is_active=False)
    config = config_out(endpoint.type, endpoint.shown_config)
    return Routing(
        type="endpoint",
        id=endpoint.pk,
        name=endpoint.name,
        endpoint_type=endpoint.type,
        config=config,
        is_active=endpoint.is_active,
    )
