"""API operation that lists the change log: changes by people, API keys, the worker and AWS."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads
from accounts.models.people import User
from accounts.people.selectors import customers_for
from audit.core import OBJECT_TYPES, WORDS
from audit.models import Change
from audit.selectors import ChangeListFilters
from inbound_admin.lib.api.schemas import Out, Page, Paged, Text, page_of
from inbound_admin.lib.api.validation import require_choice, require_id
from operations.audit_log.selectors import search_changes

router = call_router("Audit")


class ChangeOut(Out):
    """`actorKind`: person, key (an API key, as its user), worker, amazon. Changes of one action share a `bulkId`."""

    id: str
    bulk_id: str
    at: datetime
    actor_kind: str
    actor_id: str | None
    actor_name: str
    what: str
    words: str
    object_type: str
    object_id: str
    object_name: str
    customer_id: str | None
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


@router.get("/v2/audit", **reads(Page[ChangeOut]), summary="List changes")
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
    return ChangeOut(
        id=str(row.pk),
        bulk_id=row.bulk_id,
        at=row.at,
        actor_kind=str(row.actor_kind),
        actor_id=row.actor_id or None,
        actor_name=row.actor_name,
        what=row.what,
        words=row.words,
        object_type=row.object_type,
        object_id=row.object_id,
        object_name=row.object_name,
        customer_id=row.customer_id or None,
        because=row.because,
        before=dict(row.before),
        after=dict(row.after),
        aws_request_ids=list(row.aws_request_ids),
    )
