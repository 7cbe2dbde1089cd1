"""SES tenants: made, looked at, given another policy, deleted. Pausing spans the apps: it stands in `operations`."""

from typing import Annotated, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status

from inbound_admin.lib.api import In, Page, Paged, QueryIn, Text, given, page_of
from inbound_admin.lib.api.accepted import Accepted
from inbound_admin.lib.errors import Refused
from tenants import selectors
from tenants.api.calling import call_router, caller, reads, writes
from tenants.api.fields import (
    ResourceOut,
    StatusChangeOut,
    TenantOne,
    TenantOut,
    layer_out,
    resource_out,
    status_change_out,
    tenant_fields,
)
from tenants.models import Customer, Tenant
from tenants.selectors.ses_list import tenants_for_staff
from tenants.services import creating, policies, removing
from tenants.services.allowing import NotAllowed

router = call_router("Tenants")
PolicyName = Literal["standard", "strict", "none"]
Order = Literal["risk", "-risk", "name", "-name", "customer", "-customer", "standing", "-standing", "created"]


class TenantFilters(Paged):
    search: Text = ""
    standing: Literal["", "active", "pausing", "paused", "resuming", "suspended", "unknown"] = ""
    policy: Literal["", "standard", "strict", "none"] = ""
    sort: Order = "-risk"


class TenantWanted(In):
    """`name`: one that is at Amazon already and is taken over; then its policy stays as it is there."""

    customer_id: Text
    policy: PolicyName | None = None
    name: Text | None = None


class PolicyWanted(In):
    policy: PolicyName
    because: Text


class ConfirmQuery(QueryIn):
    confirm: Text = ""


def tenant_address(tenant_id: str) -> str:
    return f"/api/v2/tenants/{tenant_id}"


def staff_tenant(request: HttpRequest, tenant_id: str) -> Tenant:
    """For calls of staff. One that is not there is 404; so is every one for whoever may not see them all."""
    return get_object_or_404(tenants_for_staff(caller(request)), pk=tenant_id)


def under_way(tenant: Tenant, message: str) -> Status[Accepted]:
    return Status(202, Accepted(id=tenant.pk, status_url=tenant_address(tenant.pk), message=message))


@router.get("/v2/tenants", **reads(Page[TenantOut]), summary="Your tenants; for staff all, the worst first")
def list_tenants(request: HttpRequest, query: Annotated[TenantFilters, Query()]) -> Page[TenantOut]:
    viewer = caller(request)
    found = selectors.tenants_found(
        viewer=viewer, text=query.search, standing=query.standing, policy=query.policy, order=query.sort
    )
    rows, pagination = page_of(found, query)
    staff = selectors.sees_tenants(viewer)
    data = [TenantOut(**tenant_fields(row, staff=staff)) for row in rows]
    return Page[TenantOut](data=data, pagination=pagination)


@router.post("/v2/tenants", **writes(Accepted, status=202, staff=True), summary="Make one, or take one over")
def create_tenant(request: HttpRequest, asked: TenantWanted) -> Status[Accepted]:
    """The worker makes it at Amazon. A customer has one in a region: another is refused."""
    actor = caller(request)
    customer = _customer(request, asked.customer_id)
    if asked.name is not None:
        tenant = creating.adopt_tenant(customer=customer, name=asked.name, actor=actor)
    else:
        tenant = creating.create_tenant(customer=customer, policy=asked.policy or "", actor=actor)
    return under_way(tenant, f"The tenant {tenant.name} is being made ready at Amazon.")


@router.get("/v2/tenants/{tenant_id}", **reads(TenantOne), summary="One tenant, and for staff where its sending is off")
def get_tenant(request: HttpRequest, tenant_id: str) -> TenantOne:
    viewer = caller(request)
    tenant = get_object_or_404(selectors.tenants_for(viewer), pk=tenant_id)
    staff = selectors.sees_tenants(viewer)
    layers = [layer_out(each) for each in selectors.layers_of(tenant)] if staff else None
    return TenantOne(**tenant_fields(tenant, staff=staff), **given(layers=layers))


@router.delete("/v2/tenants/{tenant_id}", **writes(Accepted, status=202, staff=True, proven=True), summary="Delete one")
def delete_tenant(request: HttpRequest, tenant_id: str, query: Annotated[ConfirmQuery, Query()]) -> Status[Accepted]:
    """`confirm` is its name. What is associated leaves it first and stays at Amazon."""
    tenant = staff_tenant(request, tenant_id)
    removing.delete_tenant(tenant=tenant, typed_name=query.confirm, actor=caller(request))
    return under_way(tenant, f"{tenant.name} is being deleted. Its address answers 404 when it is gone.")


@router.put("/v2/tenants/{tenant_id}/policy", **writes(Accepted, status=202, staff=True), summary="Another policy")
def change_policy(request: HttpRequest, tenant_id: str, asked: PolicyWanted) -> Status[Accepted]:
    tenant = staff_tenant(request, tenant_id)
    policies.change_policy(tenant=tenant, policy=asked.policy, because=asked.because, actor=caller(request))
    return under_way(tenant, f"Amazon is being told of the policy {asked.policy}.")


@router.get("/v2/tenants/{tenant_id}/resources", **reads(Page[ResourceOut], staff=True), summary="What is in it")
def list_resources(request: HttpRequest, tenant_id: str, query: Annotated[Paged, Query()]) -> Page[ResourceOut]:
    rows, pagination = page_of(selectors.resources_of(staff_tenant(request, tenant_id)), query)
    return Page[ResourceOut](data=[resource_out(row) for row in rows], pagination=pagination)


@router.get("/v2/tenants/{tenant_id}/statuses", **reads(Page[StatusChangeOut], staff=True), summary="What Amazon told")
def list_statuses(request: HttpRequest, tenant_id: str, query: Annotated[Paged, Query()]) -> Page[StatusChangeOut]:
    rows, pagination = page_of(selectors.history_of(staff_tenant(request, tenant_id)), query)
    return Page[StatusChangeOut](data=[status_change_out(row) for row in rows], pagination=pagination)


def _customer(request: HttpRequest, customer_id: str) -> Customer:
    viewer = caller(request)
    if not selectors.sees_tenants(viewer):
        raise NotAllowed("Tenants are made by operators.")
    found = selectors.customers_for(viewer).filter(pk=customer_id).first()
    if found is None:
        raise Refused("There is no customer of this id.", code="CUSTOMER_MISSING")
    return found
