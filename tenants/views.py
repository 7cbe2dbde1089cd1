"""Pages about the reputation of tenants and of the account, and the URL to which SNS posts the events of SES."""

from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from inbound_admin.lib.errors import Problem
from inbound_admin.lib.http import SignedIn
from tenants.events import services as events_services
from tenants.events.core import Untrusted
from tenants.lifecycle.views import require_staff, tenant_for
from tenants.metrics.core import RATES, TENANT_LIMITS, Measure, RateLimits, pauses_above
from tenants.models.tenants import Tenant, TenantStage
from tenants.reputation import selectors as reputation_selectors
from tenants.reputation.selectors import last_events
from tenants.status import services as status_services

# Reputation pages for staff: a tenant's recommendations and rates, and the account's rates.


@require_GET
def reputation(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_for(request, tenant_id)
    page = reputation_selectors.page_of(tenant, days=_days(request), now=timezone.now())
    context = {
        "tenant": tenant,
        "tab": "reputation",
        "page": page,
        "rates": page.rates,
        "spans": tuple(reputation_selectors.SPANS),
        "limits": _limits_in_words(tenant),
        "may_ask": tenant.stage == TenantStage.READY,
    }
    return TemplateResponse(request, "tenants/reputation/reputation.html", context)


@require_POST
def ask_again(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_for(request, tenant_id)
    status_services.refresh(tenant=tenant)
    messages.info(request, "Reading from SES. This page shows the result in a moment.")
    return redirect("tenants:reputation", tenant.pk)


@require_GET
def account(request: SignedIn) -> HttpResponse:
    """Show the rates of everything we send in the region: if AWS pauses the account, every customer stops."""
    require_staff(request)
    rates = reputation_selectors.rates_of(None, days=_days(request), now=timezone.now())
    context: dict[str, Any] = {
        "account": reputation_selectors.account_here(),
        "rates": rates,
        "spans": tuple(reputation_selectors.SPANS),
        "events": last_events(),
        "topics": settings.SNS_TOPIC_ARNS,
        "events_url": request.build_absolute_uri(reverse("tenants:events")),
    }
    return TemplateResponse(request, "tenants/reputation/account_reputation.html", context)


def _days(request: SignedIn) -> int:
    """Return the query's number of days; a week if it is missing or invalid."""
    asked = request.GET.get("days", "")
    return next((days for days in reputation_selectors.SPANS if str(days) == asked), reputation_selectors.SPAN)


def _limits_in_words(tenant: Tenant) -> str:
    """Describe the plots' limit lines under the tenant's policy."""
    policy = tenant.ses_policy or tenant.policy
    if all(pauses_above(policy, measure) is None for measure in RATES):
        return (
            f"The policy “{policy}” never pauses sending. Above the upper line the standard policy would, "
            "and AWS may still suspend the tenant."
        )
    parts = [f"{_limit(policy, measure)} of {measure.value}s" for measure in RATES]
    return f"The policy “{policy}” pauses sending when SES finds more than {' or '.join(parts)}."


def _limit(policy: str, measure: Measure) -> str:
    limits: RateLimits = TENANT_LIMITS[measure]
    return f"{pauses_above(policy, measure) or limits.high:.1%}".replace(".0%", "%")


# The endpoint that SNS posts events to. It is public and has no form: only the signature counts.


MOST_BYTES = 512 * 1024  # SNS's 256 KB, plus space for JSON escapes

log = structlog.get_logger(__name__)


@login_not_required
@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Answer in plain text, for a program. SNS retries after 503 and 429, and gives up after 403."""
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        return _said("The message is too large.", 413)
    try:
        effect = events_services.receive_message(body, now=timezone.now())
    except Untrusted as problem:
        log.warning("event refused", why=str(problem))
        return _said(str(problem), 403)
    except Problem as problem:
        log.error("event put off", why=str(problem))
        return _said("Try again later.", 429 if problem.status == 429 else 503)
    return _said(effect, 200)


def _said(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
