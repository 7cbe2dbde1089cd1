"""The page of a batch: progress, result of each item, pause, resume, stop and retry."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, page_of, template
from operations.batches import services
from operations.batches.core import URGENT_KINDS, BatchKind
from operations.batches.selectors import (
    batches_for,
    counts_of,
    items_of,
    may_start,
    results_of,
    seconds_left,
    summary_of,
    words_of,
)
from operations.models import Batch

POLL_SECONDS = 2
PER_PAGE = 100
LISTS = {"domain": ("Domains", "domains:list"), "tenant": ("Tenants", "tenants:list")}
DRIFT = ("Drift", "operations:differences")


@require_GET
def bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    """Show the batch. 404 for a customer if somebody else started it."""
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    return TemplateResponse(
        request, template(request, "operations/batches/batch.html", "live"), _context(request, shown)
    )


def _context(request: SignedIn, shown: Batch) -> dict[str, Any]:
    kind = BatchKind(shown.kind)
    counts, page = counts_of(shown), page_of(items_of(shown), request, per_page=PER_PAGE)
    results, summary = results_of(shown, list(page), request.user), summary_of(shown, counts)
    parent, list_name = LISTS.get(kind.noun, DRIFT)
    return {
        "batch": shown,
        "kind": kind,
        "parent": parent,
        "list_url": reverse(list_name),
        "page": page,
        "results": results,
        "counts": counts,
        "total": sum(counts.values()),
        "summary": summary,
        "words": words_of(shown),
        "again": counts["refused"] + counts["stopped"],
        "may_start": may_start(kind, request.user),
        "minutes_left": seconds_left(shown, summary) // 60 + 1,
        "poll_seconds": POLL_SECONDS if summary.unconfirmed or (summary.waiting and not shown.paused_at) else None,
    }


@require_POST
def retry_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    """Retry failed items."""
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    number, noun = services.retry(batch=shown, actor=request.user), BatchKind(shown.kind).noun
    shown.refresh_from_db(fields=("paused_at",))
    paused = " The bulk action is paused: they start when it is resumed." if shown.paused_at else ""
    messages.info(request, f"{number:,} {noun}{'' if number == 1 else 's'} queued for retry.{paused}")
    return redirect(_name(shown), shown.pk)


@require_POST
def stop_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    number, noun = services.stop(batch=shown, actor=request.user), BatchKind(shown.kind).noun
    count = f"{number:,} {noun} stays" if number == 1 else f"{number:,} {noun}s stay"
    messages.info(request, f"Stopped. {count} unchanged.")
    return redirect(_name(shown), shown.pk)


@require_POST
def pause_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    try:
        services.pause(batch=shown, actor=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.info(request, "Paused. Items that already started will finish.")
    return redirect(_name(shown), shown.pk)


@require_POST
def resume_bulk(request: SignedIn, bulk_id: str) -> HttpResponse:
    shown = get_object_or_404(batches_for(request.user), pk=bulk_id)
    services.resume(batch=shown, actor=request.user)
    messages.info(request, "Resumed.")
    return redirect(_name(shown), shown.pk)


def _name(batch: Batch) -> str:
    return "operations:batch" if batch.kind in URGENT_KINDS else "operations:bulk"
