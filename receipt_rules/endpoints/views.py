"""Pages of endpoints, the destinations of mail."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from inbound_admin.lib.errors import ChangedMeanwhile, NotAllowed, Refused
from inbound_admin.lib.http import SignedIn, page_of, template
from inbound_admin.lib.lists import text_in
from receipt_rules.addresses.selectors import (
    MAY_NOT_ROUTE,
    endpoints_for,
    endpoints_found,
    may_route,
    require_routing,
    used_by,
)
from receipt_rules.endpoints.forms import EndpointForm, SesForm
from receipt_rules.endpoints.services import (
    add_endpoint,
    change_endpoint,
    make_signing_secret,
    remove_endpoint,
    send_test,
)
from receipt_rules.forwarding.selectors import endpoint_kinds, forwarding_rows, forwardings_of, is_never_forwarded
from receipt_rules.forwarding.services import resend_confirmations
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.received_mail.selectors import endpoint_health, failing_endpoints, kept_for_mail


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    text = text_in(request.GET, "q")
    found = page_of(endpoints_found(viewer=request.user, text=text), request)
    known = forwardings_of(found.object_list)
    waiting = {endpoint.pk for endpoint in found.object_list if known.blocks(endpoint)}
    context = {"page": found, "q": text, "tab": "endpoints", "waiting": waiting}
    context["failing"] = failing_endpoints([endpoint.pk for endpoint in found.object_list], now=timezone.now())
    context |= {"kinds": endpoint_kinds(), "may_route": may_route(request.user)}
    return TemplateResponse(request, template(request, "receipt_rules/endpoints/endpoints.html", "results"), context)


@require_http_methods(["GET", "POST"])
def add(request: SignedIn) -> HttpResponse:
    if not may_route(request.user):
        raise NotAllowed(MAY_NOT_ROUTE)
    form = EndpointForm(request.POST if request.method == "POST" else None, viewer=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            made = _add(form, request)
        except NotAllowed:
            raise
        except Refused as refused:
            form.add_error(_field_of(refused, str(form.cleaned_data["type"])), str(refused))
        else:
            messages.success(request, f"Added {made}. Choose it for an address or catch-all.")
            return redirect("receipt_rules:endpoints")
    context = {"form": form}
    return TemplateResponse(request, "receipt_rules/endpoints/add_endpoint.html", context, status=_status(form))


def _add(form: EndpointForm, request: SignedIn) -> Endpoint:
    return add_endpoint(
        customer=form.chosen_customer,
        name=form.cleaned_data["name"],
        type=form.cleaned_data["type"],
        config=form.config,
        actor=request.user,
    )


@never_cache
@require_http_methods(["POST"])
def signing_secret(request: SignedIn, endpoint_id: str) -> HttpResponse:
    """Show the new secret. It is shown only this once."""
    endpoint = get_object_or_404(endpoints_for(request.user), pk=endpoint_id)
    try:
        secret = make_signing_secret(endpoint=endpoint, actor=request.user, seen=request.POST.get("seen", ""))
    except ChangedMeanwhile as changed:  # or the page that shows the secret was reloaded
        messages.error(request, str(changed))
        return redirect("receipt_rules:endpoint", endpoint.pk)
    context = {"endpoint": endpoint, "secret": secret}
    return TemplateResponse(request, "receipt_rules/endpoints/signing_secret.html", context)


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, endpoint_id: str) -> HttpResponse:
    """Edit an endpoint; operators can change its SES options. It can be removed while nothing uses it."""
    endpoint = get_object_or_404(endpoints_for(request.user), pk=endpoint_id)
    done = request.POST.get("do", "")
    form, ses = _forms(endpoint, request, done)
    if request.method == "POST" and done == "test":
        _test(endpoint, request)
        return redirect("receipt_rules:endpoint", endpoint.pk)
    if request.method == "POST" and done != "ask":
        require_routing(request.user, endpoint.customer_id)
    status = 200
    try:
        if request.method == "POST" and _handle_action(done, endpoint, form, ses, request):
            return redirect("receipt_rules:endpoints")
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        endpoint.refresh_from_db()
        (form, ses), status = _forms(endpoint, request, ""), changed.status
    status = 422 if form.errors or ses.errors else status
    context = {"endpoint": endpoint, "form": form, "ses": ses, "used": used_by(endpoint, 11)}
    context["kept_for_mail"] = kept_for_mail(endpoint)
    context["may_route"] = may_route(request.user, endpoint.customer_id)
    context |= _confirmations(endpoint) | {"kept_only": is_never_forwarded(endpoint)}
    context["health"] = endpoint_health(endpoint.pk, now=timezone.now())
    return TemplateResponse(request, "receipt_rules/endpoints/endpoint.html", context, status=status)


def _forms(endpoint: Endpoint, request: SignedIn, done: str) -> tuple[EndpointForm, SesForm]:
    """Return both forms. That of the action `done` has what was sent, the other one the stored values."""
    form = EndpointForm(request.POST if done == "save" else None, viewer=request.user, endpoint=endpoint)
    return form, SesForm(request.POST if done == "ses" else None, prefix="ses", endpoint=endpoint)


def _test(endpoint: Endpoint, request: SignedIn) -> None:
    """Send a test event and show the endpoint's response."""
    try:
        tried = send_test(endpoint=endpoint, actor=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
        return
    message = f"{tried.sentence} It took {tried.milliseconds:,} ms."
    messages.success(request, message) if tried.is_good else messages.error(
        request, f"{message} {tried.excerpt}".strip()
    )


def _confirmations(endpoint: Endpoint) -> dict[str, Any]:
    """Return each recipient who hasn't confirmed, with the state of our email to them."""
    known, rows = forwardings_of([endpoint]), {row.address: row for row in forwarding_rows(endpoint)}
    waiting = [(address, rows.get(address.lower())) for address in known.waiting(endpoint)]
    return {"waiting": waiting, "is_blocked": known.blocks(endpoint)}


def _handle_action(done: str, endpoint: Endpoint, form: EndpointForm, ses: SesForm, request: SignedIn) -> bool:
    try:
        message = _perform(done, endpoint, form, ses, request)
    except ChangedMeanwhile:
        raise
    except Refused as refused:
        if done in ("remove", "ask"):
            messages.error(request, str(refused))
            return True
        shown = ses if done == "ses" else form
        shown.add_error(None if done == "ses" else _field_of(refused, endpoint.type), str(refused))
        return False
    if message:
        messages.success(request, message)
    return bool(message)


def _perform(done: str, endpoint: Endpoint, form: EndpointForm, ses: SesForm, request: SignedIn) -> str:
    if done == "remove":
        remove_endpoint(endpoint=endpoint, actor=request.user)
        return f"Removed {endpoint}."
    if done == "ask":
        resend_confirmations(endpoint=endpoint, actor=request.user)
        return "Sending the confirmation link."
    if done == "ses" and ses.is_valid():
        change_endpoint(endpoint=endpoint, actor=request.user, ses=ses.ses, seen=ses.cleaned_data["seen"])
        return f"Saved {endpoint}. If rules change, the plan shows it."
    if done == "save" and form.is_valid():
        changed = change_endpoint(
            endpoint=endpoint,
            actor=request.user,
            name=form.cleaned_data["name"],
            config=form.config,
            is_active=form.cleaned_data["is_active"],
            seen=form.cleaned_data["seen"],
        )
        if changed.dropped:
            messages.warning(request, changed.warning)
        return f"Saved {endpoint}."
    return ""


_FIELDS = {"webhook": "url", "email": "address", "email_group": "addresses"}


def _field_of(refused: Refused, kind: str) -> str | None:
    return {"ENDPOINT_NAME": "name", "ENDPOINT_NAME_TAKEN": "name", "ENDPOINT_CONFIG": _FIELDS[kind]}.get(refused.code)


def _status(form: EndpointForm) -> int:
    return 422 if form.errors else 200
