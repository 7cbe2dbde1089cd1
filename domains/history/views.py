"""The DNS history page: a timeline for each record, every change, and a comparison of two moments."""

from datetime import UTC, datetime

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET

from domains.history import selectors
from domains.records.views import domain_for
from inbound_admin.lib.http import SignedIn, list_as_file


@require_GET
def dns_history(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    one, other = (_moment(request.GET.get(name, "")) for name in ("from", "to"))
    now = timezone.now()
    moments = (one, other or now) if one else None
    context = {
        "domain": domain,
        "history": selectors.history_of(domain, now=now, moments=moments),
        "moments": moments,
        "unread": bool(request.GET.get("from")) and one is None,
        "tab": "dns_history",
    }
    return TemplateResponse(request, "domains/history/dns_history.html", context)


@require_GET
def dns_history_file(request: SignedIn, domain_id: str, kind: str) -> HttpResponseBase:
    domain = domain_for(request, domain_id)
    rows = selectors.export_rows(domain)
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
