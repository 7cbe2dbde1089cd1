"""Addresses of all domains: the list, one, and many at once."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods

from domains.selectors.finding import choices
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, page_of
from receipt_rules.forms import ChangeAddressForm, PasteForm
from receipt_rules.models import Address
from receipt_rules.selectors.finding import Filters, addresses_for, search_addresses
from receipt_rules.selectors.pages import address_counts, pending_of
from receipt_rules.services.addresses import change_address, remove_address
from receipt_rules.views.pasting import add_lines, read_lines


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    filters = Filters.read(request.GET)
    context = {
        "page": page_of(search_addresses(viewer=request.user, filters=filters), request),
        "filters": filters,
        "counts": address_counts(viewer=request.user, filters=filters),
        "customers": choices(viewer=request.user)["customers"],
        "total": addresses_for(request.user).count(),
        "tab": "addresses",
    }
    part = "#results" if request.htmx and not request.htmx.boosted else ""
    return TemplateResponse(request, f"receipt_rules/addresses.html{part}", context)


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, address_id: str) -> HttpResponse:
    """One button each on the domain's tab; here the same, and a choice of the endpoint."""
    address = get_object_or_404(addresses_for(request.user), pk=address_id)
    form = _form(address, request)
    if request.method == "POST" and _carried_out(address, form, request):
        return redirect("receipt_rules:domain", address.domain_id)
    context = {"address": address, "form": form, "pending": pending_of(address.domain.customer)}
    return TemplateResponse(request, "receipt_rules/address.html", context, status=422 if form.errors else 200)


def _form(address: Address, request: SignedIn) -> ChangeAddressForm:
    initial = {"endpoint": address.own_endpoint, "is_active": address.is_active}
    data = request.POST if request.POST.get("do") == "save" else None
    return ChangeAddressForm(data, customer=address.domain.customer, initial=initial)


def _carried_out(address: Address, form: ChangeAddressForm, request: SignedIn) -> bool:
    """Whether something was done; what is refused is said, in the form where there is one."""
    try:
        said = _do(request.POST.get("do", ""), address, form, request)
    except Refused as refused:
        form.add_error(None, str(refused)) if form.is_bound else messages.error(request, str(refused))
        return not form.is_bound
    if said:
        messages.success(request, said)
    return bool(said)


def _do(done: str, address: Address, form: ChangeAddressForm, request: SignedIn) -> str:
    if done == "remove":
        remove_address(address=address, actor=request.user)
        return f"{address} is removed. Amazon is told in a few seconds."
    if done in ("on", "off"):
        endpoint = address.own_endpoint
        change_address(address=address, actor=request.user, is_active=done == "on", endpoint=endpoint)
        return f"{address} is switched {done}. Amazon is told in a few seconds."
    if done == "save" and form.is_valid():
        is_active = form.cleaned_data["is_active"]
        change_address(address=address, actor=request.user, is_active=is_active, endpoint=form.chosen)
        return f"{address} is saved."
    return ""


@require_http_methods(["GET", "POST"])
def add_many(request: SignedIn) -> HttpResponse:
    """Two steps in one page: what was pasted, then the fate of every line with the button that adds them."""
    given = (request.POST, request.FILES) if request.method == "POST" else ()
    form = PasteForm(*given, viewer=request.user)
    context: dict[str, Any] = {"form": form, "tab": "addresses"}
    if request.method == "POST" and form.is_valid():
        customer, text = form.chosen_customer, form.cleaned_data["text"]
        lines = read_lines(text, customer)
        if "confirm" in request.POST:
            lines = add_lines(lines, customer, request.user)
        context |= {"lines": lines, "text": text, "customer": customer, "is_done": "confirm" in request.POST}
        context["good"] = sum(line.is_good for line in lines)
    return TemplateResponse(request, "receipt_rules/add_many.html", context, status=422 if form.errors else 200)
