"""Pause and resume tenants: consequences, reason, preview of what the customer sees.

Forms to pause and resume: reason, staff note, message to the customer.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.people.selectors import owners_of
from inbound_admin.lib.errors import AwsProblem, ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, form_page
from inbound_admin.lib.seen import SeenField, fingerprint, refuse_if_changed
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.pause import services
from operations.pause.selectors import predict_resume
from receipt_rules.auto_apply import services as auto_apply_services
from tenants.customer_notices.core import CustomerNotice, InboundMail, banner_of, customer_text_for, owner_email
from tenants.lifecycle.selectors import TenantListFilters, listed, tenants_for_staff
from tenants.models.tenants import PauseReason, Tenant, TenantStatus

_LONG = {"rows": 3}


class PauseForm(forms.Form):
    reason = forms.ChoiceField(choices=[("", "Choose a reason"), *PauseReason.choices])
    text = forms.CharField(
        label="Staff note",
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="What was observed, and where. Saved in the change log; the customer doesn’t see it.",
    )
    told = forms.CharField(
        label="Message to the customer",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="Leave blank to use the standard message for the reason. "
        "Shown on the customer’s pages and sent to their owners by email.",
    )
    review_on = forms.DateField(
        label="Review date",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "!w-44"}),
        help_text="Staff get a reminder on that day. Sending doesn’t resume automatically.",
    )
    stops_receiving = forms.BooleanField(
        label="Also stop receiving",
        required=False,
        help_text=(
            "Takes the customer’s addresses out of the receipt rules. SES then refuses mail to them, and its senders "
            "get an error message. If another rule still matches, such as an unmanaged rule or another customer’s "
            "subdomain catch-all above, SES accepts the mail, and the customer doesn’t get it. You’ll preview the "
            "changes."
        ),
    )
    receiving_digest = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not given.get("told") and given.get("reason"):
            given["told"] = customer_text_for(given["reason"])
        return given

    def clean_review_on(self) -> date | None:
        day: date | None = self.cleaned_data["review_on"]
        if day is not None and day <= timezone.localdate():
            raise forms.ValidationError("Choose a date after today, or leave blank.")
        return day


class PauseManyForm(PauseForm):
    """The same details for all selected tenants.

    Receiving is stopped for one customer at a time, each with its own plan.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["stops_receiving"], self.fields["receiving_digest"]


class ResumeForm(forms.Form):
    because = forms.CharField(
        label="Reason",
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="What has changed since the pause. Saved in the change log; the customer doesn’t see it.",
    )


class ResumeOneForm(ResumeForm):
    """For the page of one tenant. That of several has what it showed of each."""

    seen = SeenField()


RESTORES = "Their addresses receive mail again: the receipt rules are restored."


@require_http_methods(["GET", "POST"])
def pause(request: SignedIn, tenant_id: str) -> HttpResponse:
    """Show the form and its consequences, then pause."""
    tenant = tenant_to_pause(request, tenant_id)
    form = PauseForm(request.POST or None)
    step = request.POST.get("step", "")
    if request.method == "POST" and step != "change" and form.is_valid():
        given = form.cleaned_data
        if step != "pause":
            return _preview(request, tenant, form)
        try:
            services.pause(tenant=tenant, actor=request.user, **given)
        except (Refused, AwsProblem) as problem:
            form.add_error(None, str(problem))
            return _preview(request, tenant, form)
        messages.success(request, f"Pausing {tenant.name}. The status changes to Paused once SES confirms it.")
        return redirect("tenants:detail", tenant.id)
    failed = form.is_bound and step != "change"
    if not failed and form.is_bound:
        form = PauseForm(initial={name: request.POST.get(name, "") for name in form.fields})
    context = {"tenant": tenant, "form": form, "preview": services.preview(tenant=tenant)}
    return TemplateResponse(request, "operations/pause/pause.html", context, status=422 if failed else 200)


def tenant_to_pause(request: SignedIn, tenant_id: str) -> Tenant:
    """Return the tenant. Customers get 404; staff without permission are refused."""
    tenant = get_object_or_404(tenants_for_staff(request.user), pk=tenant_id)
    require_pause_permission(request)
    return tenant


def require_pause_permission(request: SignedIn) -> None:
    if not request.user.has_perm("tenants.pause_tenant"):
        raise PermissionDenied


def _preview(request: SignedIn, tenant: Tenant, form: PauseForm) -> HttpResponse:
    """Show the consequences; if receiving is stopped too, with the plan, read from SES now."""
    given = form.cleaned_data
    preview = services.preview(tenant=tenant, stops_receiving=given["stops_receiving"])
    if preview.receiving_problem:
        form.add_error("stops_receiving", f"Receiving can’t be stopped now. {preview.receiving_problem}")
        context = {"tenant": tenant, "form": form, "preview": preview}
        return TemplateResponse(request, "operations/pause/pause.html", context, status=422)
    name, told, stops_receiving = tenant.customer.name, given["told"], given["stops_receiving"]
    receiving = InboundMail.STOPPED if stops_receiving else InboundMail.ON
    paused = CustomerNotice(name, TenantStatus.PAUSED, told, receiving=receiving, names_tenant=tenant.names_tenant)
    mail = owner_email(TenantStatus.PAUSED, paused)
    context = {
        "tenant": tenant,
        "form": form,
        "given": given,
        "hidden": _hidden(given, preview.receiving_digest),
        "preview": preview,
        "reason": PauseReason(given["reason"]).label,
        "steps": preview.receiving.steps if preview.receiving else (),
        "banner": banner_of(paused),
        "mail": {"title": mail[0], "text": mail[1]} if mail else None,
        "owners": [owner.email for owner in owners_of(tenant.customer)],
    }
    return TemplateResponse(
        request, "operations/pause/pause_preview.html", context, status=422 if form.non_field_errors() else 200
    )


def _hidden(given: dict[str, Any], digest: str) -> list[tuple[str, str]]:
    """Return the input as hidden fields for the last button, with the plan's digest."""
    shown = {**given, "review_on": given["review_on"] or "", "receiving_digest": digest}
    shown["stops_receiving"] = "on" if given["stops_receiving"] else ""
    return [(name, str(value)) for name, value in shown.items() if value]


@require_http_methods(["GET", "POST"])
def resume(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_to_pause(request, tenant_id)
    form = ResumeOneForm(request.POST or None, initial={"seen": fingerprint(tenant.shown_pause)})
    if request.method == "POST" and form.is_valid():
        try:
            services.resume(tenant=tenant, actor=request.user, **form.cleaned_data)
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return redirect("operations:resume", tenant.id)
        except (Refused, AwsProblem) as problem:
            form.add_error(None, str(problem))
        else:
            messages.success(request, f"Resuming {tenant.name}. The status changes to Enabled once SES confirms it.")
            return redirect("tenants:detail", tenant.id)
    context = {
        "tenant": tenant,
        "form": form,
        "outcome": predict_resume(tenant),
        "receiving_is_stopped": auto_apply_services.is_stopped(tenant.customer),
    }
    return form_page(request, "operations/pause/resume.html", context)


@require_http_methods(["GET", "POST"])
def choose(request: SignedIn) -> HttpResponse:
    """Select tenants by repeated `?tenant=`, and `?do=`. A POST starts the batch."""
    require_pause_permission(request)
    data = request.POST if request.method == "POST" else request.GET
    kind = BatchKind.RESUME if data.get("do") == BatchKind.RESUME else BatchKind.PAUSE
    chosen = _chosen(request, data)
    if len(chosen) > services.MOST_TENANTS:
        raise Refused(f"Select at most {services.MOST_TENANTS} tenants at once: narrow the list by its filters first.")
    form = _form(kind, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            if kind is BatchKind.RESUME:
                _refuse_changed(chosen, request.POST.getlist("shown"))
            started = batches_services.start(
                kind=kind, items=services.items_of(chosen), words=_words(form), actor=request.user
            )
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:batch", started.pk)
    rows = sorted((_predicted(kind, tenant) for tenant in chosen), key=lambda row: row.works)
    context = {"kind": kind.value, "rows": rows, "form": form, "works": [row.tenant.id for row in rows if row.works]}
    return form_page(request, "operations/pause/pause_many.html", context)


def _refuse_changed(chosen: list[Tenant], shown: list[str]) -> None:
    """Raise ChangedMeanwhile if the page showed another pause of one of them."""
    seen = dict(each.split(" ", 1) for each in shown if " " in each)
    for tenant in chosen:
        refuse_if_changed(seen.get(tenant.pk, ""), tenant.shown_pause)


def _chosen(request: SignedIn, data: QueryDict) -> list[Tenant]:
    """Return the ticked tenants; from the list with `?all=`, those that its filters find. One too many shows excess."""
    ids = data.getlist("tenant")[: services.MOST_TENANTS + 1]
    if request.method == "GET" and "all" in data:
        found = listed(viewer=request.user, filters=TenantListFilters.read(data))
        ids = list(found.values_list("pk", flat=True)[: services.MOST_TENANTS + 1])
    return list(tenants_for_staff(request.user).filter(pk__in=ids).order_by("name"))


def _form(kind: BatchKind, posted: QueryDict | None) -> PauseManyForm | ResumeForm:
    if kind is BatchKind.RESUME:
        return ResumeForm(posted)
    return PauseManyForm(posted)


def _words(form: PauseManyForm | ResumeForm) -> dict[str, str]:
    given = form.cleaned_data
    day = given.get("review_on")
    return {**given, "review_on": day.isoformat()} if day else {name: value or "" for name, value in given.items()}


@dataclass(frozen=True)
class PredictedPause:
    """`works` False: it would be refused, or nothing would change."""

    tenant: Tenant
    sentence: str
    works: bool

    @property
    def seen(self) -> str:
        return fingerprint(self.tenant.shown_pause)


def _predicted(kind: BatchKind, tenant: Tenant) -> PredictedPause:
    if kind is BatchKind.PAUSE:
        shown = services.preview(tenant=tenant)
        return PredictedPause(tenant, shown.outcome, shown.changes_anything)
    outcome = predict_resume(tenant)
    also = f" {RESTORES}" if outcome.possible and tenant.stops_receiving else ""
    return PredictedPause(tenant, f"{outcome.sentence}{also}", outcome.possible)
