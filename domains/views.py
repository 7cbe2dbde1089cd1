"""Pages of domains: each parses, calls one service or selector, and renders a page or its part."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from changes.selectors import changes_of
from domains.forms import AddForm
from domains.models import Domain
from domains.selectors import finding
from domains.selectors.records_page import records_page
from domains.services import adding, checking
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, page_of
from tenants.selectors import supports_everyone


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    filters = finding.Filters.read(request.GET)
    found = finding.search(viewer=request.user, filters=filters)
    context = {
        "page": page_of(found, request),
        "filters": filters,
        "counts": finding.attention_counts(viewer=request.user, filters=filters),
        "total": finding.domains_for(request.user).count(),
    }
    part = "#results" if request.htmx and not request.htmx.boosted else ""
    return TemplateResponse(request, f"domains/list.html{part}", context)


@require_http_methods(["GET", "POST"])
def add(request: SignedIn) -> HttpResponse:
    """Two steps in one page: the name, then what we found about it, with the button that adds it."""
    form = AddForm(request.POST or None, viewer=request.user, initial={"name": request.GET.get("name", "")})
    context: dict[str, Any] = {"form": form}
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            if "confirm" in request.POST:
                domain = adding.add(text=form.cleaned_data["name"], customer=form.chosen_customer, actor=request.user)
                return redirect("domains:detail", domain.id)
            context["preflight"] = adding.look_before(text=form.cleaned_data["name"], customer=form.chosen_customer)
        except Refused as refused:
            form.add_error("name", str(refused))
    if form.errors:
        status = 422
    return TemplateResponse(request, "domains/add.html", context, status=status)


@require_GET
def detail(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = _domain(request, domain_id)
    if request.htmx:
        checking.watched(domain)
    return _records(request, domain)


@require_POST
def check(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = _domain(request, domain_id)
    sentence = checking.check_now(domain=domain)
    if request.htmx:
        return _records(request, domain, said=sentence)
    messages.success(request, sentence)
    return redirect("domains:detail", domain.id)


@require_GET
def history(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = _domain(request, domain_id)
    theirs = None if supports_everyone(request.user) else [domain.customer_id]
    changes = changes_of("domain", domain.id, of_customers=theirs)
    context = {"domain": domain, "changes": page_of(changes, request), "tab": "history"}
    return TemplateResponse(request, "domains/history.html", context)


def _domain(request: SignedIn, domain_id: str) -> Domain:
    return get_object_or_404(finding.domains_for(request.user), pk=domain_id)


def _records(request: SignedIn, domain: Domain, said: str = "") -> HttpResponse:
    page = records_page(
        domain, can_check_in=checking.can_check_in(domain, timezone.now()), only_todo=request.GET.get("show") == "todo"
    )
    context = {"domain": domain, "page": page, "tab": "records", "said": said}
    part = "#live" if request.htmx else ""
    return TemplateResponse(request, f"domains/detail.html{part}", context)
