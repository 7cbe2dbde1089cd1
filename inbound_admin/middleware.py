"""Middleware for request IDs in logs, the size of requests, the sign-in and pages for every Problem."""

import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
    HttpResponseRedirect,
)
from django.middleware.common import CommonMiddleware
from django.shortcuts import redirect, render
from django.urls import is_valid_path, reverse
from django.views.csrf import csrf_failure

from inbound_admin.database_outage import outage_of, outage_response
from inbound_admin.lib.api import answers
from inbound_admin.lib.errors import AwsProblem, NotAllowed, Problem, RateLimited, Refused
from inbound_admin.lib.http import body_limit_of, place_in_page, redirect_page

Handler = Callable[[HttpRequest], HttpResponse]
_READ = ("GET", "HEAD", "OPTIONS")
OF_MACHINES = frozenset({"/healthz", "/readyz", "/metrics"})
log = structlog.get_logger(__name__)


def request_id(get_response: Handler) -> Handler:
    """Set the request ID in logs and the response. Rejects NUL characters, which the database can't store."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\x00" in request.path:
            start = answers.PREFIX if request.path.startswith(answers.PREFIX) else "/"
            request.path = request.path_info = f"{start}nothing-has-a-nul-in-its-address/"
        if not request.path.startswith(answers.PREFIX):  # there it is refused (`Text`)
            # A space, since what is left around a NUL that is taken out could be one again.
            request.META["QUERY_STRING"] = request.META.get("QUERY_STRING", "").replace("%00", "%20")
        if request.META.get("HTTP_HX_HISTORY_RESTORE_REQUEST") == "true":
            request.META.pop("HTTP_HX_REQUEST", None)  # Back without htmx's copy needs the whole page, not a part
        name = uuid.uuid4().hex[:12]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=name)
        response = get_response(request)
        response.headers["X-Request-Id"] = name
        return response

    return middleware


class HostChecked(CommonMiddleware):
    """Rejects hosts that aren't in ALLOWED_HOSTS, except for probes, which use the address of the process."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path in OF_MACHINES else super().process_request(request)


class SignInRequired(LoginRequiredMiddleware):
    """Requires a sign-in. Public views are marked `login_not_required` or belong to allauth."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if request.path.startswith(answers.PREFIX):
            return None  # each call asks for a key; its description is public
        if request.path.startswith(reverse("account_login").removesuffix("login/")):
            return None  # allauth guards each of its own pages
        answer = super().process_view(request, view_func, view_args, view_kwargs)
        is_of_page = "HX-Request" in request.headers  # a poll leads away from a form that wasn't sent yet
        if answer is not None and (is_of_page or request.method not in _READ):
            said = "You were signed out, so nothing was saved. Sign in, then do it again."
            said = "You were signed out. Sign in to continue." if request.method in _READ else said
            messages.warning(request, said, extra_tags="signed-out")  # static/js/drafts.js keeps the input
        if answer is None or not is_of_page:
            return answer
        return HttpResponse(status=204, headers={"HX-Redirect": _sign_in_again(request)})  # never a page in a page


def _sign_in_again(request: HttpRequest) -> str:
    """Redirect to the sign-in and back to the page, not to a part of it."""
    try:
        shown = urlsplit(request.headers.get("HX-Current-URL", "")).path
    except ValueError:  # no URL, so the start page
        shown = ""
    return f"{reverse('account_login')}?{urlencode({'next': shown or '/'})}"


class ExplainProblems:
    """Shows every unhandled Problem as a page, or within the page for htmx."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        htmx = "HX-Request" in request.headers
        response = self.get_response(request)
        if isinstance(response, HttpResponseRedirect) and urlsplit(response.url).path in _asking_again():
            prompt = _resumable(request, response.url)
            return redirect_page(request, prompt) if htmx else redirect(prompt)
        if htmx and _is_page_for_a_part(request, response):
            return _reload(request, response)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        if request.path.startswith(answers.PREFIX):
            return answers.method_not_allowed(response)
        if request.method == "GET":
            # Only a button leads there, but "try again" and a sign-in do too: to the page that has the button.
            return redirect(_page_above(request.path))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, ReauthenticationRequired):
            _forget_htmx(request)  # the action continues as a page, after the password prompt
        if outage := outage_of(request, exception):
            return outage_response(request, outage)
        if not isinstance(exception, Problem):
            return None
        log.info("problem shown", code=exception.code, sentence=str(exception))
        return problem_page(request, exception)


def _is_page_for_a_part(request: HttpRequest, response: HttpResponse) -> bool:
    """Return whether a whole page would be put into a part of one: what it shows is gone, or no longer allowed."""
    whole_page = "HX-Boosted" in request.headers or "HX-History-Restore-Request" in request.headers
    is_gone = response.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
    return is_gone and not whole_page and response.content.lstrip()[:9].lower() == b"<!doctype"


def _reload(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Reload the page, which then says that it's gone. An act that isn't allowed says so within the page."""
    if request.method != "GET" and response.status_code == HTTPStatus.FORBIDDEN:
        return problem_page(request, NotAllowed("You don't have permission to do this, or no longer have it."))
    if request.method != "GET":
        messages.warning(request, "It no longer exists, or you no longer have access to it. Nothing was changed.")
    return HttpResponse(status=response.status_code, headers={"HX-Refresh": "true"})


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form's CSRF token is too old (CSRF_FAILURE_VIEW): for htmx within the page, which keeps the input."""
    if "HX-Request" in request.headers and "HX-Boosted" not in request.headers:
        return problem_page(request, NotAllowed("This form has expired. Reload the page and try again."))
    return csrf_failure(request, reason=reason)


def _page_above(path: str) -> str:
    """Return the nearest path above that leads somewhere; "/" always does."""
    above = path
    while above != "/":
        above = above.rstrip("/").rpartition("/")[0] + "/"
        if is_valid_path(above):
            break
    return above


def _asking_again() -> tuple[str, ...]:
    return reverse("account_reauthenticate"), reverse("mfa_reauthenticate")


def _resumable(request: HttpRequest, prompt: str) -> str:
    """Return the prompt's URL with a `next` from which allauth continues a POST: the path alone, without its query.

    It compares `next` with the path, and keeps the query with the rest of the request.
    """
    if request.method != "POST":
        return prompt
    return f"{urlsplit(prompt).path}?{urlencode({'next': request.path})}"


def _forget_htmx(request: HttpRequest) -> None:
    """Remove htmx headers, because allauth repeats the request without htmx after the password."""
    for name in [name for name in request.META if name.startswith("HTTP_HX_")]:
        del request.META[name]


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    context = {"problem": problem, "status": problem.status}
    if isinstance(problem, AwsProblem):
        context |= {"aws_code": problem.aws_code, "request_id": problem.request_id}
    htmx = "HX-Request" in request.headers
    response = render(request, "problem.html#alert" if htmx else "problem.html", context, status=problem.status)
    place_in_page(request, response, problem)
    if isinstance(problem, RateLimited):
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


class TooLarge(Refused):
    code = "TOO_LARGE"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class LengthRequired(Refused):
    """The body has no length."""

    code = "LENGTH_REQUIRED"
    status = HTTPStatus.LENGTH_REQUIRED


class BoundedBody:
    """Limits the size of requests by their headers, before Django's CSRF check, which is the first to read a body."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        problem = _problem_of(request, body_limit_of(view) or settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if problem is None:
            return None
        return (
            answers.problem_response(problem)
            if request.path.startswith(answers.PREFIX)
            else problem_page(request, problem)
        )


def _problem_of(request: HttpRequest, limit: int) -> Refused | None:
    if "HTTP_TRANSFER_ENCODING" in request.META:
        return LengthRequired("Send the body with Content-Length, not in chunks.")
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if not (length.isascii() and length.isdigit()):
        return LengthRequired("Content-Length isn't a number.")
    if int(length) > limit:
        return TooLarge(f"This request has {int(length):,} bytes. The limit is {limit:,}.")
    return None
