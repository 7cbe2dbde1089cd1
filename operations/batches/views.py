"""Pages of bulk actions on domains and on tenants: select, preview, then progress and results."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.roles import PAUSE
from domains.domain_list.selectors import domains_for
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, page_of, require_password, template
from operations.batches import services
from operations.batches.core import MOST, BulkAction
from operations.batches.forms import NamesForm, WordsForm
from operations.batches.selectors import (
    PredictedPause,
    actions_for,
    bulks_for,
    counts_of,
    items_of,
    pause_results,
    pauses_summary,
    predicted,
    predicted_resumes,
    results_of,
    summary_of,
)
from operations.models import BatchKind, Bulk, PauseBatch
from operations.pause import services as pause_services
from operations.pause.forms import PauseManyForm, ResumeForm
from operations.pause.views import refuse_who_may_not_pause
from tenants.lifecycle.selectors import sees_tenants, tenants_for_staff
from tenants.models.tenants import Tenant

POLL_SECONDS = 2
PER_PAGE = 100
PAUSE_ACTION = "pause"


@require_http_methods(["GET", "POST"])
def start_bulk(request: SignedIn) -> HttpResponse:
    """By `?do=` and `?domain=` each, from the list, or by names; a POST with `go` carries it out."""
    if request.method == "GET" and request.GET.get("do") == PAUSE_ACTION:
        return _pause_their_tenants(request)
    actions = actions_for(request.user)
    given = request.POST if request.method == "POST" else _given(request)
    if request.method == "GET" and not given.get("names"):
        form = NamesForm(initial={"do": given.get("do") or BulkAction.CHECK}, actions=actions)
        return TemplateResponse(request, "operations/batches/start_bulk.html", {"form": form, "most": MOST})
    form = NamesForm(given, request.FILES, actions=actions)
    if not form.is_valid():
        return TemplateResponse(request, "operations/batches/start_bulk.html", {"form": form, "most": MOST}, status=422)
    return _preview_or_go(request, BulkAction(form.cleaned_data["do"]), form)


def _given(request: SignedIn) -> QueryDict:
    """What was ticked in the list, as if it had been pasted."""
    given = request.GET.copy()
    if chosen := given.getlist("domain")[: MOST + 1]:
        given["names"] = "\n".join(domains_for(request.user).filter(pk__in=chosen).values_list("name", flat=True))
    return given


def _preview_or_go(request: SignedIn, action: BulkAction, names: NamesForm) -> HttpResponse:
    if len(names.named) > MOST:
        names.add_error("names", f"These are {len(names.named)}. At most {MOST} are done at once.")
        return TemplateResponse(
            request, "operations/batches/start_bulk.html", {"form": names, "most": MOST}, status=422
        )
    rows = sorted(predicted(action, names.named, viewer=request.user), key=lambda row: row.works)  # refusals first
    works = [row for row in rows if row.works]
    going = request.method == "POST" and "go" in request.POST
    if going and action is BulkAction.DELETE:
        require_password(request)
    form = WordsForm(request.POST if going else None, action=action, number=len(works))
    if going and form.is_valid():
        try:
            started = services.start(action=action, rows=works, words=form.words, actor=request.user)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:bulk", started.pk)
    context = {"action": action, "rows": rows, "works": works, "form": form, "names": names.lines}
    return TemplateResponse(
        request, "operations/batches/bulk_preview.html", context, status=422 if form.errors else 200
    )


def _pause_their_tenants(request: SignedIn) -> HttpResponse:
    """Not the domains are paused but the sending of whose they are: that has its own page, with its own words."""
    if not sees_tenants(request.user):
        raise PermissionDenied
    chosen = domains_for(request.user).filter(pk__in=request.GET.getlist("domain"))
    tenants = sorted(set(chosen.exclude(customer__tenants=None).values_list("customer__tenants", flat=True)))
    query = QueryDict(mutable=True)
    query.update({"do": PAUSE_ACTION})
    query.setlist("tenant", tenants)
    return redirect(f"{reverse('operations:pause_many')}?{query.urlencode()}")


@require_GET
def bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    """Somebody else's is 404 for a customer, as if it did not exist."""
    shown = get_object_or_404(bulks_for(request.user), pk=bulk_id)
    return TemplateResponse(
        request, template(request, "operations/batches/bulk.html", "live"), _context(request, shown)
    )


def _context(request: SignedIn, shown: Bulk) -> dict[str, Any]:
    counts, page = counts_of(shown), page_of(items_of(shown), request, per_page=PER_PAGE)
    results = results_of(shown, list(page))
    waits = counts["waiting"] or any(result.tone == "info" for result in results)
    return {
        "bulk": shown,
        "action": BulkAction(shown.action),
        "page": page,
        "results": results,
        "counts": counts,
        "total": sum(counts.values()),
        "settled": sum(counts.values()) - counts["waiting"],
        "summary": summary_of(counts),
        "again": counts["refused"] + counts["stopped"],
        "may_retry": BulkAction(shown.action) in actions_for(request.user),
        "poll_seconds": POLL_SECONDS if waits else None,
    }


@require_POST
def retry_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    """Those that failed, alone."""
    shown = get_object_or_404(bulks_for(request.user), pk=bulk_id)
    number = services.retry(bulk=shown, actor=request.user)
    messages.info(request, f"{number} domain{'' if number == 1 else 's'} will be tried again.")
    return redirect("operations:bulk", shown.pk)


@require_POST
def stop_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    shown = get_object_or_404(bulks_for(request.user), pk=bulk_id)
    number = services.stop(bulk=shown, actor=request.user)
    messages.info(
        request, f"Stopped. {number} domain{'' if number == 1 else 's'} stay{'s' if number == 1 else ''} as before."
    )
    return redirect("operations:bulk", shown.pk)


PAUSES_POLL_SECONDS = 2


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
            started = services.start_pauses(kind=kind, tenants=chosen, words=_words(form), actor=request.user)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:batch", started.pk)
    rows = sorted(_predicted(kind, chosen), key=lambda row: row.works)
    context = {"kind": kind.value, "rows": rows, "form": form, "works": [row.tenant.id for row in rows if row.works]}
    return TemplateResponse(request, "operations/batches/pause_many.html", context, status=422 if form.errors else 200)


def _chosen(request: SignedIn, asked: QueryDict) -> list[Tenant]:
    ids = asked.getlist("tenant")[: services.MOST_TENANTS + 1]
    return list(tenants_for_staff(request.user).filter(pk__in=ids).order_by("name"))


def _form(kind: BatchKind, posted: QueryDict | None) -> PauseManyForm | ResumeForm:
    if kind is BatchKind.RESUME:
        return ResumeForm(posted)
    return PauseManyForm(posted)


def _words(form: PauseManyForm | ResumeForm) -> dict[str, str]:
    given = form.cleaned_data
    day = given.get("review_on")
    return {**given, "review_on": day.isoformat()} if day else {name: value or "" for name, value in given.items()}


def _predicted(kind: BatchKind, chosen: list[Tenant]) -> list[PredictedPause]:
    if kind is BatchKind.RESUME:
        return predicted_resumes(chosen)
    previews = [pause_services.preview(tenant=tenant) for tenant in chosen]
    return [PredictedPause(shown.tenant, shown.outcome, shown.changes_anything) for shown in previews]


def _batch_for(request: SignedIn, batch_id: str) -> PauseBatch:
    """For a customer there is none, as if it did not exist."""
    found = PauseBatch.objects.select_related("by")
    return get_object_or_404(found if sees_tenants(request.user) else found.none(), pk=batch_id)


@require_GET
def batch(request: SignedIn, batch_id: str) -> HttpResponse:
    shown = _batch_for(request, batch_id)
    return TemplateResponse(
        request, template(request, "operations/batches/pause_batch.html", "live"), _pauses_context(request, shown)
    )


def _pauses_context(request: SignedIn, shown: PauseBatch) -> dict[str, Any]:
    results = pause_results(shown)
    waits = any(result.state == "waits" for result in results)
    return {
        "batch": shown,
        "results": results,
        "total": len(results),
        "summary": pauses_summary(shown, results),
        "settled": sum(result.state != "waits" for result in results),
        "failed": sum(result.state == "refused" for result in results),
        "may_pause": request.user.has_perm(PAUSE),
        "poll_seconds": PAUSES_POLL_SECONDS if waits else None,
    }


@require_POST
def retry(request: SignedIn, batch_id: str) -> HttpResponse:
    """Those that failed, alone."""
    shown = _batch_for(request, batch_id)
    refuse_who_may_not_pause(request)
    number = services.retry_pauses(batch=shown, actor=request.user)
    messages.info(request, f"Asked again for {number} tenant{'' if number == 1 else 's'}.")
    return redirect("operations:batch", shown.pk)
