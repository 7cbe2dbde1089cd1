"""The page of one domain: its records, their history, files to publish them with, and the diagnosis."""

import re
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from accounts.people.selectors import supports_everyone
from audit.selectors import changes_of
from domains.announcements import services as announcements_services
from domains.checking import services as checking_services
from domains.diagnosis import services as diagnosis_services
from domains.diagnosis.core.codes import CODES
from domains.diagnosis.core.findings import LINKS, as_json, as_reply
from domains.diagnosis.selectors import diagnosis_page
from domains.diagnosis.services import diagnose
from domains.domain_connect import services as domain_connect_services
from domains.domain_list import selectors as domain_list_selectors
from domains.exports.core.formats import FORMATS, ExportDiffers, export, format_named
from domains.history import selectors as history_selectors
from domains.models.domains import Domain
from domains.providers.core import PROVIDERS, form_values, provider_named, provider_with_key
from domains.records.selectors import RecordsPage, records_page, records_summary
from inbound_admin.lib.http import SignedIn, list_as_file, page_of, template

# The DNS host that a person chose for a domain: from the URL, and stored in the session.


REMEMBERED = "dns_hosts"
MOST = 50  # domains; the oldest choice is forgotten first


def chosen_host(request: SignedIn, domain: Domain) -> str:
    """Return a provider's key, or "" for none. Choosing the detected host clears the choice."""
    known: dict[str, str] = request.session.get(REMEMBERED, {})
    chosen = request.GET.get("host", "")
    if not provider_with_key(chosen):
        return known.get(domain.pk, "")
    before = known.get(domain.pk, "")
    now = "" if provider_with_key(chosen) == provider_named(domain.provider) else chosen
    if now != before:
        others = {key: host for key, host in known.items() if key != domain.pk}
        kept = {**others, domain.pk: now} if now else others
        request.session[REMEMBERED] = dict(list(kept.items())[-MOST:])
    return now


# The records page of a domain, the check, and its history.


def domain_for(request: SignedIn, domain_id: str) -> Domain:
    """Return the domain, or raise 404 if the user may not see it."""
    return get_object_or_404(domain_list_selectors.domains_for(request.user), pk=domain_id)


@require_GET
def detail(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    prefetch_related_objects([domain], "record_checks")
    checking_services.schedule_for_open_page(domain)
    return _page(request, domain)


@require_POST
def check(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    sentence = checking_services.check_now(domain=domain)
    if request.htmx:
        return _page(request, domain_for(request, domain_id), said=sentence)
    messages.info(request, sentence)
    return redirect("domains:detail", domain.id)


@require_GET
def history(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    theirs = None if supports_everyone(request.user) else [domain.customer_id]
    changes = changes_of("domain", domain.id, of_customers=theirs)
    context = {"domain": domain, "changes": page_of(changes, request), "tab": "history"}
    return TemplateResponse(request, "domains/records/history.html", context)


def _page(request: SignedIn, domain: Domain, said: str = "") -> HttpResponse:
    wait = checking_services.can_check_in(domain, timezone.now())
    todo, host = request.GET.get("show") == "todo", chosen_host(request, domain)
    page = records_page(domain, can_check_in=wait, only_todo=todo, message=said, host=host)
    notice = None if domain.verified_at else announcements_services.notice_choice(request.user, domain)
    domain_connect_services.discover_if_due(domain)
    link = domain_connect_services.link_for(domain, page)
    context = {"domain": domain, "page": page, "tab": "records", "asked": notice, "connect": link}
    part = "#live" if request.htmx else ""
    return TemplateResponse(request, f"domains/records/detail.html{part}", context)


@require_POST
def verified_notice(request: SignedIn, domain_id: str) -> HttpResponse:
    """Handle the switch on the records page, for the signed-in person."""
    domain = domain_for(request, domain_id)
    wanted = request.POST.get("tell") == "on"
    announcements_services.set_notice(domain=domain, person=request.user, wanted=wanted)
    text = f"We'll email you when {domain} is verified." if wanted else f"We won't email you when {domain} is verified."
    messages.success(request, text)
    return redirect("domains:detail", domain.id)


# The DNS history page: a timeline for each record, every change, and a comparison of two moments.


@require_GET
def dns_history(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    one, other = (_moment(request.GET.get(name, "")) for name in ("from", "to"))
    now = timezone.now()
    moments = (one, other or now) if one else None
    context = {
        "domain": domain,
        "history": history_selectors.history_of(domain, now=now, moments=moments),
        "moments": moments,
        "unread": bool(request.GET.get("from")) and one is None,
        "tab": "dns_history",
    }
    return TemplateResponse(request, "domains/history/dns_history.html", context)


@require_GET
def dns_history_file(request: SignedIn, domain_id: str, kind: str) -> HttpResponseBase:
    domain = domain_for(request, domain_id)
    rows = history_selectors.export_rows(domain)
    return list_as_file(rows, name=f"{domain.name}-dns-history", kind=kind)


def _moment(text: str) -> datetime | None:
    """Parse a time, in UTC if it has no zone; None if it is invalid."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    if found is None or found.year < 2000:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# Records as files: the page with the formats, the files, and a page to print.


@require_GET
def exports(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    page = _records(request, domain)
    rows = page.to_publish
    chosen = format_named(request.GET.get("format", "")) or FORMATS[0]
    context: dict[str, Any] = {
        "domain": domain,
        "rows": rows,
        "counts": records_summary(rows),
        "formats": FORMATS,
        "chosen": chosen,
        "in_the_way": [row for row in rows if row.existing],
        "withheld": page.withheld,
        "cause": page.cause_sentence,
        "unchecked": [row for row in page.rows if row.is_unchecked],
        "which": _which(request),
        "tab": "export",
    }
    try:
        done = export(page.entries, chosen, domain.hosted.zone, page.withheld, cause=page.cause_sentence)
        context["export"] = done if rows else None
    except ExportDiffers as problem:
        context["problem"] = problem
    return TemplateResponse(request, "domains/exports/exports.html", context)


@require_GET
def export_file(request: SignedIn, domain_id: str, format_key: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    kind = format_named(format_key)
    if kind is None:
        raise Http404
    page = _records(request, domain)
    done = export(page.entries, kind, domain.hosted.zone, page.withheld, cause=page.cause_sentence)
    response = HttpResponse(done.text, content_type=f"{kind.content_type}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{done.file_name}"'
    return response


@require_GET
def print_(request: SignedIn, domain_id: str) -> HttpResponse:
    """A page to print, in the terms of the DNS host."""
    domain = domain_for(request, domain_id)
    provider = provider_with_key(request.GET.get("host", "")) or provider_named(domain.provider)
    page = _records(request, domain)
    context = {
        "domain": domain,
        "rows": [(row, form_values(row.record, provider, domain.hosted.zone)) for row in page.to_publish],
        "withheld": page.withheld,
        "cause": page.cause_sentence,
        "unchecked": [row for row in page.rows if row.is_unchecked],
        "provider": provider,
        "providers": PROVIDERS,
        "which": _which(request),
    }
    return TemplateResponse(request, "domains/exports/print.html", context)


def _which(request: SignedIn) -> str:
    return "missing" if request.GET.get("which") == "missing" else "all"


def _records(request: SignedIn, domain: Domain) -> RecordsPage:
    """Return all records, or those that are not correct yet."""
    return records_page(domain, can_check_in=0, only_todo=_which(request) == "missing")


# The diagnosis page: the chain up to its first break, three lanes, and what to do. And the page of all codes.


@require_GET
def diagnosis(request: SignedIn, domain_id: str) -> HttpResponse:
    """Return the page's frame at once. It polls until the worker has the result; without JavaScript a link does.

    `look` is 1, or the time since which the page waits.
    """
    domain = domain_for(request, domain_id)
    asks = bool(request.htmx and not request.htmx.boosted) or "look" in request.GET
    context: dict[str, Any] = {
        "domain": domain,
        "tab": "diagnosis",
        "region": settings.AWS_REGION,
        "look": ("look", "1"),
    }
    if asks:
        context |= _progress(request, domain)
    answer = TemplateResponse(request, template(request, "domains/diagnosis/diagnosis.html", "result"), context)
    if "found" in context or (asks and context["made"].problem):
        answer["HX-Trigger"] = "diagnosed"  # the support case page waits for it
    return answer


def _progress(request: SignedIn, domain: Domain) -> dict[str, Any]:
    host, now = chosen_host(request, domain), timezone.now()
    made = diagnosis_services.progress(domain=domain, since=_since(request.GET.get("look", "")), now=now)
    if made.found is None:
        again = urlencode({**request.GET.dict(), "look": f"{made.since.timestamp():.3f}"})
        return {"made": made, "again": f"{request.path}?{again}"}
    found = made.found.diagnosis(host)
    shown = diagnosis_page(domain, found, host)
    return {"found": found, "shown": shown, "reply": "" if _is_inside(request) else as_reply(found)}


def _is_inside(request: SignedIn) -> bool:
    """Return True if the result is part of another page, such as the support case, which has its own reply."""
    shown_on = request.htmx.current_url_abs_path if request.htmx else None
    return shown_on is not None and shown_on.partition("?")[0] != request.path


def _since(text: str) -> datetime | None:
    """Return None for anything but a timestamp, such as 1."""
    if not re.fullmatch(r"[0-9]{10}\.[0-9]{3}", text):
        return None
    return datetime.fromtimestamp(float(text), UTC)


@require_GET
def diagnosis_file(request: SignedIn, domain_id: str, form: str) -> HttpResponse:
    """Return the diagnosis as JSON (json), as a reply to the customer (txt), or the lookups (log)."""
    domain = domain_for(request, domain_id)
    found = diagnose(domain, now=timezone.now(), host=chosen_host(request, domain))
    if form == "json":
        return JsonResponse(as_json(found), json_dumps_params={"indent": 2, "ensure_ascii": False})
    text = as_reply(found) if form == "txt" else "\n".join((*found.transcript, ""))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@login_not_required
@require_GET
def codes(request: SignedIn) -> HttpResponse:
    """Show every code that a diagnosis can have, by link of the chain, each with an anchor."""
    groups = [(title, [code for code in CODES.values() if code.link == link]) for link, title in LINKS.items()]
    return TemplateResponse(request, "domains/diagnosis/codes.html", {"groups": groups})
