"""Import pages: upload files, preview each row, then store customer by customer."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, form_page, list_as_file, page_of, takes_upload, template
from operations.batches.selectors import counts_of, seconds_left, summary_of
from operations.drift.core import UNOWNED
from operations.drift.selectors import differences_shown
from operations.legacy_import import services
from operations.legacy_import.core import ImportFate, RowKind
from operations.legacy_import.forms import MOST_BYTES, AdoptForm, MoveInForm
from operations.legacy_import.selectors import (
    OUTCOMES,
    counted,
    export_rows,
    may_move_in,
    moves,
    rows_of,
    waits_because,
)
from operations.legacy_import.services import take_in_identities
from operations.models import Batch, MovingIn, MovingInState

POLL_SECONDS = 3
ROWS_PER_PAGE = 100


@takes_upload(MOST_BYTES)
@require_http_methods(["GET", "POST"])
def moving_in(request: SignedIn) -> HttpResponse:
    _refuse_strangers(request)
    form = MoveInForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.take_in(files=form.contents, because=form.cleaned_data["because"], actor=request.user)
        except Refused as refused:
            form.add_error("documents" if refused.code.startswith(("FILE", "TOO")) else None, str(refused))
        else:
            return redirect("operations:moving_in_rows", made.pk)
    context = {"form": form, "page": page_of(moves(), request)}
    return form_page(request, "operations/legacy_import/legacy_import.html", context)


@takes_upload(MOST_BYTES)
@require_http_methods(["GET", "POST"])
def adopt_identities(request: SignedIn) -> HttpResponse:
    """Identities that are nobody's here are given to customers; each one's fate is shown before."""
    _refuse_strangers(request)
    form = AdoptForm(request.POST or None, request.FILES or None, initial={"everything": True})
    if request.method == "POST" and form.is_valid():
        words = {name: form.cleaned_data[name] for name in ("text", "everything", "customer", "because")}
        try:
            made = take_in_identities(**words, actor=request.user)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:moving_in_rows", made.pk)
    context = {"form": form, "unowned": differences_shown("open").filter(kind=UNOWNED).count()}
    return form_page(request, "operations/legacy_import/adopt_identities.html", context)


@require_GET
def moving_in_rows(request: SignedIn, moving_in_id: str) -> HttpResponse:
    moving = _moving_in(request, moving_in_id)
    fate, kind = request.GET.get("fate", ""), request.GET.get("kind", "")
    number = counted(moving)
    batch = Batch.objects.filter(pk=moving.pk, ended_at=None).first()
    paused_at = batch.paused_at if batch else None
    is_running = moving.state == MovingInState.LOOKING or (moving.state == MovingInState.MOVING and not paused_at)
    context: dict[str, Any] = {
        "moving_in": moving,
        "counted": number,
        "fates": [(each.value, each.words, number.by_fate[each]) for each in ImportFate],
        "fate": fate,
        "kind": kind,
        "kinds": [(each.value, each.words) for each in RowKind],
        "page": page_of(rows_of(moving, fate, kind), request, ROWS_PER_PAGE),
        "waits_because": waits_because(moving),
        "paused_at": paused_at,
        "minutes_left": seconds_left(batch, summary_of(batch, counts_of(batch))) // 60 + 1 if batch else None,
        "poll_seconds": POLL_SECONDS if is_running else None,
    }
    return TemplateResponse(request, template(request, "operations/legacy_import/rows.html", "live"), context)


@require_GET
def moving_in_outcomes(request: SignedIn, moving_in_id: str) -> HttpResponseBase:
    """The table of outcomes as CSV, with the filter of the page."""
    moving = _moving_in(request, moving_in_id)
    rows = export_rows(moving, request.GET.get("fate", ""), request.GET.get("kind", ""))
    return list_as_file(rows, name=moving.pk, kind="csv", columns=OUTCOMES)


@require_POST
def steer_moving_in(request: SignedIn, moving_in_id: str) -> HttpResponse:
    """Start, pause, resume, retry or cancel."""
    moving = _moving_in(request, moving_in_id)
    try:
        messages.success(request, _steered(request, moving))
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("operations:moving_in_rows", moving.pk)


def _steered(request: SignedIn, moving: MovingIn) -> str:
    match request.POST.get("do", ""):
        case "begin":
            services.begin(moving_in=moving, actor=request.user)
            return "Import started. This page updates automatically."
        case "retry":
            number = services.try_again(moving_in=moving, actor=request.user)
            return f"{number:,} row{'' if number == 1 else 's'} queued for retry."
        case "pause":
            services.pause(moving_in=moving, actor=request.user)
            return "Import paused. The customer that is being imported will finish."
        case "resume":
            services.resume(moving_in=moving, actor=request.user)
            return "Import resumed."
        case "cancel":
            services.cancel(moving_in=moving, actor=request.user)
            return "Import cancelled. Rows that are already stored are kept."
    raise Refused("Choose an action.", code="NOTHING_CHOSEN")


def _moving_in(request: SignedIn, moving_in_id: str) -> MovingIn:
    """For whoever may not see it there is none."""
    rows = moves() if may_move_in(request.user) else moves().none()
    return get_object_or_404(rows, pk=moving_in_id)


def _refuse_strangers(request: SignedIn) -> None:
    if not may_move_in(request.user):
        raise PermissionDenied
