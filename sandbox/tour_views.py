"""The sandbox's page *What to try*: open to all, as the sign-ins of the demo are."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from sandbox.demo import accounts_that_are_there
from sandbox.tour import roles_shown


@login_not_required
@require_GET
def what_to_try(request: HttpRequest) -> HttpResponse:
    """One's own role first."""
    email = request.user.email if request.user.is_authenticated else ""
    there = {account.email for account in accounts_that_are_there()}
    context = {"roles": roles_shown(first=email), "email": email, "there": there}
    return TemplateResponse(request, "sandbox/what_to_try.html", context)


@login_not_required
@require_GET
def progress(request: HttpRequest) -> HttpResponse:
    """How far the demo is made, for the line at the top of every page."""
    return TemplateResponse(request, "sandbox/progress.html", {"is_asked_again": True})
