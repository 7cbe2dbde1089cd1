"""The sandbox's page *What to try*, open to everyone, as the demo's sign-ins are."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from sandbox.demo import accounts_that_are_there
from sandbox.tour import roles_shown


@login_not_required
@require_GET
def what_to_try(request: HttpRequest) -> HttpResponse:
    """Show the user's own role first."""
    email = request.user.email if request.user.is_authenticated else ""
    there = {account.email for account in accounts_that_are_there()}
    context = {"roles": roles_shown(first=email), "email": email, "there": there}
    return TemplateResponse(request, "sandbox/what_to_try.html", context)


@login_not_required
@require_GET
def progress(request: HttpRequest) -> HttpResponse:
    """Return the demo's progress, for the line at the top of every page."""
    return TemplateResponse(request, "sandbox/progress.html", {"is_asked_again": True})
