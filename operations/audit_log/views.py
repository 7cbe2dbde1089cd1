"""Every change by a person, a key, our worker or Amazon: found, read, taken along."""

from collections.abc import Collection

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from accounts.people.selectors import Viewer, customers_for, supports_everyone
from audit import selectors as audit_selectors
from inbound_admin.lib.http import SignedIn, list_as_file, page_of


@require_GET
def changes(request: SignedIn) -> HttpResponse:
    filters = audit_selectors.ChangeListFilters.read(request.GET)
    found = audit_selectors.changes_found(filters, of_customers=_scope(request.user))
    context = {"page": page_of(found, request), "filters": filters, "choices": audit_selectors.choices()}
    part = "#results" if request.htmx and not request.htmx.boosted else ""
    return TemplateResponse(request, f"operations/audit_log/changes.html{part}", context)


@require_GET
def export_changes(request: SignedIn, kind: str) -> HttpResponse:
    """All that the filters show, as CSV or JSON."""
    filters = audit_selectors.ChangeListFilters.read(request.GET)
    rows = audit_selectors.export_rows(audit_selectors.changes_found(filters, of_customers=_scope(request.user)))
    return list_as_file(rows, name="changes", kind=kind)


def _scope(viewer: Viewer) -> Collection[str] | None:
    """None is everybody's, for staff who may read the log."""
    if supports_everyone(viewer) and viewer.has_perm("audit.view_change"):
        return None
    return list(customers_for(viewer).values_list("pk", flat=True)) if not supports_everyone(viewer) else []
