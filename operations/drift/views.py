"""Drift pages: check SES now, list differences, accept, restore or ignore one, or many as a batch.

The forms to resolve one difference, and many.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models.people import User
from accounts.people.forms import CustomerChoice
from inbound_admin.lib.errors import AwsProblem, ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, form_page, page_of, template
from inbound_admin.lib.seen import SeenField, fingerprint, refuse_if_changed
from operations.batches import services as batches_services
from operations.drift import services
from operations.drift.core import STATUS, TENANTS_AREA, UNKNOWN, UNOWNED, Decision
from operations.drift.selectors import (
    AREAS,
    KIND_WORDS,
    SHOWN,
    ChosenDifferences,
    checks_by_area,
    counts,
    decidable_counts,
    differences,
    differences_shown,
    last_check,
    may_apply,
    may_decide,
    needs_customer,
    open_kinds,
)
from operations.legacy_import.selectors import may_import
from operations.models import Batch, BatchKind, Difference
from operations.tenant_migration.selectors import may_see
from operations.tenant_migration.views import require_staff
from tenants.lifecycle.selectors import capacity

OF_STATUS = "Trust & Safety accepts or restores a sending status, since that pauses or resumes the tenant."
OF_OTHERS = "An operator resolves this difference."


class DecideForm(forms.Form):
    decision = forms.ChoiceField(label="Decision", widget=forms.RadioSelect)
    customer = CustomerChoice(
        required=False, empty_label="Choose a customer", help_text="Required to accept it from SES."
    )
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")
    seen = SeenField()

    def __init__(
        self, *args: Any, difference: Difference, viewer: User, asks_customer: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.shown = {"decision": difference.decision}
        self.fields["seen"].initial = fingerprint(self.shown)
        may = {
            Decision.ADOPT: difference.may_adopt,
            Decision.RESTORE: difference.may_restore,
            Decision.IGNORE: not difference.is_outage,
        }
        possible = [each for each, is_possible in may.items() if is_possible]
        self.decisions = [each for each in possible if may_apply(viewer, each, difference)]
        others = len(self.decisions) < len(possible)
        self.whose = "" if not others else OF_STATUS if difference.kind == STATUS else OF_OTHERS
        choices = [(each.value, each.words) for each in self.decisions]
        self.fields["decision"] = forms.ChoiceField(
            label="Decision", widget=forms.RadioSelect, choices=choices, initial=choices[0][0] if choices else None
        )
        if not asks_customer:
            del self.fields["customer"]
        elif difference.customer:
            self.fields["customer"].initial = difference.customer


class DecideManyForm(forms.Form):
    """`numbers`: for how many differences each decision is possible. One that is possible for none isn't offered."""

    decision = forms.ChoiceField(label="Decision", widget=forms.RadioSelect)
    customer = CustomerChoice(
        label="Customer for tenants without a suggested customer",
        required=False,
        empty_label="Keep those open",
    )
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")
    typed = forms.IntegerField(label="Number of differences", min_value=1)

    def __init__(self, *args: Any, numbers: Mapping[Decision, int], asks_customer: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.numbers = numbers
        self.fields["decision"] = forms.ChoiceField(
            label="Decision",
            widget=forms.RadioSelect,
            choices=[(each.value, f"{each.words} ({number:,})") for each, number in numbers.items() if number],
        )
        self.fields["typed"].help_text = "To confirm, type the number in parentheses after the decision."
        if not asks_customer:
            del self.fields["customer"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("decision") and given.get("typed"):
            number = self.numbers[Decision(given["decision"])]
            if given["typed"] != number:
                self.add_error(
                    "typed", f"{number:,} differences would be changed. Check the list and enter that number."
                )
        return given

    @property
    def words(self) -> dict[str, str]:
        given = self.cleaned_data
        chosen = {"decision": given["decision"], "because": given["because"].strip()}
        if given.get("customer"):
            chosen |= {"customer": given["customer"].pk, "customer_name": given["customer"].name}
        return chosen


POLL_SECONDS = 3
PER_PAGE = 50  # differences that are resolved together


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    require_staff(request)
    show = request.GET.get("show", "") if request.GET.get("show", "") in SHOWN else "open"
    area = request.GET.get("area", "")
    number, check, checks = counts(area), last_check(TENANTS_AREA), checks_by_area()
    context: dict[str, Any] = {
        "page": page_of(differences_shown(show, area), request),
        "area": area,
        "areas": [(key, words) for key, words in AREAS.items()],
        "looks": checks,
        "unowned": differences_shown("open").filter(kind=UNOWNED).count(),
        "may_import": may_import(request.user),
        "open_kinds": open_kinds(area),
        "show": show,
        "groups": [(key, words, number[key]) for key, (words, _) in SHOWN.items()],
        "look": check,
        "is_read": {each.area for each in checks if each.at} >= ({area} if area in AREAS else set(AREAS)),
        "is_partly_read": any(each.at for each in checks if each.area == area or area not in AREAS),
        "capacity": capacity(),
        "price": settings.TENANT_MONTHLY_PRICE,
        "included": settings.TENANTS_INCLUDED,
        "may_decide": may_decide(request.user),
        "poll_seconds": POLL_SECONDS if any(each.asked_at for each in checks) or number["decided"] else None,
    }
    return TemplateResponse(request, template(request, "operations/drift/differences.html", "live"), context)


@require_POST
def look(request: SignedIn) -> HttpResponse:
    require_staff(request, manages=True)
    services.request_check()
    messages.success(
        request, "Reading all identities, receipt rules and tenants from SES. This page shows the progress."
    )
    return redirect("operations:differences")


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, difference_id: str) -> HttpResponse:
    """404 for customers."""
    rows = differences() if may_see(request.user) else differences().none()
    difference = get_object_or_404(rows, pk=difference_id)
    needs_customer = difference.kind in (UNKNOWN, UNOWNED)
    form = DecideForm(request.POST or None, difference=difference, viewer=request.user, asks_customer=needs_customer)
    if request.method == "POST":
        if not form.decisions:
            raise PermissionDenied("Your role can't resolve this difference.")
        try:
            if form.is_valid() and _decided(request, difference, form):
                return redirect("operations:differences")
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return redirect("operations:difference", difference.pk)
    context = {"difference": difference, "form": form, "whose": form.whose}
    return form_page(request, "operations/drift/difference.html", context)


def _decided(request: SignedIn, difference: Difference, form: DecideForm) -> bool:
    given = form.cleaned_data
    words = {"difference": difference, "because": given["because"], "actor": request.user}
    refuse_if_changed(given["seen"], form.shown)
    try:
        services.decide(**words, decision=Decision(given["decision"]), customer=given.get("customer"))
    except (Refused, AwsProblem) as problem:
        field = "customer" if isinstance(problem, Refused) and problem.code == "CUSTOMER_MISSING" else None
        form.add_error(field, str(problem))
        return False
    messages.success(request, f"Decision saved: {Decision(given['decision']).words}.")
    return True


@require_http_methods(["GET", "POST"])
def decide_many(request: SignedIn) -> HttpResponse:
    """Select by repeated `?difference=`, or by `?area=` and `?kind=`. A POST starts the batch."""
    services.require_permission(request.user)
    given = request.POST if request.method == "POST" else request.GET
    chosen = _chosen(given)
    numbers = decidable_counts(chosen.rows, request.user)
    form = DecideManyForm(
        request.POST if request.method == "POST" else None, numbers=numbers, asks_customer=needs_customer(chosen.rows)
    )
    if request.method == "POST" and form.is_valid() and (batch := _started(request, chosen, form)):
        return redirect("operations:bulk", batch.pk)
    context = {
        "chosen": chosen,
        "seen": fingerprint(_shown(chosen)),
        "total": chosen.rows.count(),
        "page": page_of(chosen.rows, request, per_page=PER_PAGE),
        "kind_words": KIND_WORDS.get(chosen.kind, ""),
        "form": form,
        "may_decide": any(numbers.values()),
        "imports": chosen.kind == UNOWNED and may_import(request.user),
    }
    return form_page(request, "operations/drift/decide_many.html", context)


def _started(request: SignedIn, chosen: ChosenDifferences, form: DecideManyForm) -> Batch | None:
    items = services.items_of(chosen, Decision(form.cleaned_data["decision"]), request.user)
    try:
        refuse_if_changed(request.POST.get("seen", ""), _shown(chosen))
        return batches_services.start(kind=BatchKind.DECIDE, items=items, words=form.words, actor=request.user)
    except Refused as refused:
        form.add_error(None, str(refused))
        return None


def _shown(chosen: ChosenDifferences) -> dict[str, object]:
    """Return which differences the page stands for. One whose value in SES changes is another one."""
    return {"rows": sorted(chosen.rows.order_by().values_list("pk", flat=True)[: services.MOST_IN_BATCH + 1])}


def _chosen(given: QueryDict) -> ChosenDifferences:
    """Return the selection, without differences that came after the page was shown."""
    ids = tuple(given.getlist("difference")[: services.MOST_IN_BATCH + 1])
    return ChosenDifferences(
        ids=ids, area=given.get("area", ""), kind=given.get("kind", ""), until=_moment(given.get("until", ""))
    )


def _moment(text: str) -> datetime:
    """Return when the page was shown, as it says; otherwise now."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    return found if found is not None and timezone.is_aware(found) else timezone.now()
