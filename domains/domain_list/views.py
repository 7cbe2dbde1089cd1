"""The list of domains, its exports, and the page that adds a domain."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.people.forms import ForCustomer
from accounts.people.selectors import supports_everyone
from domains.domain_list import selectors
from domains.names.core import parse_domain
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.fields import AS_TYPED
from inbound_admin.lib.http import SignedIn, form_page, list_as_file, page_of, template


class AddForm(ForCustomer):
    """The domain to add, and for which customer."""

    name = forms.CharField(
        label="Domain",
        max_length=2000,
        help_text="A domain, URL or email address is fine.",
        widget=forms.TextInput({**AS_TYPED, "placeholder": "shop.example.com"}),
    )
    send_only = forms.BooleanField(
        label="Send only",
        required=False,
        help_text="Another service receives mail for this domain. You can change this later.",
    )

    tell_when_verified = forms.BooleanField(
        label="Email me when it's verified",
        required=False,
        initial=True,
        help_text="One email when all required records are verified. Your webhooks are notified too.",
    )

    field_order = ("name", "customer")

    def clean_name(self) -> str:
        text = str(self.cleaned_data["name"])
        try:
            parse_domain(text)
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.code) from refused
        return text


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    filters = selectors.DomainListFilters.read(request.GET)
    now = timezone.now()
    counts = selectors.attention_counts(viewer=request.user, filters=filters)
    found = selectors.listed_domains(viewer=request.user, filters=filters)
    page = page_of(found, request, total=filters.total_of(counts))
    choices = selectors.choices(viewer=request.user, domains=counts["all"])
    context = {
        "page": page,
        "rows": [selectors.listed_domain(row, now) for row in page],
        "filters": filters,
        "counts": counts,
        "choices": choices,
        "names_customers": supports_everyone(request.user) or len(choices["customers"]) > 1,
        "total": bool(page.object_list) or selectors.domains_for(request.user).exists(),
    }
    return TemplateResponse(request, template(request, "domains/domain_list/list.html", "results"), context)


@require_GET
def export(request: SignedIn, kind: str) -> HttpResponseBase:
    """Export all domains that the list's filters match, not just the current page, as CSV or JSON."""
    filters = selectors.DomainListFilters.read(request.GET)
    rows = selectors.export_rows(viewer=request.user, filters=filters)
    return list_as_file(rows, name="domains", kind=kind)


@require_http_methods(["GET", "POST"])
def add(request: SignedIn) -> HttpResponse:
    """Two steps on one page: the name, then the preflight findings with the button that adds it."""
    form = AddForm(request.POST or None, viewer=request.user, initial={"name": request.GET.get("name", "")})
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        try:
            if "confirm" in request.POST:
                return redirect("domains:detail", _add(form, request).id)
            context["preflight"] = preflight_services.run_preflight(
                text=form.cleaned_data["name"], customer=form.chosen_customer
            )
        except Refused as refused:
            form.add_error("name", str(refused))
    return form_page(request, "domains/preflight/add.html", context)


def _add(form: AddForm, request: SignedIn) -> Any:
    return preflight_services.add(
        text=form.cleaned_data["name"],
        customer=form.chosen_customer,
        actor=request.user,
        receives=not form.cleaned_data["send_only"],
        tell_when_verified=form.cleaned_data["tell_when_verified"],
    )
