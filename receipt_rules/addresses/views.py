"""Pages of addresses: the list, one address, many pasted at once, and the Inbound tab of a domain.

Each pasted line is checked, and its result is shown before anything is added.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models.people import Customer, User
from domains.domain_list.selectors import customer_choices, domains_for
from domains.models.domains import Domain, Stage
from inbound_admin.lib.errors import ChangedMeanwhile, NotAllowed, Refused
from inbound_admin.lib.foreign_text import without_nul
from inbound_admin.lib.http import SignedIn, form_page, page_of, template
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.seen import fingerprint
from receipt_rules.addresses.core import CatchAllMeant, read_recipient
from receipt_rules.addresses.forms import AddressForm, CatchAllForm, ChangeAddressForm, EndpointChoice, PasteForm
from receipt_rules.addresses.selectors import (
    MAY_NOT_ROUTE,
    AddressListFilters,
    AddressPlace,
    address_counts,
    addresses_for,
    endpoints_of,
    may_route,
    refuse_unproven,
    require_routing,
    search_addresses,
)
from receipt_rules.addresses.services import (
    AddressAsked,
    add_address,
    add_addresses,
    change_address,
    preview_addresses,
    remove_address,
    set_catch_all,
    shown_values,
)
from receipt_rules.endpoints.core import EndpointKinds
from receipt_rules.endpoints.services import endpoint_for
from receipt_rules.forwarding.selectors import endpoint_kinds
from receipt_rules.inbound_summary.selectors import Inbound, inbound_summary, pending_of
from receipt_rules.live.selectors import SOON, applied_when
from receipt_rules.mail_path.core import End, Hop, HopState, worst_first
from receipt_rules.mail_path.selectors import path_of_address, path_of_domain, set_ends
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.probes.selectors import schedule_of
from receipt_rules.probes.views import ProbeScheduleForm

MOST_LINES = 500
TOO_MANY_LINES = f"You can add up to {MOST_LINES} addresses at a time. Add this line and the rest separately."

HEADINGS = {  # of a first column, which isn't an address
    *("address", "addresses", "email", "e-mail", "mail", "email address", "e-mail address", "recipient", "recipients"),
    *("adresse", "adressen", "e-mail-adresse", "e-mail-adressen", "emailadresse", "mailadresse", "empfänger"),
    *("courriel", "adresse e-mail", "adresse email", "correo", "dirección", "correo electrónico", "indirizzo"),
    *("indirizzo email", "indirizzo e-mail", "adres", "e-mailadres", "emailadres", "endereço", "endereço de email"),
}


@dataclass(frozen=True)
class PastedLine:
    """`address` is the address found in `text`; `refused` is why it isn't added, "" if it can be."""

    number: int
    text: str
    address: str = ""
    endpoint: Endpoint | None = None
    refused: str = ""
    noticed: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return not self.refused


def read_lines(text: str, customer: Customer) -> list[PastedLine]:
    """Check each line.

    Empty lines and a heading are skipped; a repeated line is refused. The lines over the limit aren't read: one line
    stands for them.
    """
    given = list(_cells(text))
    endpoints = {endpoint.name.lower(): endpoint for endpoint in endpoints_of(customer)}
    some = given[:MOST_LINES]
    places = preview_addresses(texts=[cells[0] for _number, cells in some], customer=customer)
    seen: set[str] = set()
    lines: list[PastedLine] = []
    for (number, cells), place in zip(some, places, strict=True):
        line = _read(number, cells, place, customer, endpoints)
        if line.is_good and line.address in seen:
            line = replace(line, refused=f"{line.address} is already on an earlier line.")
        seen.add(line.address)
        lines.append(line)
    return lines + _left_out(given[MOST_LINES:])


def _left_out(given: Sequence[tuple[int, list[str]]]) -> list[PastedLine]:
    if not given:
        return []
    text = f"{len(given):,} more line{'' if len(given) == 1 else 's'}"
    return [PastedLine(given[0][0], text, refused=TOO_MANY_LINES)]


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """Read each line separately: an unclosed quote affects no other line. Cells of a spreadsheet have tabs between."""
    for number, line in enumerate(without_nul(text).splitlines(), start=1):
        given = [line.strip("\r\n")] if "\t" in line else [line.replace(";", ",")]
        cells = [cell.strip() for cell in next(csv.reader(given, delimiter="\t" if "\t" in line else ","), [])]
        if not any(cells) or cells[0].casefold() in HEADINGS:
            continue
        yield number, cells


def _read(
    number: int,
    cells: list[str],
    place: AddressPlace | Refused,
    customer: Customer,
    endpoints: dict[str, Endpoint],
) -> PastedLine:
    text, name = cells[0], cells[1] if len(cells) > 1 else ""
    line = PastedLine(number, text[:320], endpoint=endpoints.get(name.lower()))
    if name and line.endpoint is None:
        return replace(line, refused=f"{customer} has no endpoint named “{name[:120]}”.")
    if isinstance(place, Refused):
        return replace(line, refused=str(place))
    more = (f"The rest of the line was ignored: {', '.join(cells[2:])[:120]}.",) if any(cells[2:]) else ()
    return replace(line, address=place.address, noticed=(*place.noticed, *more))


def add_lines(lines: Sequence[PastedLine], customer: Customer, actor: User) -> list[PastedLine]:
    """As one change. What cannot be added any more says why, and keeps none of the others back."""
    good = [line for line in lines if line.is_good]
    asked = [AddressAsked(line.text, line.endpoint) for line in good]
    found = add_addresses(asked=asked, customer=customer, actor=actor, bulk_id=new_id("bulk"))
    refused = {line.number: str(each) for line, each in zip(good, found, strict=True) if isinstance(each, Refused)}
    return [replace(line, refused=refused[line.number]) if line.number in refused else line for line in lines]


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    filters = AddressListFilters.read(request.GET)
    counts = address_counts(viewer=request.user, filters=filters)
    found = search_addresses(viewer=request.user, filters=filters)
    page = page_of(found, request, total=filters.total_of(counts))
    set_ends(page.object_list)
    context = {
        "page": page,
        "filters": filters,
        "counts": counts,
        "choices": customer_choices(viewer=request.user),
        "total": bool(page.object_list) or addresses_for(request.user).exists(),
        "may_route": may_route(request.user),
        "tab": "addresses",
    }
    return TemplateResponse(request, template(request, "receipt_rules/addresses/addresses.html", "results"), context)


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, address_id: str) -> HttpResponse:
    """Show one address: the buttons of the domain's tab, and the choice of the endpoint."""
    address = get_object_or_404(addresses_for(request.user), pk=address_id)
    if request.method == "POST":
        require_routing(request.user, address.domain.customer_id)
    form, status = _form(address, request, request.POST.get("do", "")), 200
    try:
        if request.method == "POST" and _handle_action(address, form, request):
            return redirect("receipt_rules:domain", address.domain_id)
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        address.refresh_from_db()
        form, status = _form(address, request, ""), changed.status
    set_ends([address])
    hops = path_of_address(address)
    context = {"address": address, "form": form, "pending": pending_of(address.domain), "hops": hops}
    context["may_route"] = may_route(request.user, address.domain.customer_id)
    status = 422 if form.errors else status
    return TemplateResponse(request, "receipt_rules/addresses/address.html", context, status=status)


def _form(address: Address, request: SignedIn, done: str) -> ChangeAddressForm:
    seen = fingerprint(shown_values(address))
    initial = {"endpoint": address.own_endpoint, "is_active": address.is_active, "seen": seen}
    data = request.POST if done == "save" else None
    return ChangeAddressForm(data, customer=address.domain.customer, initial=initial)


def _handle_action(address: Address, form: ChangeAddressForm, request: SignedIn) -> bool:
    """Return whether the action was performed. A refusal is shown in the form if there is one, else as a message."""
    try:
        message = _perform(request.POST.get("do", ""), address, form, request)
    except ChangedMeanwhile:
        raise
    except Refused as refused:
        form.refuse(refused) if form.is_bound else messages.error(request, str(refused))
        return not form.is_bound
    if message:
        messages.success(request, message)
    return bool(message)


def _perform(done: str, address: Address, form: ChangeAddressForm, request: SignedIn) -> str:
    if done == "remove":
        remove_address(address=address, actor=request.user)
        return f"Removed {address}. {applied_when(address.domain.customer)}"
    if done in ("on", "off"):
        endpoint, seen = address.own_endpoint, fingerprint(shown_values(address))
        change_address(address=address, actor=request.user, is_active=done == "on", endpoint=endpoint, seen=seen)
        return f"Turned {done} {address}. {applied_when(address.domain.customer)}"
    if done == "save" and form.is_valid():
        with _endpoint(form, address.domain, request) as endpoint:
            is_active, seen = form.cleaned_data["is_active"], form.cleaned_data["seen"]
            change_address(address=address, actor=request.user, is_active=is_active, endpoint=endpoint, seen=seen)
        return f"Saved {address}."
    return ""


@require_http_methods(["GET", "POST"])
def add_many(request: SignedIn) -> HttpResponse:
    """Two steps on one page: the pasted text, then the result of each line with the button that adds them."""
    if not may_route(request.user):
        raise NotAllowed(MAY_NOT_ROUTE)
    given = (request.POST, request.FILES) if request.method == "POST" else ()
    form = PasteForm(*given, viewer=request.user)
    context: dict[str, Any] = {"form": form, "tab": "addresses"}
    if request.method == "POST" and form.is_valid():
        customer, text = form.chosen_customer, form.cleaned_data["text"]
        require_routing(request.user, customer.pk)
        lines = read_lines(text, customer)
        if "confirm" in request.POST:
            lines = add_lines(lines, customer, request.user)
        worst_first = sorted(lines, key=lambda line: line.is_good)
        context["read"] = min(len(lines), MOST_LINES)
        context |= {"lines": worst_first, "text": text, "customer": customer, "is_done": "confirm" in request.POST}
        context["good"] = good = sum(line.is_good for line in lines)
        when = applied_when(customer, more=0 if "confirm" in request.POST else good)
        context |= {"applied_when": when if good else "", "is_delayed": bool(good) and when != SOON}
    return form_page(request, "receipt_rules/addresses/add_many.html", context)


MOST_SHOWN = 100  # addresses; the list of all addresses has the others
Forms = dict[str, EndpointChoice]


@require_http_methods(["GET", "POST"])
def inbound(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = get_object_or_404(domains_for(request.user), pk=domain_id)
    inbound = inbound_summary(domain)
    forms = _forms(domain, inbound)
    status = 200
    done = request.POST.get("do", "")
    if request.method == "POST" and done in forms:
        require_routing(request.user, domain.customer_id)
        forms[done] = type(forms[done])(request.POST, prefix=done, customer=domain.customer)
        try:
            if _handle_inbound_action(done, domain, forms[done], request):
                return redirect("receipt_rules:domain", domain.id)
            status = 422
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            inbound = inbound_summary(domain)
            forms, status = _forms(domain, inbound), changed.status
    context = _context(domain, inbound, forms) | {"may_route": may_route(request.user, domain.customer_id)}
    return TemplateResponse(request, _template(request), context, status=status)


def _template(request: SignedIn) -> str:
    return template(request, "receipt_rules/addresses/inbound.html", "inbound")


def _context(domain: Domain, inbound: Inbound, forms: Forms) -> dict[str, Any]:
    schedule = schedule_of(domain)
    hops, end = _hops(domain, inbound), _undelivered(inbound)
    stopped = (hop for hop in hops if hop.key == "store" and hop.state is HopState.STOPPED)
    return {
        "schedule": schedule,
        "schedule_form": ProbeScheduleForm.showing(schedule.pace if schedule else ""),
        "domain": domain,
        "hops": hops,
        "tab": "inbound",
        "inbound": inbound,
        "shown": inbound.addresses[:MOST_SHOWN],
        "more": max(0, len(inbound.addresses) - MOST_SHOWN),
        "undelivered": next(stopped, end),
        "forms": forms,
        "refused": _why_not(domain),
        "applied_when": partial(applied_when, domain.customer),
        "has_endpoints": endpoints_of(domain.customer).exists(),
    }


def _undelivered(inbound: Inbound) -> End | None:
    """Judges where the mail of each goes. Of those that receive, the worst end at which none is delivered."""
    requested = [*inbound.addresses, *filter(None, (inbound.catch_all, inbound.sub_catch_all))]
    set_ends(requested)
    live = (row for row in requested if row.is_active and row.is_served and not row.is_changing)
    worst = next(iter(worst_first(row.end for row in live if row.end)), None)
    return None if worst is None or worst.is_delivered else worst


def _hops(domain: Domain, inbound: Inbound) -> tuple[Hop, ...]:
    """Return the path of mail for a domain that receives and is set up."""
    if not domain.receives or domain.stage != Stage.READY:
        return ()
    rows: list[Address | CatchAll] = [*inbound.addresses]
    if inbound.catch_all:
        rows.append(inbound.catch_all)
    return path_of_domain(domain, rows)


def _why_not(domain: Domain) -> str:
    try:
        refuse_unproven(domain)
    except Refused as refused:
        return str(refused)
    return ""


def _forms(domain: Domain, inbound: Inbound) -> Forms:
    kinds = endpoint_kinds()
    return {
        "address": AddressForm(prefix="address", customer=domain.customer, kinds=kinds),
        "everything": _catch_all_form("everything", domain, inbound.catch_all, kinds),
        "below": _catch_all_form("below", domain, inbound.sub_catch_all, kinds),
    }


def _catch_all_form(prefix: str, domain: Domain, found: CatchAll | None, kinds: EndpointKinds) -> CatchAllForm:
    initial: dict[str, Any] = {"is_active": found.is_active, "endpoint": found.own_endpoint} if found else {}
    initial["seen"] = fingerprint(shown_values(found))
    return CatchAllForm(prefix=prefix, customer=domain.customer, initial=initial, kinds=kinds)


def _handle_inbound_action(done: str, domain: Domain, form: EndpointChoice, request: SignedIn) -> bool:
    if not form.is_valid():
        return False
    try:
        message = _add(domain, form, request) if done == "address" else _catch(done, domain, form, request)
    except ChangedMeanwhile:
        raise
    except Refused as refused:
        if isinstance(form, AddressForm) and isinstance(refused, CatchAllMeant) and refused.domain == domain.name:
            form.meant = refused
        form.refuse(refused, "address" if done == "address" else None)
        return False
    messages.success(request, message)
    return True


def _endpoint(form: EndpointChoice, domain: Domain, request: SignedIn) -> AbstractContextManager[Endpoint | None]:
    target = str(form.cleaned_data["target"])
    return endpoint_for(target=target, chosen=form.chosen, customer=domain.customer, actor=request.user)


def _add(domain: Domain, form: EndpointChoice, request: SignedIn) -> str:
    text = str(form.cleaned_data["address"]).strip()
    text = text if "@" in text.rstrip("@") else f"{text.rstrip('@')}@{domain.name}"
    with _endpoint(form, domain, request) as endpoint:
        made = add_address(text=text, customer=domain.customer, actor=request.user, endpoint=endpoint)
    return " ".join([f"Added {made}. {applied_when(domain.customer)}", *read_recipient(text).noticed])


def _catch(done: str, domain: Domain, form: EndpointChoice, request: SignedIn) -> str:
    is_active, seen = form.cleaned_data["is_active"], form.cleaned_data["seen"]
    given = {"domain": domain, "actor": request.user, "is_active": is_active, "seen": seen}
    with _endpoint(form, domain, request) as endpoint:
        set_catch_all(**given, endpoint=endpoint, subdomains=done == "below")
    what = "subdomain catch-all" if done == "below" else "catch-all"
    return f"Turned {'on' if is_active else 'off'} the {what} of {domain}. {applied_when(domain.customer)}"
