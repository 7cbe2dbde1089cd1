"""The product's URLs, and one for each way in which a page can fail."""

from collections.abc import Callable

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.csrf import csrf_failure

from inbound_admin.lib.errors import AwsDenied, AwsUnreachable, RateLimited, Refused
from inbound_admin.urls import urlpatterns as of_the_product

PROBLEMS: dict[str, tuple[int, Exception]] = {
    "bad-request": (400, BadRequest("not understood")),
    "forbidden": (403, PermissionDenied()),
    "not-here": (404, Http404()),
    "refused": (422, Refused("This domain is in your list already.")),
    "too-fast": (429, RateLimited("You can ask again in 7 seconds.", retry_after=7)),
    "broken": (500, ZeroDivisionError("a mistake of ours")),
    "denied": (502, AwsDenied("Amazon does not accept us.", aws_code="AccessDenied", request_id="8d3f-11aa")),
    "unreachable": (503, AwsUnreachable("Amazon did not answer.")),
}


def _raising(problem: Exception) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        raise problem

    return view


def _old_form(request: HttpRequest) -> HttpResponse:
    return csrf_failure(request, reason="CSRF token missing.")


urlpatterns = [
    *of_the_product,
    path("problems/old-form/", _old_form, name="problem-old-form"),
    *(path(f"problems/{name}/", _raising(problem), name=f"problem-{name}") for name, (_, problem) in PROBLEMS.items()),
]
