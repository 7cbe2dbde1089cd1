"""Pages of a bulk action on domains: selection, then a preview of each.

Forms of bulk actions on domains: action, domains, details.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.people.forms import CustomerChoice
from accounts.people.selectors import Viewer, customers_for
from domains.domain_list.selectors import DomainListFilters, domains_for
from domains.models.domains import Domain
from domains.overrides.services import PAST
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.fields import UtcField, uploaded_text
from inbound_admin.lib.http import SignedIn, form_page, require_password
from inbound_admin.lib.seen import fingerprint, refuse_if_changed
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions import services
from operations.domain_actions.core import (
    DESPITE_MX,
    MOST,
    SEND_ONLY,
    DomainLine,
    format_names,
    parse_lines,
    repeated_names,
    unique_lines,
)
from operations.domain_actions.selectors import PredictedResult, in_order, kinds_for, predict
from operations.pause.services import MOST_TENANTS
from tenants.lifecycle.selectors import sees_tenants, tenants_for_staff

MOST_BYTES = 1_000_000


class NamesForm(forms.Form):
    """Step 1: the domains, typed or from a file. `repeated`: names of lines that repeat an earlier one."""

    repeated: tuple[str, ...] = ()

    do = forms.ChoiceField(label="Action", widget=forms.RadioSelect)
    names = forms.CharField(
        label="Domains",
        required=False,
        max_length=MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocapitalize": "none"}),
        help_text="One per line.",
    )
    file = forms.FileField(label="Or a CSV file", required=False, help_text="Same format: one domain per line.")

    def __init__(self, *args: Any, kinds: tuple[BatchKind, ...], viewer: Viewer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if customers_for(viewer)[:2].count() > 1:
            self.fields["names"].help_text += " To add domains for several customers, write: domain, customer."
        self.fields["do"].choices = [(each.value, each.words) for each in kinds]  # type: ignore[attr-defined]  # above

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        text = f"{cleaned.get('names') or ''}\n{_read(cleaned.get('file'))}"
        lines = parse_lines(text, with_customers=cleaned.get("do") == BatchKind.IMPORT)
        cleaned["named"], self.repeated = unique_lines(lines), repeated_names(lines)
        if not cleaned["named"]:
            self.add_error("names", "Enter at least one domain or choose a file.")
        return cleaned

    @property
    def named(self) -> tuple[DomainLine, ...]:
        named: tuple[DomainLine, ...] = self.cleaned_data["named"]
        return named

    @property
    def lines(self) -> str:
        return format_names(self.named)


def _read(file: Any) -> str:
    """Raises ValidationError if the file is not text."""
    if not file:
        return ""
    if file.size > MOST_BYTES:
        raise forms.ValidationError("The file is larger than 1 MB.")
    try:
        return uploaded_text(file)
    except UnicodeDecodeError as error:
        raise forms.ValidationError("The file is not text. Save it as CSV (UTF-8).") from error


class WordsForm(forms.Form):
    """Step 2: details for all domains. Fields that the action doesn't need are removed."""

    customer = CustomerChoice(label="New customer", empty_label="Choose a customer")
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    until = UtcField(
        label="Until",
        required=False,
        help_text="In UTC. Leave blank to keep them on hold until someone releases them.",
    )
    send_only = forms.BooleanField(
        label="Send only",
        required=False,
        help_text="These domains don’t receive mail here. Their MX record stays with another mail service.",
    )
    despite_mx = forms.BooleanField(
        label="Also delete domains whose MX record points here",
        required=False,
        help_text="You won’t receive mail that still arrives. Without this, they are kept.",
    )
    typed = forms.IntegerField(label="Number of domains to delete", min_value=1)

    def __init__(self, *args: Any, kind: BatchKind, number: int, leads_here: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = number
        for name in set(self.fields) - set(_FIELDS[kind]) - ({"despite_mx"} if leads_here else set()):
            del self.fields[name]
        if kind is BatchKind.RELEASE:
            self.fields["because"].required = False
        if "typed" in self.fields:
            self.fields["typed"].help_text = f"Type {number} to confirm."

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError(PAST)
        return until

    def clean_typed(self) -> int:
        typed = int(self.cleaned_data["typed"])
        if typed != self.number:
            raise forms.ValidationError(
                f"{self.number} domains would be deleted. Check the list and enter that number."
            )
        return typed

    @property
    def words(self) -> dict[str, str]:
        given = self.cleaned_data
        chosen = {"because": str(given.get("because") or "").strip()}
        if given.get("send_only"):
            chosen["receiving"] = SEND_ONLY
        if given.get("despite_mx"):
            chosen["despite_mx"] = DESPITE_MX
        if given.get("until"):
            chosen["until"] = given["until"].isoformat()
        if given.get("customer"):
            chosen |= {"customer": given["customer"].pk, "customer_name": given["customer"].name}
        return chosen


_FIELDS: dict[BatchKind, tuple[str, ...]] = {
    BatchKind.CHECK: (),
    BatchKind.IMPORT: ("send_only",),
    BatchKind.TRANSFER: ("customer", "because"),
    BatchKind.HOLD: ("because", "until"),
    BatchKind.RELEASE: ("because",),
    BatchKind.DELETE: ("typed",),
}


PAUSE_ACTION = "pause"


@require_http_methods(["GET", "POST"])
def start_bulk(request: SignedIn) -> HttpResponse:
    """Select by `?do=` and repeated `?domain=`, from the list, or by names. A POST with `go` starts it."""
    if request.method == "GET" and request.GET.get("do") == PAUSE_ACTION:
        return _pause_their_tenants(request)
    kinds = kinds_for(request.user)
    given = request.POST if request.method == "POST" else _given(request)
    if request.method == "GET" and not given.get("names"):
        form = NamesForm(initial={"do": given.get("do") or BatchKind.CHECK}, kinds=kinds, viewer=request.user)
        return TemplateResponse(request, "operations/domain_actions/start_bulk.html", {"form": form, "most": MOST})
    form = NamesForm(given, request.FILES, kinds=kinds, viewer=request.user)
    if not form.is_valid():
        return TemplateResponse(
            request, "operations/domain_actions/start_bulk.html", {"form": form, "most": MOST}, status=422
        )
    return _preview_or_go(request, BatchKind(form.cleaned_data["do"]), form)


def _given(request: SignedIn) -> QueryDict:
    """Return the domains selected in the list as if they had been pasted."""
    given = request.GET.copy()
    if (chosen := _selected(request)) is not None:
        given["names"] = "\n".join(chosen.values_list("name", flat=True)[: MOST + 1])
    return given


def _selected(request: SignedIn) -> QuerySet[Domain] | None:
    """Return the ticked domains, or with `?all=` those that the list's filters find; None if none is selected."""
    if "all" in request.GET:
        return DomainListFilters.read(request.GET).search(domains_for(request.user))
    chosen = request.GET.getlist("domain")
    return domains_for(request.user).filter(pk__in=chosen) if chosen else None


def _preview_or_go(request: SignedIn, kind: BatchKind, names: NamesForm) -> HttpResponse:
    if len(names.named) > MOST:
        return _too_many(request, names)
    rows = sorted(predict(kind, names.named, viewer=request.user), key=lambda row: row.works)  # refusals first
    works = [row for row in rows if row.works]
    going = request.method == "POST" and "go" in request.POST
    if going and kind is BatchKind.DELETE:
        require_password(request)
    leads_here = kind is BatchKind.DELETE and any(row.domain and row.domain.mx_here for row in works)
    form = WordsForm(request.POST if going else None, kind=kind, number=len(works), leads_here=leads_here)
    if going and form.is_valid():
        try:
            refuse_if_changed(request.POST.get("seen", ""), _shown(kind, works))
            started = batches_services.start(
                kind=kind, items=services.items_of(in_order(kind, works)), words=form.words, actor=request.user
            )
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:bulk", started.pk)
    context = {"kind": kind, "rows": rows} | {
        "works": works,
        "form": form,
        "names": names.lines,
        "repeated": names.repeated,
        "seen": fingerprint(_shown(kind, works)),
    }
    return form_page(request, "operations/domain_actions/bulk_preview.html", context)


def _shown(kind: BatchKind, works: Sequence[PredictedResult]) -> dict[str, Any]:
    """Return what the preview shows of the domains that the button acts on. A check harms none."""
    rows = [] if kind is BatchKind.CHECK else works
    found = [(row.named.name, row.domain, row.customer, row.sentence) for row in rows]
    keys = [(name, domain and domain.pk, customer and customer.pk, text) for name, domain, customer, text in found]
    return {"rows": sorted(keys)}


def _too_many(request: SignedIn, names: NamesForm) -> HttpResponse:
    number = f"more than {MOST:,}" if request.method == "GET" else f"{len(names.named):,}"  # see `_given`
    sentence = f"The list has {number} domains. Up to {MOST:,} can be processed at once: filter it, or send parts."
    names.add_error("names", sentence)
    return TemplateResponse(
        request, "operations/domain_actions/start_bulk.html", {"form": names, "most": MOST}, status=422
    )


def _pause_their_tenants(request: SignedIn) -> HttpResponse:
    """Redirect to the page for pausing the domains' customers, since a pause is of a tenant and has its own words."""
    if not sees_tenants(request.user):
        raise PermissionDenied
    chosen = _selected(request)
    domains = domains_for(request.user).filter(pk__in=[] if chosen is None else chosen.order_by().values("pk"))
    found = tenants_for_staff(request.user).filter(customer__in=domains.values("customer")).order_by("pk")
    tenants = found.values_list("pk", flat=True)[: MOST_TENANTS + 1]  # the page refuses one too many; a URL has a limit
    query = QueryDict(mutable=True)
    query.update({"do": PAUSE_ACTION})
    query.setlist("tenant", list(tenants))
    return redirect(f"{reverse('operations:pause_many')}?{query.urlencode()}")
