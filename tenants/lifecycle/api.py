"""API operations on SES tenants: list, create, read, change the policy, delete; and the tenant in responses.

Customers see the status of their own tenant. Staff also see notes and metrics. Pause and resume span the apps, so they
are in `operations.api`.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from accounts.people import selectors as people_selectors
from inbound_admin.lib.api.schemas import Accepted, Blank, In, Out, Page, Paged, QueryIn, Text, given, page_of
from inbound_admin.lib.errors import Refused
from tenants.deletion import services as deletion_services
from tenants.lifecycle import selectors, services
from tenants.models.tenants import Tenant
from tenants.policy import services as policy_services
from tenants.status import core as status_core
from tenants.status.core import Layer


class ForStaffOut(Out):
    """Rates are fractions; null means unknown, not 0. SES values are returned unchanged."""

    amazon_id: Blank
    arn: Blank
    adopted: bool
    policy: str
    amazon_policy: Blank
    suppression: str = Field(description="Suppression list: account or tenant")
    configuration_set: str
    is_paused: bool = Field(description="Requested state; `standing` is the actual state")
    pause_reason: Blank
    pause_text: Blank
    pause_review_on: date | None
    staff_status: Blank
    staff_cause: Blank
    amazon_status: Blank
    amazon_cause: Blank
    aggregate: Blank
    impact: Blank
    bounce_rate: float | None
    complaint_rate: float | None
    open_high: int
    open_low: int
    risk: int
    read_at: datetime | None
    problems: list[str] = Field(
        description="Why SES differs from the requested state or couldn't be read; empty: no known problem"
    )


class TenantOut(Out):
    id: str
    customer_id: str
    customer_name: str
    name: str
    region: str
    stage: str
    standing: str = Field(description="active, pausing, paused, undone, resuming, suspended or unknown")
    account_stopped: bool = Field(description="Sending is stopped for our whole AWS account: no mail, also if active")
    standing_since: datetime
    sentence: str
    told: str | None = Field(description="Message to the customer while sending is paused")
    stops_receiving: bool = Field(description="Requested: the pause also stops inbound mail; `receiving` is the state")
    receiving: Literal["on", "stopping", "stopped", "restoring"] = Field(
        description="stopping and restoring last until the receipt rules in SES have it"
    )
    sends_since: datetime | None = Field(description="When the customer's sends started naming the tenant")
    created_at: datetime
    updated_at: datetime
    for_staff: ForStaffOut | None = Field(None, description="Only for staff")


class LayerOut(Out):
    """`allows` null: unknown."""

    name: str
    title: str
    status: str
    cause: str
    since: datetime | None
    lifted_by: str
    allows: bool | None
    read_at: datetime | None = Field(description="When the account was read; null: with the tenant, see `readAt` there")
    problem: Blank = Field(description="Why the account couldn't be read since")


class TenantOne(TenantOut):
    layers: list[LayerOut] | None = Field(None, description="Only for staff: sending status by level")


class ResourceOut(Out):
    kind: str
    arn: str
    name: str
    wanted: bool
    associated_at: datetime | None
    verified: bool | None
    held_by: Blank
    problem: Blank


class StatusChangeOut(Out):
    layer: str
    old: str
    new: str
    cause: str
    since: datetime | None
    seen_at: datetime


Shown = TypeVar("Shown", bound=TenantOut)


def _tenant(form: type[Shown], tenant: Tenant, *, staff: bool, **more: Any) -> Shown:
    banner = selectors.banner_for(tenant)
    return form.of(
        tenant,
        customer_name=tenant.customer.name,
        told=banner.told if banner else None,
        receiving=str(tenant.receiving),
        **given(for_staff=_for_staff(tenant) if staff else None, **more),
    )


def _for_staff(tenant: Tenant) -> ForStaffOut:
    texts = (tenant.stage_problem, tenant.status_problem, tenant.read_problem)
    problems = [each for each in (*texts, selectors.stopped_before(tenant), tenant.receiving_problem) if each]
    return ForStaffOut.of(tenant, amazon_id=tenant.ses_id, amazon_policy=tenant.ses_policy, problems=problems)


def _layer(layer: Layer) -> LayerOut:
    title = status_core.LAYERS[layer.name][0] if layer.name in status_core.LAYERS else str(layer.name)
    return LayerOut.of(layer, title=title)


router = call_router("Tenants")
PolicyName = Literal["standard", "strict", "none"]
Order = Literal["risk", "-risk", "name", "-name", "customer", "-customer", "standing", "-standing", "created"]


class TenantFilters(Paged):
    search: Text = Field("", description="Part of the name or of the customer's name")
    standing: Literal["", "active", "pausing", "paused", "undone", "resuming", "suspended", "unknown"] = Field(
        "", description="Whether it may send"
    )
    policy: Literal["", "standard", "strict", "none"] = Field("", description="Its reputation policy")
    sort: Order = Field("-risk", description="The order; - is descending")


class TenantWanted(In):
    """`name`: an existing SES tenant to import; its policy is kept."""

    customer_id: Text
    policy: PolicyName | None = None
    name: Text | None = None


class PolicyWanted(In):
    """`suppression`: whose suppression list applies (account or tenant); absent: unchanged."""

    policy: PolicyName
    suppression: Literal["account", "tenant"] | None = None
    because: Text


class ConfirmQuery(QueryIn):
    confirm: Text = Field("", description="The tenant's name")


def tenant_address(tenant_id: str) -> str:
    return f"/api/v2/tenants/{tenant_id}"


def staff_tenant(request: HttpRequest, tenant_id: str) -> Tenant:
    """For staff operations. 404 if it does not exist, or if the caller may not see all tenants."""
    return get_object_or_404(selectors.tenants_for_staff(caller(request)), pk=tenant_id)


def accepted(tenant: Tenant, message: str) -> Status[Accepted]:
    return Status(202, Accepted(id=tenant.pk, status_url=tenant_address(tenant.pk), message=message))


@router.get("/v2/tenants", **reads(Page[TenantOut]), summary="List SES tenants")
def list_tenants(request: HttpRequest, query: Annotated[TenantFilters, Query()]) -> Page[TenantOut]:
    """Return your customers' SES tenants; for staff all, those with the highest risk first.

    Staff also get `forStaff`. `standing` says whether a tenant may send.
    """
    viewer = caller(request)
    found = selectors.find_tenants(
        viewer=viewer, text=query.search, standing=query.standing, policy=query.policy, order=query.sort
    )
    rows, pagination = page_of(found, query)
    staff = selectors.sees_tenants(viewer)
    data = [_tenant(TenantOut, row, staff=staff) for row in rows]
    return Page[TenantOut](data=data, pagination=pagination)


@router.post(
    "/v2/tenants", **writes(Accepted, status=202, staff=True), summary="Create a tenant, or import one from SES"
)
def create_tenant(request: HttpRequest, asked: TenantWanted) -> Status[Accepted]:
    """Create the SES tenant of a customer, or import an existing one by `name`.

    Returns 202 with `statusUrl`: the worker creates it in SES. Refused: 400 `CUSTOMER_MISSING`, 409 `TENANT_EXISTS`
    since a customer has one tenant per region, 422 `TENANT_MISSING` or `TENANT_TAKEN` for a `name` that can't be
    imported.
    """
    actor = caller(request)
    services.require_permission(actor)
    customer = people_selectors.customers_for(actor).filter(pk=asked.customer_id).first()
    if customer is None:
        raise Refused("No customer has this ID.", code="CUSTOMER_MISSING")
    if asked.name is not None:
        tenant = services.adopt_tenant(customer=customer, name=asked.name, actor=actor)
    else:
        tenant = services.create_tenant(customer=customer, policy=asked.policy or "", actor=actor)
    return accepted(tenant, f"Creating tenant {tenant.name} in SES.")


@router.get("/v2/tenants/{tenant_id}", **reads(TenantOne), summary="Get a tenant")
def get_tenant(request: HttpRequest, tenant_id: str) -> TenantOne:
    """Return one tenant.

    Staff also get `forStaff` and `layers`: the sending status at each level, and who can lift it. 404 for another
    customer's tenant.
    """
    viewer = caller(request)
    tenant = get_object_or_404(selectors.tenants_for(viewer), pk=tenant_id)
    staff = selectors.sees_tenants(viewer)
    layers = [_layer(each) for each in selectors.layers_of(tenant)] if staff else None
    return _tenant(TenantOne, tenant, staff=staff, layers=layers)


@router.delete(
    "/v2/tenants/{tenant_id}", **writes(Accepted, status=202, staff=True, proven=True), summary="Delete a tenant"
)
def delete_tenant(request: HttpRequest, tenant_id: str, query: Annotated[ConfirmQuery, Query()]) -> Status[Accepted]:
    """Delete a tenant. Its resources are removed from it first and stay in SES.

    `confirm` must be its name (422 `NAME_NOT_TYPED`). Returns 202 with `statusUrl`, which returns 404 when the
    tenant is deleted. Refused: 422 `TENANT_PAUSED` while it is paused, `TENANT_IN_USE` while a domain is in it.
    """
    tenant = staff_tenant(request, tenant_id)
    deletion_services.delete_tenant(tenant=tenant, typed_name=query.confirm, actor=caller(request))
    return accepted(tenant, f"Deleting {tenant.name}. Its URL returns 404 when it is deleted.")


@router.put(
    "/v2/tenants/{tenant_id}/policy",
    **writes(Accepted, status=202, staff=True),
    summary="Change the policy of a tenant",
)
def change_tenant_policy(request: HttpRequest, tenant_id: str, asked: PolicyWanted) -> Status[Accepted]:
    """Set the reputation policy of a tenant, and whose suppression list applies.

    Returns 202 with `statusUrl`: the worker applies it in SES. 422 `TENANT_DELETING` while it is being deleted.
    """
    tenant = staff_tenant(request, tenant_id)
    policy_services.change(
        tenant=tenant,
        policy=asked.policy,
        suppression=asked.suppression or tenant.suppression,
        because=asked.because,
        actor=caller(request),
    )
    return accepted(tenant, f"Applying policy {asked.policy} in SES.")


@router.get(
    "/v2/tenants/{tenant_id}/resources",
    **reads(Page[ResourceOut], staff=True),
    summary="List the resources of a tenant",
)
def list_tenant_resources(request: HttpRequest, tenant_id: str, query: Annotated[Paged, Query()]) -> Page[ResourceOut]:
    """Return the identities and configuration sets of a tenant, with the reason why one isn't associated yet."""
    rows, pagination = page_of(selectors.resources_of(staff_tenant(request, tenant_id)), query)
    return Page[ResourceOut](data=[ResourceOut.of(row) for row in rows], pagination=pagination)


@router.get(
    "/v2/tenants/{tenant_id}/statuses",
    **reads(Page[StatusChangeOut], staff=True),
    summary="List the status changes of a tenant",
)
def list_tenant_statuses(
    request: HttpRequest, tenant_id: str, query: Annotated[Paged, Query()]
) -> Page[StatusChangeOut]:
    """Return the changes of the sending status that were seen in SES, newest first, with the cause that SES gave."""
    rows, pagination = page_of(selectors.history_of(staff_tenant(request, tenant_id)), query)
    return Page[StatusChangeOut](data=[StatusChangeOut.of(row) for row in rows], pagination=pagination)
