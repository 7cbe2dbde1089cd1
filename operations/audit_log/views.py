"""Change log pages: every change by a person, an API key, the worker or AWS, with search and export."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from audit import selectors as audit_selectors
from inbound_admin.lib.http import SignedIn, list_as_file, page_of, template
from operations.audit_log.selectors import pairs_offered, search_changes


@require_GET
def changes(request: SignedIn) -> HttpResponse:
    filters = audit_selectors.ChangeListFilters.read(request.GET)
    found = search_changes(viewer=request.user, filters=filters)
    offered = audit_selectors.choices(pairs_offered(request.user))
    context = {"page": page_of(found, request), "filters": filters, "choices": offered}
    return TemplateResponse(request, template(request, "operations/audit_log/changes.html", "results"), context)


@require_GET
def export_changes(request: SignedIn, kind: str) -> HttpResponseBase:
    """Return all entries that match the filters, as CSV or JSON."""
    filters = audit_selectors.ChangeListFilters.read(request.GET)
    rows = audit_selectors.export_rows(search_changes(viewer=request.user, filters=filters))
    return list_as_file(rows, name="changes", kind=kind)
