"""Import pages: upload files, preview each row, then store customer by customer.

Forms of the import: files of the previous system, and identities to assign to customers.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.base import File
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.people.forms import CustomerChoice
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.fields import uploaded_text
from inbound_admin.lib.http import SignedIn, accepts_upload, form_page, list_as_file, page_of, template
from operations.batches.selectors import counts_of, seconds_left, summary_of
from operations.drift.selectors import unowned_identities
from operations.legacy_import import services
from operations.legacy_import.selectors import (
    OUTCOMES,
    export_rows,
    import_counts,
    legacy_imports,
    may_import,
    rows_of,
    waits_because,
)
from operations.legacy_import.services import store_identity_import
from operations.models import Batch, ImportResult, LegacyImport, LegacyImportState, RowKind

MOST_BYTES = 50_000_000


class SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """A field of several files, each validated as Django validates one."""

    def clean(self, data: Any, initial: Any = None) -> list[File[bytes]]:
        several = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(each, initial) for each in (several or [None])]


class LegacyImportForm(forms.Form):
    documents = FilesField(
        label="Files",
        widget=SeveralFiles(attrs={"accept": ".json,.csv,application/json,text/csv"}),
        help_text="One JSON file, or any of these CSV files: users.csv, domains.csv, dns_records.csv, endpoints.csv, "
        "webhooks.csv, email_addresses.csv.",
    )
    because = forms.CharField(
        label="Reason",
        max_length=500,
        help_text="Where the data comes from and who approved it. Saved with every change in the change log.",
    )

    def clean_documents(self) -> list[File[bytes]]:
        files: list[File[bytes]] = self.cleaned_data["documents"]
        if sum(file.size or 0 for file in files) > MOST_BYTES:
            raise forms.ValidationError("The files are larger than 50 MB. Import them in parts, each with its users.")
        return files

    @property
    def contents(self) -> Mapping[str, bytes]:
        return {file.name or "": file.read() for file in self.cleaned_data["documents"]}


class AdoptForm(forms.Form):
    """Identities to assign to customers."""

    everything = forms.BooleanField(label="All identities without a customer, as last read from SES", required=False)
    text = forms.CharField(
        label="Domains",
        required=False,
        max_length=2_000_000,
        widget=forms.Textarea(attrs={"rows": 8, "autocapitalize": "none", "spellcheck": "false"}),
        help_text="One per line: domain, customer. Use the customer’s full name or ID.",
    )
    file = forms.FileField(label="Or a CSV file", required=False, help_text="Columns: domain, customer.")
    customer = CustomerChoice(label="Customer for lines without one", required=False, empty_label="None")
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved with every change in the change log.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if file := cleaned.get("file"):
            try:
                cleaned["text"] = f"{cleaned.get('text', '')}\n{uploaded_text(file)}"
            except UnicodeDecodeError:
                self.add_error("file", "The file is not UTF-8 text. Save it as CSV (UTF-8).")
        return cleaned


POLL_SECONDS = 3
ROWS_PER_PAGE = 100


@accepts_upload(MOST_BYTES)
@require_http_methods(["GET", "POST"])
def legacy_import(request: SignedIn) -> HttpResponse:
    _require_permission(request)
    form = LegacyImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.store_import(files=form.contents, because=form.cleaned_data["because"], actor=request.user)
        except Refused as refused:
            form.add_error("documents" if refused.code.startswith(("FILE", "TOO")) else None, str(refused))
        else:
            return redirect("operations:legacy_import_rows", made.pk)
    context = {"form": form, "page": page_of(legacy_imports(), request)}
    return form_page(request, "operations/legacy_import/legacy_import.html", context)


@accepts_upload(MOST_BYTES)
@require_http_methods(["GET", "POST"])
def adopt_identities(request: SignedIn) -> HttpResponse:
    """Assign unowned SES identities to customers, after a preview of each."""
    _require_permission(request)
    form = AdoptForm(request.POST or None, request.FILES or None, initial={"everything": True})
    if request.method == "POST" and form.is_valid():
        words = {name: form.cleaned_data[name] for name in ("text", "everything", "customer", "because")}
        try:
            made = store_identity_import(**words, actor=request.user)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("operations:legacy_import_rows", made.pk)
    context = {"form": form, "unowned": unowned_identities().count()}
    return form_page(request, "operations/legacy_import/adopt_identities.html", context)


@require_GET
def legacy_import_rows(request: SignedIn, legacy_import_id: str) -> HttpResponse:
    legacy_import = _legacy_import(request, legacy_import_id)
    result, kind = request.GET.get("fate", ""), request.GET.get("kind", "")
    number = import_counts(legacy_import)
    batch = Batch.objects.filter(pk=legacy_import.pk, ended_at=None).first()
    paused_at = batch.paused_at if batch else None
    is_running = legacy_import.state == LegacyImportState.CHECKING or (
        legacy_import.state == LegacyImportState.IMPORTING and not paused_at
    )
    context: dict[str, Any] = {
        "legacy_import": legacy_import,
        "counted": number,
        "results": [(each.value, each.words, number.by_result[each]) for each in ImportResult],
        "result": result,
        "kind": kind,
        "kinds": [(each.value, each.words) for each in RowKind],
        "page": page_of(rows_of(legacy_import, result, kind), request, ROWS_PER_PAGE),
        "waits_because": waits_because(legacy_import),
        "paused_at": paused_at,
        "minutes_left": seconds_left(batch, summary_of(batch, counts_of(batch))) // 60 + 1 if batch else None,
        "poll_seconds": POLL_SECONDS if is_running else None,
    }
    return TemplateResponse(request, template(request, "operations/legacy_import/rows.html", "live"), context)


@require_GET
def legacy_import_outcomes(request: SignedIn, legacy_import_id: str) -> HttpResponseBase:
    """Return the results of the rows as CSV, filtered as the page is."""
    legacy_import = _legacy_import(request, legacy_import_id)
    rows = export_rows(legacy_import, request.GET.get("fate", ""), request.GET.get("kind", ""))
    return list_as_file(rows, name=legacy_import.pk, kind="csv", columns=OUTCOMES)


@require_POST
def steer_legacy_import(request: SignedIn, legacy_import_id: str) -> HttpResponse:
    """Start, pause, resume, retry or cancel."""
    legacy_import = _legacy_import(request, legacy_import_id)
    try:
        messages.success(request, _apply_action(request, legacy_import))
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("operations:legacy_import_rows", legacy_import.pk)


def _apply_action(request: SignedIn, legacy_import: LegacyImport) -> str:
    match request.POST.get("do", ""):
        case "begin":
            services.start(legacy_import=legacy_import, actor=request.user)
            return "Import started. This page shows the progress."
        case "retry":
            number = services.retry(legacy_import=legacy_import, actor=request.user)
            return f"{number:,} row{'' if number == 1 else 's'} queued for retry."
        case "pause":
            services.pause(legacy_import=legacy_import, actor=request.user)
            return "Import paused. The customer that is being imported will finish."
        case "resume":
            services.resume(legacy_import=legacy_import, actor=request.user)
            return "Import resumed."
        case "cancel":
            services.cancel(legacy_import=legacy_import, actor=request.user)
            return "Import cancelled. Rows that are already stored are kept."
    raise Refused("Choose an action.", code="NOTHING_CHOSEN")


def _legacy_import(request: SignedIn, legacy_import_id: str) -> LegacyImport:
    """Return the import. Raises Http404 also for a user who may not see it."""
    rows = legacy_imports() if may_import(request.user) else legacy_imports().none()
    return get_object_or_404(rows, pk=legacy_import_id)


def _require_permission(request: SignedIn) -> None:
    if not may_import(request.user):
        raise PermissionDenied
