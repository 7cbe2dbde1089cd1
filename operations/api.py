"""Operations of the API about what spans the apps: customers, the change log, and pauses of tenants."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from accounts.models.people import Customer, User
from accounts.people.selectors import customers_for, find_customers
from audit.core import OBJECT_TYPES, WORDS
from audit.models import Change
from audit.selectors import ChangeListFilters
from inbound_admin.lib.api.schemas import Accepted, Blank, Day, In, Out, Page, Paged, QueryIn, Text, page_of
from inbound_admin.lib.api.validation import require_choice, require_id
from operations.audit_log.selectors import search_changes
from operations.pause import services as pause_services
from tenants.lifecycle.api import accepted, staff_tenant
from tenants.lifecycle.selectors import tenants_in_region

# API operations on customers (organisations).


customers = call_router("Customers")


class CustomerOut(Out):
    id: str
    name: str
    members: int
    tenant_id: str | None = Field(description="Its SES tenant in this region, or null")
    created_at: datetime


class CustomerFilters(Paged):
    search: Text = Field("", description="Part of the name or of a member's email address, or a full ID")


@customers.get("/v2/customers", **reads(Page[CustomerOut]), summary="List customers")
def list_customers(request: HttpRequest, query: Annotated[CustomerFilters, Query()]) -> Page[CustomerOut]:
    """Return the customers (organisations) that you belong to; staff get all.

    Their IDs are the `customerId` of other calls. `search` matches part of the name, part of a member's email
    address, or a full ID.
    """
    found = find_customers(viewer=caller(request), text=query.search.strip())
    rows, pagination = page_of(found, query)
    return Page[CustomerOut](data=_customers(rows), pagination=pagination)


@customers.get("/v2/customers/{customer_id}", **reads(CustomerOut), summary="Get a customer")
def get_customer(request: HttpRequest, customer_id: str) -> CustomerOut:
    """Return one customer with its number of members and the ID of its SES tenant.

    404 `NOT_FOUND` for a customer that you don't belong to.
    """
    found = find_customers(viewer=caller(request), text="")
    return _customers([get_object_or_404(found, pk=customer_id)])[0]


def _customers(rows: list[Customer]) -> list[CustomerOut]:
    """In one query more; each row has its `member_count`."""
    tenants = dict(tenants_in_region().filter(customer__in=rows).values_list("customer_id", "pk"))
    return [
        CustomerOut.of(
            row,
            members=row.member_count,  # type: ignore[attr-defined]  # annotated by `find_customers`
            tenant_id=tenants.get(row.pk),
        )
        for row in rows
    ]


# API operation that lists the change log: changes by people, API keys, the worker and AWS.


audit = call_router("Audit")


class ChangeOut(Out):
    """`actorKind`: person, key (an API key, as its user), worker, amazon. Changes of one action share a `bulkId`."""

    id: str
    bulk_id: str
    at: datetime
    actor_kind: str
    actor_id: Blank
    actor_name: str
    what: str
    words: str
    object_type: str
    object_id: str
    object_name: str
    customer_id: Blank
    because: str
    before: dict[str, Any]
    after: dict[str, Any]
    aws_request_ids: list[str]


class ChangeFilters(Paged):
    search: Text = Field("", description="Part of a name or reason, or a whole ID")
    actor_kind: Literal["", "person", "key", "worker", "amazon"] = Field("", description="Who made the change")
    object_type: Text = Field("", description="What was changed: domain, address, tenant and others")
    what: Text = Field("", description="The change, such as domain.added")
    customer_id: Text | None = Field(None, description="A customer that you can see, or one that was deleted")
    bulk_id: Text = Field("", description="Changes of one action")
    since: date | None = Field(None, description="The first day, in UTC")
    until: date | None = Field(None, description="The last day, in UTC")


@audit.get("/v2/audit", **reads(Page[ChangeOut]), summary="List changes")
def list_changes(request: HttpRequest, query: Annotated[ChangeFilters, Query()]) -> Page[ChangeOut]:
    """Return the changes of your customers, newest first: who changed what, when and why.

    Staff with permission get all changes, others none of the internal entries. `search` matches names, reasons and
    whole IDs. 400 for an unknown `what`, `objectType` or `customerId`.
    """
    viewer = caller(request)
    _check(query, viewer)
    filters = ChangeListFilters(
        q=query.search.strip(),
        by=query.actor_kind,
        about=query.object_type,
        what=query.what,
        customer=query.customer_id or "",
        bulk=query.bulk_id,
        since=query.since.isoformat() if query.since else "",
        until=query.until.isoformat() if query.until else "",
    )
    found = search_changes(viewer=viewer, filters=filters)
    rows, pagination = page_of(found, query)
    return Page[ChangeOut](data=[_change(row) for row in rows], pagination=pagination)


def _check(query: ChangeFilters, viewer: User) -> None:
    """Raise Malformed for a verb, a type or a customer that neither exists now nor occurs in the log."""
    seen = search_changes(viewer=viewer, filters=ChangeListFilters())
    verbs = [what for what in WORDS if what.partition(".")[0] == query.what.partition(".")[0]] or list(WORDS)
    require_choice(query.what, verbs, "what", occurring=seen.filter(what=query.what))
    require_choice(query.object_type, OBJECT_TYPES, "objectType", occurring=seen.filter(object_type=query.object_type))
    if query.customer_id is None or not seen.filter(customer_id=query.customer_id).exists():
        require_id(query.customer_id, customers_for(viewer), "customerId", "customer")


def _change(row: Change) -> ChangeOut:
    return ChangeOut.of(row, id=str(row.pk))


# API operations that preview, request and end a pause of a tenant's sending.


tenants = call_router("Tenants")
WAIT = "`standing` shows when SES has confirmed it."
Reason = Literal["spam", "phishing", "bounces", "complaints", "compromised", "payment", "legal", "other"]


class PausePreviewQuery(QueryIn):
    stops_receiving: bool = Field(False, description="Whether receiving stops too")


class StopsOut(Out):
    name: str
    domain_id: Blank
    can_send: bool


class SharedSetOut(Out):
    name: str
    others: list[str]


class ReceivingOut(Out):
    """Changes to the receipt rules when receiving stops too. Send the digest with the pause."""

    digest: str
    summary: str
    steps: list[str]


class PausePreviewOut(Out):
    tenant_id: str
    outcome: str
    changes_anything: bool
    stops: list[StopsOut]
    through_tenant: bool = Field(
        description="False: the customer's sends don't name the tenant, so a pause stops nothing"
    )
    shared_sets: list[SharedSetOut]
    goes_on: list[str]
    sent_in_a_day: int | None
    receiving: ReceivingOut | None
    receiving_problem: Blank


class PauseWanted(In):
    """`text` is for staff, `told` for the customer. `receivingDigest`: from the preview, if receiving stops too."""

    reason: Reason
    text: Text
    told: Annotated[Text, Field(min_length=1)]
    review_on: Day | None = None
    stops_receiving: bool = False
    receiving_digest: Text = ""


class ResumeWanted(In):
    because: Text


@tenants.get("/v2/tenants/{tenant_id}/pause", **reads(PausePreviewOut, staff=True), summary="Preview a pause")
def preview_pause(
    request: HttpRequest, tenant_id: str, query: Annotated[PausePreviewQuery, Query()]
) -> PausePreviewOut:
    """Return what a pause of this tenant would stop. Nothing is changed.

    From stored data. With `stopsReceiving=true` the live receipt rules are read from SES, and `receiving.digest` is
    to be sent with the pause.
    """
    found = pause_services.preview(tenant=staff_tenant(request, tenant_id), stops_receiving=query.stops_receiving)
    plan = found.receiving
    return PausePreviewOut.of(
        found,
        tenant_id=found.tenant.pk,
        stops=[StopsOut.of(each) for each in found.stops],
        shared_sets=[SharedSetOut.of(each) for each in found.shared_sets],
        receiving=ReceivingOut.of(plan, steps=[str(step) for step in plan.steps]) if plan else None,
    )


@tenants.post(
    "/v2/tenants/{tenant_id}/pause", **writes(Accepted, status=202, staff=True), summary="Pause sending of a tenant"
)
def pause_tenant(request: HttpRequest, tenant_id: str, asked: PauseWanted) -> Status[Accepted]:
    """Pause a customer's sending, and its receiving if asked.

    `told` is shown to the customer, `text` to staff. Returns 202 with `statusUrl`; mail may still be sent until
    `standing` is `paused`; for a tenant that AWS suspends, until `forStaff.staffStatus` is `DISABLED`. Refused: 422
    `PAUSED_ALREADY`, `TENANT_DELETING`, 409 `PLAN_CHANGED` if the receiving plan has changed since the preview.
    """
    tenant = staff_tenant(request, tenant_id)
    pause_services.pause(
        tenant=tenant,
        reason=asked.reason,
        text=asked.text,
        told=asked.told,
        review_on=asked.review_on,
        stops_receiving=asked.stops_receiving,
        receiving_digest=asked.receiving_digest,
        actor=caller(request),
    )
    return accepted(tenant, f"Pause requested. {WAIT}")


@tenants.post(
    "/v2/tenants/{tenant_id}/resume", **writes(Accepted, status=202, staff=True), summary="Resume sending of a tenant"
)
def resume_tenant(request: HttpRequest, tenant_id: str, asked: ResumeWanted) -> Status[Accepted]:
    """Resume a paused customer's sending, and its receiving if the pause stopped it.

    Returns 202 with `statusUrl`. Refused: 422 `NOT_PAUSED`, or `SUSPENDED_BY_AMAZON` if only AWS
    suspends the tenant. A pause of ours ends also while AWS suspends it, and the suspension stays.
    """
    tenant = staff_tenant(request, tenant_id)
    pause_services.resume(tenant=tenant, because=asked.because, actor=caller(request))
    return accepted(tenant, f"Resume requested. {WAIT}")
