"""What a person opens in the morning."""

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from domains.selectors import finding
from inbound_admin.lib.http import SignedIn
from operations.selectors import overview as selectors
from tenants.selectors import supports_everyone


@require_GET
def overview(request: SignedIn) -> HttpResponse:
    """For staff what needs attention, how full the region is and how it went; for customers their own domains."""
    now = timezone.now()
    staff = supports_everyone(request.user)
    context = {
        "needs": selectors.needs(viewer=request.user, now=now),
        "counts": finding.attention_counts(viewer=request.user, filters=finding.Filters()),
        "total": finding.domains_for(request.user).count(),
    }
    if staff:
        context |= {"full": selectors.how_full(now=now), "charts": selectors.charts(now=now)}
    else:
        context |= {"to_do": selectors.domains_to_do(request.user)}
    return TemplateResponse(request, "operations/overview.html", context)
