"""The Inbound tab of a domain: what it takes mail for, where that goes, and whether it is live."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from domains.models import Domain
from domains.selectors.finding import domains_for
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.forms import AddressForm, CatchAllForm, EndpointChoice
from receipt_rules.models import CatchAll
from receipt_rules.selectors.pages import Inbound, endpoints_of, inbound_of
from receipt_rules.services.addresses import add_address
from receipt_rules.services.catch_alls import set_catch_all
from receipt_rules.services.owning import refuse_unverified

MOST_SHOWN = 100  # addresses; the list of all addresses has the others
Forms = dict[str, EndpointChoice]


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = get_object_or_404(domains_for(request.user), pk=domain_id)
    inbound = inbound_of(domain)
    forms = _forms(domain, inbound)
    status = 200
    done = request.POST.get("do", "")
    if request.method == "POST" and done in forms:
        forms[done] = type(forms[done])(request.POST, prefix=done, customer=domain.customer)
        if _carried_out(done, domain, forms[done], request):
            return redirect("receipt_rules:domain", domain.id)
        status = 422
    return TemplateResponse(request, _template(request), _context(domain, inbound, forms), status=status)


def _template(request: SignedIn) -> str:
    part = "#inbound" if request.htmx and not request.htmx.boosted else ""
    return f"receipt_rules/domain.html{part}"


def _context(domain: Domain, inbound: Inbound, forms: Forms) -> dict[str, Any]:
    return {
        "domain": domain,
        "tab": "inbound",
        "inbound": inbound,
        "shown": inbound.addresses[:MOST_SHOWN],
        "more": max(0, len(inbound.addresses) - MOST_SHOWN),
        "forms": forms,
        "refused": _why_not(domain),
        "has_endpoints": endpoints_of(domain.customer).exists(),
    }


def _why_not(domain: Domain) -> str:
    try:
        refuse_unverified(domain)
    except Refused as refused:
        return str(refused)
    return ""


def _forms(domain: Domain, inbound: Inbound) -> Forms:
    return {
        "address": AddressForm(prefix="address", customer=domain.customer),
        "everything": _catch_all_form("everything", domain, inbound.catch_all),
        "below": _catch_all_form("below", domain, inbound.sub_catch_all),
    }


def _catch_all_form(prefix: str, domain: Domain, found: CatchAll | None) -> CatchAllForm:
    initial = {"is_active": found.is_active, "endpoint": found.own_endpoint} if found else {}
    return CatchAllForm(prefix=prefix, customer=domain.customer, initial=initial)


def _carried_out(done: str, domain: Domain, form: EndpointChoice, request: SignedIn) -> bool:
    if not form.is_valid():
        return False
    try:
        said = _add(domain, form, request) if done == "address" else _catch(done, domain, form, request)
    except Refused as refused:
        form.add_error("address" if done == "address" else None, str(refused))
        return False
    messages.success(request, said)
    return True


def _add(domain: Domain, form: EndpointChoice, request: SignedIn) -> str:
    text = str(form.cleaned_data["address"]).strip()
    text = text if "@" in text.rstrip("@") else f"{text.rstrip('@')}@{domain.name}"
    made = add_address(text=text, customer=domain.customer, actor=request.user, endpoint=form.chosen)
    return f"{made} is added. Amazon is told in a few seconds."


def _catch(done: str, domain: Domain, form: EndpointChoice, request: SignedIn) -> str:
    is_active = form.cleaned_data["is_active"]
    set_catch_all(
        domain=domain, actor=request.user, endpoint=form.chosen, is_active=is_active, subdomains=done == "below"
    )
    what = "at the names below" if done == "below" else "at"
    return f"Everything {what} {domain} is {'taken' if is_active else 'no longer taken'}, as soon as Amazon is told."
