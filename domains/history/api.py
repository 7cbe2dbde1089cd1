"""API operation that lists the DNS answers of a domain over time."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from accounts.api_keys.api import call_router, reads
from domains.domain_list.api import domain_of
from domains.history.selectors import answer_fields, answers_of
from inbound_admin.lib.api.schemas import Out, Page, Paged, Text, page_of
from inbound_admin.lib.api.validation import require_choice

router = call_router("Domains")
RECORD_TYPES = ("A", "AAAA", "CNAME", "DS", "MX", "NS", "SOA", "TXT")


class AnswerOut(Out):
    """One answer, from `since` to `until` (null: it is still the answer), last seen at `lastSeen`."""

    name: str
    type: str
    answered_by: str
    answer: str
    values: list[str]
    ttl: int | None
    zone_serial: int | None
    since: datetime
    last_seen: datetime | None
    until: datetime | None


class AnswerFilters(Paged):
    name: Text | None = Field(None, description="The full name that was queried")
    type: Text | None = Field(None, description="The record type, such as MX")


@router.get("/v2/domains/{domain_id}/dns-history", **reads(Page[AnswerOut]), summary="List DNS answers over time")
def list_dns_history(request: HttpRequest, domain_id: str, query: Annotated[AnswerFilters, Query()]) -> Page[AnswerOut]:
    """Return what DNS answered for the domain's records, and from when to when, newest first.

    A failed lookup is no answer and isn't listed. 400 for an unknown record type.
    """
    domain, kind = domain_of(request, domain_id), (query.type or "").upper()
    require_choice(kind, RECORD_TYPES, "type", occurring=answers_of(domain, kind=kind))
    found = answers_of(domain, name=query.name or "", kind=kind)
    rows, pagination = page_of(found, query)
    return Page[AnswerOut](data=[AnswerOut(**answer_fields(row, domain)) for row in rows], pagination=pagination)
