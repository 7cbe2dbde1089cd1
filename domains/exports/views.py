"""Records as files: the page with the formats, the files, and a page to print."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from domains.exports.core.formats import FORMATS, Export, ExportDiffers, export, format_named
from domains.exports.core.values import Entry, entries
from domains.models.domains import Domain
from domains.providers.core import PROVIDERS, form_values, provider_named, provider_with_key
from domains.records.selectors import RecordRow, records_page, records_summary
from domains.records.views import domain_for
from inbound_admin.lib.http import SignedIn


@require_GET
def exports(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    rows = _rows(request, domain)
    chosen = format_named(request.GET.get("format", "")) or FORMATS[0]
    context: dict[str, Any] = {
        "domain": domain,
        "rows": rows,
        "counts": records_summary(rows),
        "formats": FORMATS,
        "chosen": chosen,
        "in_the_way": [row for row in rows if row.found and not row.is_done],
        "which": _which(request),
        "tab": "export",
    }
    try:
        context["export"] = export(_entries(rows), chosen, domain.hosted.zone) if rows else None
    except ExportDiffers as problem:
        context["problem"] = problem
    return TemplateResponse(request, "domains/exports/exports.html", context)


@require_GET
def export_file(request: SignedIn, domain_id: str, format_key: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    kind = format_named(format_key)
    if kind is None:
        raise Http404
    return _file(export(_entries(_rows(request, domain)), kind, domain.hosted.zone))


@require_GET
def print_(request: SignedIn, domain_id: str) -> HttpResponse:
    """A page to print, in the terms of the DNS host."""
    domain = domain_for(request, domain_id)
    provider = provider_with_key(request.GET.get("host", "")) or provider_named(domain.provider)
    rows = [(row, form_values(row.record, provider, domain.hosted.zone)) for row in _rows(request, domain)]
    context = {"domain": domain, "rows": rows, "provider": provider, "providers": PROVIDERS, "which": _which(request)}
    return TemplateResponse(request, "domains/exports/print.html", context)


def _which(request: SignedIn) -> str:
    return "missing" if request.GET.get("which") == "missing" else "all"


def _rows(request: SignedIn, domain: Domain) -> list[RecordRow]:
    """Return all records, or those that are not correct yet."""
    return list(records_page(domain, can_check_in=0, only_todo=_which(request) == "missing").to_publish)


def _entries(rows: Sequence[RecordRow]) -> tuple[Entry, ...]:
    return entries((row.record for row in rows), {row.record.key: row.found for row in rows if not row.is_done})


def _file(done: Export) -> HttpResponse:
    response = HttpResponse(done.text, content_type=f"{done.kind.content_type}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{done.file_name}"'
    return response
