"""API operations that export a domain's records in the formats of DNS tools."""

from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from ninja import Query
from pydantic import Field

from accounts.api_keys.api import call_router, reads
from domains.domain_list.api import domain_of
from domains.exports.core.formats import FORMATS, ExportFormat, export, format_named
from domains.exports.core.values import Entry, entries
from domains.models.domains import Domain
from domains.records.selectors import records_page
from inbound_admin.lib.api.values import Out, QueryIn

router = call_router("Domains")


class FormatOut(Out):
    key: str
    title: str
    content_type: str
    hint: str = Field(description="What happens to existing records")


class FormatsOut(Out):
    data: list[FormatOut]


class ExportOut(Out):
    """`text` is the file. We parse it again before returning it, so it has exactly these records."""

    domain_id: str
    format: FormatOut
    file_name: str
    text: str
    command: str = Field(description="The command that applies the file, if there is one")


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

    `which=missing` leaves out records that are already correct. Until ownership is proven, the file has only the
    ownership record. 404 for an unknown format, with those that exist.
    """
    domain = domain_of(request, domain_id)
    kind = format_named(format_key)
    if kind is None:
        keys = ", ".join(each.key for each in FORMATS)
        raise Http404(f"No such export format. Choose from: {keys}.")
    done = export(_entries(domain, missing=query.which == "missing"), kind, domain.hosted.zone)
    return ExportOut(
        domain_id=domain.pk, format=_format(kind), file_name=done.file_name, text=done.text, command=done.command
    )


def _entries(domain: Domain, *, missing: bool) -> tuple[Entry, ...]:
    rows = records_page(domain, can_check_in=0, only_todo=missing).to_publish
    return entries((row.record for row in rows), {row.record.key: row.found for row in rows if not row.is_done})


def _format(kind: ExportFormat) -> FormatOut:
    return FormatOut(key=kind.key, title=kind.title, content_type=kind.content_type, hint=kind.hint)
