"""API operations that export a domain's records in the formats of DNS tools."""

from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from ninja import Query
from pydantic import Field

from accounts.api_keys.api import call_router, reads
from domains.domain_list.api import domain_of
from domains.exports.core.formats import FORMATS, ExportFormat, export, format_named
from domains.exports.core.values import replaced
from domains.records.selectors import records_page
from inbound_admin.lib.api.schemas import Out, QueryIn

router = call_router("Domains")


class FormatOut(Out):
    key: str
    title: str
    content_type: str
    hint: str = Field(description="What happens to existing records")


class FormatsOut(Out):
    data: list[FormatOut]


class ReplacedOut(Out):
    type: str
    name: str
    values: list[str]


class WithheldOut(Out):
    type: str
    name: str
    reason: str


class ExportOut(Out):
    """`text` is the file. We parse it again before returning it, so it has exactly these records."""

    domain_id: str
    format: FormatOut
    file_name: str
    text: str
    command: str = Field(description="The command that applies the file, if there is one")
    existing: list[ReplacedOut] = Field(
        description="What is published now and must be replaced. The file only adds records, and a second one beside "
        "it would be wrong: two SPF records make both invalid. Files that can have comments say so too"
    )
    withheld: list[WithheldOut] = Field(description="Records that aren't in the file, because no value can be offered")
    unchecked: int = Field(description="How many records couldn't be checked; they may be published already")


class WhichQuery(QueryIn):
    which: Literal["all", "missing"] = Field("all", description="All records, or only those that aren't correct yet")


@router.get("/v2/domains/{domain_id}/exports", **reads(FormatsOut), summary="List export formats")
def list_exports(request: HttpRequest, domain_id: str) -> FormatsOut:
    """Return the formats in which the domain's records can be exported.

    Use `key` as `format_key` of the export.
    """
    domain_of(request, domain_id)
    return FormatsOut(data=[_format(kind) for kind in FORMATS])


@router.get(
    "/v2/domains/{domain_id}/exports/{format_key}", **reads(ExportOut), summary="Export the DNS records of a domain"
)
def get_export(
    request: HttpRequest, domain_id: str, format_key: str, query: Annotated[WhichQuery, Query()]
) -> ExportOut:
    """Return the records as a file of a DNS tool: a zone file, Terraform, a script and others.

    `which=missing` leaves out records that were published in the last lookup that succeeded. `existing` says which
    records the file's must replace, `withheld` which are missing in it. Until ownership is proven, the file has only
    the ownership record. 404 for an unknown format, with those that exist.
    """
    domain = domain_of(request, domain_id)
    kind = format_named(format_key)
    if kind is None:
        keys = ", ".join(each.key for each in FORMATS)
        raise Http404(f"No such export format. Choose from: {keys}.")
    page = records_page(domain, can_check_in=0, only_todo=query.which == "missing")
    done = export(page.entries, kind, domain.hosted.zone, page.withheld, cause=page.cause_sentence)
    return ExportOut(
        domain_id=domain.pk,
        format=_format(kind),
        file_name=done.file_name,
        text=done.text,
        command=done.command,
        existing=[ReplacedOut(type=e.type, name=e.name, values=list(e.values)) for e in replaced(page.entries)],
        withheld=[WithheldOut(type=each.type, name=each.name, reason=each.withheld) for each in page.withheld],
        unchecked=sum(row.is_unchecked for row in page.rows),
    )


def _format(kind: ExportFormat) -> FormatOut:
    return FormatOut(key=kind.key, title=kind.title, content_type=kind.content_type, hint=kind.hint)
