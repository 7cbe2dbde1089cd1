"""The Sandbox pages: the customer's DNS host, and the sandbox AWS with its faults. They exist only with SANDBOX on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import PER_PAGE, SignedIn
from sandbox import bad_days, dns_host, panel, reputations
from sandbox.dns.mistakes import ZONE_MISTAKES
from sandbox.forms import BeliefForm, ClockForm, FaultForm, RecipientForm, RecordForm, ResetForm
from sandbox.values import WEB_FAULTS
from tenants.models.tenants import Tenant

MOST_TENANTS = 500  # in the menu
Forms = Mapping[str, RecordForm]
ADD, EDIT = "add", "edit"


@require_GET
def zones(request: SignedIn) -> HttpResponse:
    page = Paginator(panel.zones_of(request.user), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "zones": panel.zone_lines(list(page)), "part": "zones"}
    return TemplateResponse(request, "sandbox/zones.html", context)


@require_http_methods(["GET", "POST"])
def zone(request: SignedIn, zone: str) -> HttpResponse:
    domains = panel.domains_in(request.user, zone)
    if not domains:
        raise Http404
    page = panel.zone_page(zone, domains)
    if request.method == "GET":
        return _zone(request, page)
    if request.POST.get("do") in (ADD, EDIT):
        return _type(request, page, domains)
    try:
        sentence = _action(request.POST.get("do", ""))(page, request.POST)
    except Refused as refused:
        return _answer(request, zone, domains, str(refused), tone="bad")
    return _answer(request, zone, domains, f"{sentence} {dns_host.run_ses_checks(domains)}".strip())


@require_http_methods(["GET", "POST"])
def faults(request: SignedIn) -> HttpResponse:
    """The page is shared: everyone signed in uses one sandbox AWS."""
    forms: dict[str, Any] = {
        "form": FaultForm(),
        "recipient_form": RecipientForm(),
        "belief_form": BeliefForm(initial=bad_days.beliefs()),
        "clock_form": ClockForm(),
        "reset_form": ResetForm(),
    }
    if request.method == "POST":
        sentence = _amazon(request, forms)
        if sentence:
            messages.success(request, sentence)
            return redirect("sandbox:faults")
    status = 422 if any(form.errors for form in forms.values()) else 200
    context = {**forms, "page": bad_days.amazon_page(request.user), "part": "faults"}
    return TemplateResponse(request, "sandbox/faults.html", context, status=status)


def _amazon(request: SignedIn, forms: dict[str, Any]) -> str:
    """Return what was done; "" if a form has errors, which is then in `forms`."""
    do, posted = request.POST.get("do", ""), request.POST
    with_form: dict[str, tuple[str, Any, Callable[[Any], str]]] = {
        "add": ("form", FaultForm, bad_days.add_fault),
        "refuse": ("recipient_form", RecipientForm, bad_days.refuse_recipient),
        "believe": ("belief_form", BeliefForm, bad_days.believe),
        "advance": ("clock_form", ClockForm, bad_days.advance_clock),
        "reset": ("reset_form", ResetForm, lambda _: bad_days.reset()),
    }
    if do in with_form:
        name, kind, carry_out = with_form[do]
        forms[name] = kind(posted)
        return carry_out(forms[name]) if forms[name].is_valid() else ""
    plain: dict[str, Callable[[], str]] = {
        "refuse_none": bad_days.refuse_no_recipient,
        "clear": bad_days.clear_faults,
        "remove": lambda: bad_days.remove_fault(posted.get("id", "")),
        "throttle": lambda: bad_days.set_throttle(on=posted.get("on") == "1"),
    }
    if do not in plain:
        raise Refused("Unknown action.")
    return plain[do]()


@require_http_methods(["GET", "POST"])
def tenants(request: SignedIn) -> HttpResponse:
    """Do what AWS would do by itself about a tenant of the viewer's."""
    found = reputations.tenants_there(request.user)
    forms: dict[str, Any] = {name: kind() for name, kind in reputations.FORMS.items()}
    chosen = found.filter(pk=request.POST.get("tenant") or request.GET.get("tenant")).first() or found.first()
    posted = found.filter(pk=request.POST.get("tenant")).first()
    if request.method == "POST" and (sentence := _reputation(request, posted, forms)):
        messages.success(request, sentence)
        return redirect(f"{reverse('sandbox:tenants')}?{urlencode({'tenant': request.POST['tenant']})}")
    status = 422 if any(form.errors for form in forms.values()) else 200
    context = {"tenants": found[:MOST_TENANTS], "chosen": chosen, "forms": forms, "part": "tenants"}
    return TemplateResponse(request, "sandbox/tenants.html", context, status=status)


def _reputation(request: SignedIn, tenant: Tenant | None, forms: dict[str, Any]) -> str:
    """Return what was done; "" if a form has errors, which is then in `forms`."""
    do = request.POST.get("do", "")
    if tenant is None:
        raise Refused("Choose a tenant that exists in SES.")
    if do not in forms:
        return reputations.apply_action(do, tenant, None)
    forms[do] = reputations.FORMS[do](request.POST)
    return reputations.apply_action(do, tenant, forms[do]) if forms[do].is_valid() else ""


def _action(do: str) -> dns_host.Action:
    if do not in dns_host.ACTIONS:
        raise Refused("Unknown action.")
    return dns_host.ACTIONS[do]


def _type(request: SignedIn, page: panel.ZonePage, domains: Sequence[Domain]) -> HttpResponse:
    """Add the entered record, or replace another with it. A refused one stays in the form."""
    number = request.POST.get("id", "") if request.POST["do"] == EDIT else ADD
    form = RecordForm(request.POST, auto_id=_auto_id(number))
    if form.is_valid():
        try:
            sentence = dns_host.add(page, form) if number == ADD else dns_host.edit(page, number, form)
        except Refused as refused:
            form.add_error("value", str(refused))
    if form.errors:
        return _zone(request, page, {number: form})
    return _answer(request, page.name, domains, f"{sentence} {dns_host.run_ses_checks(domains)}".strip())


def _answer(
    request: SignedIn, zone: str, domains: Sequence[Domain], sentence: str, *, tone: str = "good"
) -> HttpResponse:
    """Return the page part with the result; without htmx redirect to the page."""
    if request.htmx:
        outcome = {"said": sentence, "tone": tone, "key": request.POST.get("key", "")}
        return _zone(request, panel.zone_page(zone, domains), outcome=outcome)
    (messages.error if tone == "bad" else messages.success)(request, sentence)
    return redirect("sandbox:zone", zone)


def _zone(
    request: SignedIn, page: panel.ZonePage, typed: Forms | None = None, outcome: Mapping[str, str] | None = None
) -> HttpResponse:
    typed = typed or {}
    context = {
        "page": page,
        "lines": [(line, typed.get(line.record.id) or _form_of(line)) for line in page.lines],
        "form": typed.get(ADD) or RecordForm(auto_id=_auto_id(ADD)),
        "zone_mistakes": ZONE_MISTAKES,
        "policies": dns_host.POLICIES,
        "can_connect": dns_host.can_connect(page),
        "web_faults": WEB_FAULTS,
        "part": "zones",
        **(outcome or {}),
    }
    # htmx doesn't swap in 4xx responses, and a form's errors must be seen.
    status = 422 if typed and not request.htmx else 200
    return TemplateResponse(request, f"sandbox/zone.html{'#zone' if request.htmx else ''}", context, status=status)


def _form_of(line: panel.Line) -> RecordForm:
    record = line.record
    initial = {
        "name": line.relative,
        "type": record.type,
        "ttl": record.ttl,
        "value": line.value,
        "priority": line.priority,
    }
    return RecordForm(initial=initial, auto_id=_auto_id(record.id))


def _auto_id(number: str) -> str:
    return f"id_{number}_%s" if number.isalnum() else "id_%s"
