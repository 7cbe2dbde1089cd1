"""Drift pages: check SES now, list differences, accept, restore or ignore one."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.http import SignedIn, page_of, template
from operations.drift import services
from operations.drift.core import TENANTS_AREA, UNKNOWN, UNOWNED, Decision
from operations.drift.forms import DecideForm
from operations.drift.selectors import AREAS, SHOWN, counts, differences, differences_shown, last_look, looks_by_area
from operations.drift_decisions.selectors import open_kinds
from operations.legacy_import.selectors import may_move_in
from operations.models import Difference
from operations.tenant_migration.selectors import may_migrate, may_see
from operations.tenant_migration.views import refuse_strangers
from tenants.lifecycle.selectors import capacity

POLL_SECONDS = 3


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    refuse_strangers(request)
    show = request.GET.get("show", "") if request.GET.get("show", "") in SHOWN else "open"
    area = request.GET.get("area", "")
    number, look, looks = counts(area), last_look(TENANTS_AREA), looks_by_area()
    context: dict[str, Any] = {
        "page": page_of(differences_shown(show, area), request),
        "area": area,
        "areas": [(key, words) for key, words in AREAS.items()],
        "looks": looks,
        "unowned": differences_shown("open").filter(kind=UNOWNED).count(),
        "may_move_in": may_move_in(request.user),
        "open_kinds": open_kinds(area),
        "show": show,
        "groups": [(key, words, number[key]) for key, (words, _) in SHOWN.items()],
        "look": look,
        "is_read": {each.area for each in looks if each.at} >= ({area} if area in AREAS else set(AREAS)),
        "is_partly_read": any(each.at for each in looks if each.area == area or area not in AREAS),
        "capacity": capacity(),
        "price": settings.TENANT_MONTHLY_PRICE,
        "included": settings.TENANTS_INCLUDED,
        "may_decide": may_migrate(request.user),
        "poll_seconds": POLL_SECONDS if any(each.asked_at for each in looks) or number["decided"] else None,
    }
    return TemplateResponse(request, template(request, "operations/drift/differences.html", "live"), context)


@require_POST
def look(request: SignedIn) -> HttpResponse:
    refuse_strangers(request, manages=True)
    services.ask_to_look()
    messages.success(
        request, "Reading all identities, receipt rules and tenants from SES. This page updates automatically."
    )
    return redirect("operations:differences")


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, difference_id: str) -> HttpResponse:
    """404 for customers."""
    rows = differences() if may_see(request.user) else differences().none()
    difference = get_object_or_404(rows, pk=difference_id)
    asks_customer = difference.kind in (UNKNOWN, UNOWNED)
    form = DecideForm(request.POST or None, difference=difference, viewer=request.user, asks_customer=asks_customer)
    if request.method == "POST":
        refuse_strangers(request, manages=True)
        if form.is_valid() and _decided(request, difference, form):
            return redirect("operations:differences")
    context = {"difference": difference, "form": form, "may_decide": may_migrate(request.user)}
    return TemplateResponse(request, "operations/drift/difference.html", context, status=422 if form.errors else 200)


def _decided(request: SignedIn, difference: Difference, form: DecideForm) -> bool:
    given = form.cleaned_data
    words = {"difference": difference, "because": given["because"], "actor": request.user}
    try:
        services.decide(**words, decision=Decision(given["decision"]), customer=given.get("customer"))
    except (Refused, AwsProblem) as problem:
        field = "customer" if isinstance(problem, Refused) and problem.code == "CUSTOMER_MISSING" else None
        form.add_error(field, str(problem))
        return False
    messages.success(request, f"Decision saved: {Decision(given['decision']).words}.")
    return True
