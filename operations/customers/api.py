"""API operations on customers (organisations)."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads
from accounts.models.people import Customer
from accounts.people.selectors import find_customers
from inbound_admin.lib.api.schemas import Out, Page, Paged, Text, page_of
from tenants.lifecycle.selectors import tenants_in_region

router = call_router("Customers")


class CustomerOut(Out):
    id: str
    name: str
    members: int
    tenant_id: str | None = Field(description="Its SES tenant in this region, or null")
    created_at: datetime


class CustomerFilters(Paged):
    search: Text = Field("", description="Part of the name or of a member's email address, or a full ID")


@router.get("/v2/customers", **reads(Page[CustomerOut]), summary="List customers")
def list_customers(request: HttpRequest, query: Annotated[CustomerFilters, Query()]) -> Page[CustomerOut]:
    """Return the customers (organisations) that you belong to; staff get all.

    Their IDs are the `customerId` of other calls. `search` matches part of the name, part of a member's email
    address, or a full ID.
    """
    found = find_customers(viewer=caller(request), text=query.search.strip())
    rows, pagination = page_of(found, query)
    return Page[CustomerOut](data=_customers(rows), pagination=pagination)


@router.get("/v2/customers/{customer_id}", **reads(CustomerOut), summary="Get a customer")
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
        CustomerOut(
            id=row.pk,
            name=row.name,
            members=row.member_count,  # type: ignore[attr-defined]  # annotated by `find_customers`
            tenant_id=tenants.get(row.pk),
            created_at=row.created_at,
        )
        for row in rows
    ]
