"""The page behind the link in our email: the recipient allows or declines forwarding."""

from allauth.core.internal.ratelimit import consume
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.http import secret_page
from receipt_rules.forwarding import services
from receipt_rules.forwarding.selectors import forwarding_for_token
from receipt_rules.models.endpoints import Forwarding

RATES = {"answer_forwarding": "30/m/ip"}
PAGE = "receipt_rules/forwarding/forwarding.html"


@login_not_required
@secret_page
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link stores no answer: mail scanners open links too."""
    try:
        row = _row(request, token)
        if request.method == "POST":
            confirms = request.POST.get("do") == "confirm"
            row = services.record_answer(row=row, confirms=confirms, now=timezone.now())
    except Refused as refused:
        return _refused(request, refused)
    context = {"row": row, "who": services.safe_display_name(row.customer.name)}
    return TemplateResponse(request, PAGE, context)


def _row(request: HttpRequest, token: str) -> Forwarding:
    if not consume(request, app="receipt_rules", action="answer_forwarding", config=RATES, limit_get=True):
        raise RateLimited("Too many attempts. Try again in a minute.", retry_after=60)
    row = forwarding_for_token(token)
    if row is None:
        refused = Refused("This link isn't valid. Open the link in the email again.", code="LINK_GONE")
        refused.status = 404
        raise refused
    return row


def _refused(request: HttpRequest, refused: Refused) -> HttpResponse:
    response = TemplateResponse(request, PAGE, {"refused": refused}, status=refused.status)
    if isinstance(refused, RateLimited):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response
