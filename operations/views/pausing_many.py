"""Several tenants paused or resumed: a page with what would come of each, then one with what came of it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn
from operations.forms.pausing import PauseManyForm, ResumeForm
from operations.models import BatchKind, PauseBatch
from operations.selectors.pause_batches import Predicted, predicted_resumes, results_of, summary_of
from operations.services import pausing, pausing_many
from operations.views.pausing import refuse_who_may_not_pause
from tenants.core import customer_words
from tenants.models import Tenant
from tenants.selectors import sees_tenants
from tenants.selectors.ses_list import tenants_for_staff
from tenants.services.allowing import PAUSE

POLL_SECONDS = 2


@require_http_methods(["GET", "POST"])
def choose(request: SignedIn) -> HttpResponse:
    """Which tenants, by `?tenant=` each, and `?do=`; a POST carries it out."""
    refuse_who_may_not_pause(request)
    asked = request.POST if request.method == "POST" else request.GET
    kind = BatchKind.RESUME if asked.get("do") == BatchKind.RESUME else BatchKind.PAUSE
    chosen = _chosen(request, asked)
    form = _form(kind, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            started = pausing_many.start(kind=kind, tenants=chosen, words=_words(form), actor=request.user)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:batch", started.pk)
    rows = _predicted(kind, chosen)
    context = {"kind": kind.value, "rows": rows, "form": form, "works": [row.tenant.id for row in rows if row.works]}
    return TemplateResponse(request, "operations/pause_many.html", context, status=422 if form.errors else 200)


def _chosen(request: SignedIn, asked: QueryDict) -> list[Tenant]:
    ids = asked.getlist("tenant")[: pausing_many.MOST + 1]
    return list(tenants_for_staff(request.user).filter(pk__in=ids).order_by("name"))


def _form(kind: BatchKind, posted: QueryDict | None) -> PauseManyForm | ResumeForm:
    if kind is BatchKind.RESUME:
        return ResumeForm(posted)
    return PauseManyForm(posted, initial={"told": customer_words.TOLD})


def _words(form: PauseManyForm | ResumeForm) -> dict[str, str]:
    given = form.cleaned_data
    day = given.get("review_on")
    return {**given, "review_on": day.isoformat()} if day else {name: value or "" for name, value in given.items()}


def _predicted(kind: BatchKind, chosen: list[Tenant]) -> list[Predicted]:
    if kind is BatchKind.RESUME:
        return predicted_resumes(chosen)
    previews = [pausing.preview(tenant=tenant) for tenant in chosen]
    return [Predicted(shown.tenant, shown.outcome, shown.changes_anything) for shown in previews]


def _batch_for(request: SignedIn, batch_id: str) -> PauseBatch:
    """For a customer there is none, as if it did not exist."""
    found = PauseBatch.objects.select_related("by")
    return get_object_or_404(found if sees_tenants(request.user) else found.none(), pk=batch_id)


@require_GET
def batch(request: SignedIn, batch_id: str) -> HttpResponse:
    shown = _batch_for(request, batch_id)
    part = "#live" if request.htmx and not request.htmx.boosted else ""
    return TemplateResponse(request, f"operations/batch.html{part}", _context(request, shown))


def _context(request: SignedIn, shown: PauseBatch) -> dict[str, Any]:
    results = results_of(shown)
    waits = any(result.state == "waits" for result in results)
    return {
        "batch": shown,
        "results": results,
        "total": len(results),
        "summary": summary_of(shown, results),
        "settled": sum(result.state != "waits" for result in results),
        "failed": sum(result.state == "refused" for result in results),
        "may_pause": request.user.has_perm(PAUSE),
        "poll_seconds": POLL_SECONDS if waits else None,
    }


@require_POST
def retry(request: SignedIn, batch_id: str) -> HttpResponse:
    """Those that failed, alone."""
    shown = _batch_for(request, batch_id)
    refuse_who_may_not_pause(request)
    number = pausing_many.retry(batch=shown, actor=request.user)
    messages.info(request, f"Asked again for {number} tenant{'' if number == 1 else 's'}.")
    return redirect("operations:batch", shown.pk)
