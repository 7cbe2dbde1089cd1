"""Records as files: the page with the formats, the files, and a page to print."""

from typing import Any

from django.http import Http404, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from domains.exports.core.formats import FORMATS, ExportDiffers, export, format_named
from domains.models.domains import Domain
from domains.providers.core import PROVIDERS, form_values, provider_named, provider_with_key
from domains.records.selectors import RecordsPage, records_page, records_summary
from domains.records.views import domain_for
from inbound_admin.lib.http import SignedIn


@require_GET
def exports(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    page = _records(request, domain)
    rows = page.to_publish
    chosen = format_named(request.GET.get("format", "")) or FORMATS[0]
    context: dict[str, Any] = {
        "domain": domain,
        "rows": rows,
        "counts": records_summary(rows),
        "formats": FORMATS,
        "chosen": chosen,
        "in_the_way": [row for row in rows if row.existing],
        "withheld": page.withheld,
        "cause": page.cause_sentence,
        "unchecked": [row for row in page.rows if row.is_unchecked],
        "which": _which(request),
        "tab": "export",
    }
    try:
        done = export(page.entries, chosen, domain.hosted.zone, page.withheld, cause=page.cause_sentence)
        context["export"] = done if rows else None
    except ExportDiffers as problem:
        context["problem"] = problem
    return TemplateResponse(request, "domains/exports/exports.html", context)


@require_GET
def export_file(request: SignedIn, domain_id: str, format_key: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    kind = format_named(format_key)
    if kind is None:
        raise Http404
    page = _records(request, domain)
    done = export(page.entries, kind, domain.hosted.zone, page.withheld, cause=page.cause_sentence)
    response = HttpResponse(done.text, content_type=f"{kind.content_type}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{done.file_name}"'
    return response


@require_GET
def print_(request: SignedIn, domain_id: str) -> HttpResponse:
    """A page to print, in the terms of the DNS host."""
    domain = domain_for(request, domain_id)
    provider = provider_with_key(request.GET.get("host", "")) or provider_named(domain.provider)
    page = _records(request, domain)
    context = {
        "domain": domain,
        "rows": [(row, form_values(row.record, provider, domain.hosted.zone)) for row in page.to_publish],
        "withheld": page.withheld,
        "cause": page.cause_sentence,
        "unchecked": [row for row in page.rows if row.is_unchecked],
        "provider": provider,
        "providers": PROVIDERS,
        "which": _which(request),
    }
    return TemplateResponse(request, "domains/exports/print.html", context)


def _which(request: SignedIn) -> str:
    return "missing" if request.GET.get("which") == "missing" else "all"


def _records(request: SignedIn, domain: Domain) -> RecordsPage:
    """Return all records, or those that are not correct yet."""
    return records_page(domain, can_check_in=0, only_todo=_which(request) == "missing")
