"""Reputation pages for staff: a tenant's recommendations and rates, and the account's rates."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from inbound_admin.lib.http import SignedIn
from tenants.lifecycle.views import require_staff, tenant_for
from tenants.metrics.core import RATES, TENANT_LIMITS, Measure, RateLimits, pauses_above
from tenants.models.tenants import Tenant, TenantStage
from tenants.reputation import selectors
from tenants.reputation.selectors import last_events
from tenants.status import services as status_services


@require_GET
def reputation(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_for(request, tenant_id)
    page = selectors.page_of(tenant, days=_days(request), now=timezone.now())
    context = {
        "tenant": tenant,
        "tab": "reputation",
        "page": page,
        "rates": page.rates,
        "spans": tuple(selectors.SPANS),
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
    rates = selectors.rates_of(None, days=_days(request), now=timezone.now())
    context: dict[str, Any] = {
        "account": selectors.account_here(),
        "rates": rates,
        "spans": tuple(selectors.SPANS),
        "events": last_events(),
        "topics": settings.SNS_TOPIC_ARNS,
        "events_url": request.build_absolute_uri(reverse("tenants:events")),
    }
    return TemplateResponse(request, "tenants/reputation/account_reputation.html", context)


def _days(request: SignedIn) -> int:
    """Return the query's number of days; a week if it is missing or invalid."""
    asked = request.GET.get("days", "")
    return next((days for days in selectors.SPANS if str(days) == asked), selectors.SPAN)


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
