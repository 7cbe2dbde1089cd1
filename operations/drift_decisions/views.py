"""Resolve many differences: preview, then start their batch."""

from datetime import datetime

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, page_of
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.drift.core import UNOWNED, Decision
from operations.drift_decisions.forms import DecideManyForm
from operations.drift_decisions.selectors import KIND_WORDS, ChosenDifferences, asks_customer, numbers_possible
from operations.drift_decisions.services import MOST, items_of, refuse_who_may_not
from operations.legacy_import.selectors import may_move_in
from operations.models import Batch

PER_PAGE = 50


@require_http_methods(["GET", "POST"])
def decide_many(request: SignedIn) -> HttpResponse:
    """By `?difference=` each, or by `?area=` and `?kind=`; a POST starts the batch."""
    refuse_who_may_not(request.user)
    given = request.POST if request.method == "POST" else request.GET
    chosen = _chosen(given)
    numbers = numbers_possible(chosen.rows, request.user)
    form = DecideManyForm(
        request.POST if request.method == "POST" else None, numbers=numbers, asks_customer=asks_customer(chosen.rows)
    )
    if request.method == "POST" and form.is_valid() and (batch := _started(request, chosen, form)):
        return redirect("operations:bulk", batch.pk)
    context = {
        "chosen": chosen,
        "total": chosen.rows.count(),
        "page": page_of(chosen.rows, request, per_page=PER_PAGE),
        "kind_words": KIND_WORDS.get(chosen.kind, ""),
        "form": form,
        "may_decide": any(numbers.values()),
        "imports": chosen.kind == UNOWNED and may_move_in(request.user),
    }
    return TemplateResponse(
        request, "operations/drift_decisions/decide_many.html", context, status=422 if form.errors else 200
    )


def _started(request: SignedIn, chosen: ChosenDifferences, form: DecideManyForm) -> Batch | None:
    items = items_of(chosen, Decision(form.cleaned_data["decision"]), request.user)
    try:
        return batches_services.start(kind=BatchKind.DECIDE, items=items, words=form.words, actor=request.user)
    except Refused as refused:
        form.add_error(None, str(refused))
        return None


def _chosen(given: QueryDict) -> ChosenDifferences:
    """What came after the page was shown is not decided with it."""
    ids = tuple(given.getlist("difference")[: MOST + 1])
    return ChosenDifferences(
        ids=ids, area=given.get("area", ""), kind=given.get("kind", ""), until=_moment(given.get("until", ""))
    )


def _moment(text: str) -> datetime:
    """Now, unless the page says when it was shown."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    return found if found is not None and timezone.is_aware(found) else timezone.now()
