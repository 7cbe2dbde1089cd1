"""The diagnosis page: the chain up to its first break, three lanes, and what to do. And the page of all codes."""

import re
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from domains.diagnosis import services as diagnosis_services
from domains.diagnosis.core.codes import CODES
from domains.diagnosis.core.findings import LINKS, as_json, as_reply
from domains.diagnosis.selectors import diagnosis_page
from domains.diagnosis.services import diagnose
from domains.models.domains import Domain
from domains.providers.views import chosen_host
from domains.records.views import domain_for
from inbound_admin.lib.http import SignedIn, template


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
