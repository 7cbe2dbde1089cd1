"""Joins the apps' routers to the JSON API at /api/, and gives every refusal one shape."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from inbound_admin.lib.api import error_answer, problem_answer
from inbound_admin.lib.errors import Problem
from receipt_rules.api import router as receipt_rules

api = NinjaAPI(
    title="Inbound Admin",
    version="1.0.0",
    description="Every call needs a key: `Authorization: Bearer <key>`. Errors are `{error, code, details?}`.",
    docs_url="/docs",
    openapi_url="/openapi.json",
)
api.add_router("", receipt_rules)


@api.exception_handler(Problem)
def _problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problem_answer(problem)


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Says where and what, never what was sent: it may be no Unicode."""
    details = [{"where": ".".join(map(str, each["loc"])), "what": each["msg"]} for each in error.errors]
    return error_answer("The request is not as this call needs it: see the details.", "MALFORMED", 400, details)


@api.exception_handler(HttpError)
def _no_json(request: HttpRequest, error: HttpError) -> HttpResponse:
    code = "MALFORMED" if error.status_code == 400 else "REFUSED"
    sentence = "The body is no JSON." if error.status_code == 400 else str(error)
    return error_answer(sentence, code, error.status_code)


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return error_answer("The body is larger than any call needs.", "TOO_LARGE", 413)


@api.exception_handler(AuthenticationError)
def _no_key(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    sentence = "This call needs a key: “Authorization: Bearer <key>”."
    return error_answer(sentence, "NO_KEY", 401, WWW_Authenticate="Bearer")


@api.exception_handler(Http404)
def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return nothing_here(request)


def nothing_here(request: HttpRequest, **_: Any) -> HttpResponse:
    """Also for every address below /api/ that is no call."""
    return error_answer("There is nothing here.", "NOT_FOUND", 404)
