"""The public page of an invitation link. The link is a secret.

A GET changes nothing, because email scanners follow links.
"""

from allauth.core.internal.ratelimit import consume
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.members import services
from accounts.members.forms import AcceptForm
from accounts.members.services import Needs, Offer, WrongPerson
from accounts.models.people import User
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.http import form_page, secret_page

RATES = {"accept_invitation": "30/m/ip"}
BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@secret_page
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    person = request.user if isinstance(request.user, User) else None
    try:
        _check_rate_limit(request)
        offer = services.offer(token=token, person=person)
        form = AcceptForm(request.POST or None, email=offer.invitation.email)
        if request.method == "POST" and (offer.needs is not Needs.ACCOUNT or form.is_valid()):
            return _accept(request, token, person, form)
    except Refused as refused:
        return _refused(request, refused)
    return _page(request, offer, form)


def _check_rate_limit(request: HttpRequest) -> None:
    """Rate limit by client address. Behind a proxy, this requires BEHIND_PROXY; otherwise all share one limit."""
    if not consume(request, app="tenants", action="accept_invitation", config=RATES, limit_get=True):
        raise RateLimited("Too many attempts. Try again in a minute.", retry_after=60)


def _accept(request: HttpRequest, token: str, person: User | None, form: AcceptForm) -> HttpResponse:
    given = {} if person else getattr(form, "cleaned_data", {})
    membership = services.accept_invitation(token=token, person=person, **given)
    if person is None:
        login(request, membership.user, backend=BACKEND)
    messages.success(request, f"You joined {membership.customer}.")
    return redirect("home")


def _page(request: HttpRequest, offer: Offer, form: AcceptForm) -> HttpResponse:
    context = {"invitation": offer.invitation, "needs": offer.needs.value, "form": form}
    return form_page(request, "accounts/members/accept.html", context)


def _refused(request: HttpRequest, refused: Refused) -> HttpResponse:
    context = {"refused": refused, "wrong_person": isinstance(refused, WrongPerson)}
    response = TemplateResponse(request, "accounts/members/accept.html", context, status=refused.status)
    if isinstance(refused, RateLimited):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response
