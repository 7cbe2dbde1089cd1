"""Joins the apps' routers to the JSON API at /api/, and gives every error one format.

`inbound_admin.lib.api` explains how to write an operation.
"""

import re
import sys
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from accounts.api_keys.api import call_router, keep_answer, reads
from inbound_admin.database_outage import outage_of, outage_response
from inbound_admin.health import probe_all
from inbound_admin.lib.api import validation
from inbound_admin.lib.api.answers import PREFIX, error_answer, problem_response
from inbound_admin.lib.api.description import INTRODUCTION, explain
from inbound_admin.lib.api.schemas import LONGEST_NAME, MOST_NAMED, Out
from inbound_admin.lib.errors import Problem
from public_api.domain_removal import api as removal_api  # noqa: F401  adds DELETE to the router of domains

BROKEN = "Something went wrong on our side. Try again, or contact support with the time of the error."
log = structlog.get_logger(__name__)
_OF_DJANGO, _WORDS = re.compile(r"No (\w+) matches the given query\."), re.compile("[A-Z][a-z]*")
_NAMES = {"ReceivedMail": "received message", "WebhookTarget": "webhook", "MigrationItem": "item of the migration"}

# Mail itself, in the published families. 404, because the newer client repeats a call that gets a 5xx response.
MAIL_METHODS = tuple(
    f"{PREFIX}{family}/{what}" for family in ("v2", "e2") for what in ("emails", "mail", "attachments")
)
# Refused codes with a more specific status than 422, mostly of the published contract.
STATUSES = {
    **dict.fromkeys(("TENANT_EXISTS", "PLAN_CHANGED", "WEBHOOK_THERE", "MX_LEADS_HERE"), 409),
    **dict.fromkeys(("DOMAIN_ALREADY_REGISTERED", "ADDRESS_EXISTS", "HAS_SUB_DOMAINS", "ENDPOINT_NAME_TAKEN"), 409),
    **dict.fromkeys(
        ("NOT_AN_ADDRESS", "ADDRESS_ELSEWHERE", "DOMAIN_MISSING", "DOMAIN_NOT_VERIFIED", "SEND_ONLY", "TOO_MANY_NAMES"),
        400,
    ),
    **dict.fromkeys(("NOT_A_DOMAIN", "IP_ADDRESS", "PUBLIC_SUFFIX", "RESERVED_NAME", "TOO_LONG"), 400),
    **dict.fromkeys(("UNDERSCORE", "SINGLE_LABEL", "ENDPOINT_CONFIG", "ENDPOINT_TYPE", "ENDPOINT_NAME"), 400),
    **dict.fromkeys(("ENDPOINT_MISSING", "ENDPOINT_INACTIVE", "CUSTOMER_UNCLEAR", "CUSTOMER_MISSING"), 400),
    **dict.fromkeys(("ADDRESS_MISSING", "CATCH_ALL_MISSING"), 404),
    "NOT_ALLOWED": 403,
}


class Api(NinjaAPI):
    """Store every response, so that a repeated request gets the first response."""

    def create_response(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return keep_answer(request, super().create_response(request, *args, **kwargs))

    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        return keep_answer(request, super().on_exception(request, exc))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return the function's name in camelCase.

        The module is left out, so moving a function doesn't rename its operation.
        """
        first, *others = operation.view_func.__name__.split("_")
        return first + "".join(word.capitalize() for word in others)

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        explain(schema)
        return schema


api = Api(
    title="Inbound Admin",
    version="1.0.0",
    description=INTRODUCTION,
    docs_url="/docs",
    docs_decorator=lambda view: csrf_exempt(require_safe(view)),
    openapi_url="/openapi.json",
)
# All methods of one path are in one router: Django uses the first match.
ROUTERS = (
    "operations.api.customers",
    "tenants.lifecycle.api.router",
    "tenants.reputation.api.router",
    "public_api.authentication.api.router",
    "public_api.records.api.router",
    "domains.api.router",
    "domains.sharing.api.router",
    "public_api.domains.api.router",
    "public_api.addresses.api.router",
    "public_api.endpoints.api.router",
    "public_api.version_1_1.api.router",
    "public_api.version_e2.api.router",
    "public_api.verifications.api.router",
    "receipt_rules.route_lookup.api.router",
    "receipt_rules.api.probes",
    "receipt_rules.received_mail.api.router",
    "receipt_rules.api.router",
    "receipt_rules.planner.api.router",
    "operations.api.tenants",
    "operations.tenant_migration.api.router",
    "operations.drift.api.router",
    "operations.api.audit",
    "notifications.api.alerts",
    "notifications.api.webhooks",
)
for router in ROUTERS:
    api.add_router("", router)
health = call_router("Health")


class HealthOut(Out):
    """`parts`: “ok” for each part, or its problem."""

    is_well: bool
    parts: dict[str, str]


@health.get("/v2/health", **reads(HealthOut), summary="Get the health of the installation")
def get_health(request: HttpRequest) -> HealthOut:
    """Return the health of web, database, worker and AWS. Always 200.

    `parts` has “ok” or the problem of each part. `/healthz` answers 503 if a part has a problem, and requires no
    key.
    """
    parts = probe_all()
    return HealthOut(is_well=all(state == "ok" for state in parts.values()), parts=parts)


api.add_router("", health)


@api.exception_handler(Exception)
def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    if outage := outage_of(request, error):
        connection.close_if_unusable_or_obsolete()  # a database that is back forgets the Idempotency-Key of the call
        return outage_response(request, outage)
    log.exception("unexpected", path=request.path, method=request.method)
    return error_answer(BROKEN, "INTERNAL", 500)


@api.exception_handler(Problem)
def _problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    asked_by = getattr(getattr(request, "auth", None), "user", None)
    return problem_response(problem, STATUSES.get(problem.code, 0), to=asked_by)


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Return where and what is wrong, but never the input, which may not be valid Unicode."""
    found = error.errors[: validation.MOST_DETAILS]
    details = [{"where": validation.where(each["loc"]), "what": validation.sentence(each)} for each in found]
    more = " See details for further problems." if len(details) > 1 else ""
    said = f"The request isn't valid: {details[0]['what']}{more}"
    ignored = dict.fromkeys(getattr(request, "ignored", ()))
    details += [{"where": name[:LONGEST_NAME], "what": "Unknown name, ignored."} for name in list(ignored)[:MOST_NAMED]]
    return error_answer(said, "MALFORMED", 400, details)


@api.exception_handler(HttpError)
def _no_json(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 403:
        sentence = "Changes from a signed-in session require the CSRF token of the page (X-CSRFToken)."
        return error_answer(sentence, "NO_CSRF_TOKEN", 403)
    code = "MALFORMED" if error.status_code == 400 else "REFUSED"
    sentence = "The body isn't valid JSON." if error.status_code == 400 else str(error)
    return error_answer(sentence, code, error.status_code)


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return error_answer("The body is too large.", "TOO_LARGE", 413)


@api.exception_handler(AuthenticationError)
def _no_key(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    sentence = "This call requires an API key: “Authorization: Bearer <key>”."
    return error_answer(sentence, "NO_KEY", 401, WWW_Authenticate="Bearer")


@api.exception_handler(Http404)
def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return error_answer(_what_is_missing(str(error)), "NOT_FOUND", 404)


def _what_is_missing(message: str) -> str:
    """Return the sentence for people: ours unchanged; Django's, which names the model, replaced."""
    if found := _OF_DJANGO.match(message):
        return f"No {_NAMES.get(found[1]) or ' '.join(_WORDS.findall(found[1])).lower()} has this ID."
    return message or "Not found."


@csrf_exempt
def nothing_here(request: HttpRequest, **_: Any) -> HttpResponse:
    """Return 404 for every unknown URL below /api/."""
    if request.path.startswith(MAIL_METHODS):
        sentence = "This API doesn't send, read or store mail. It manages domains, addresses and endpoints."
        return error_answer(sentence, "OUT_OF_SCOPE", 404)
    slash = " Paths have no slash at the end." if request.path.endswith("/") else ""
    return error_answer(f"No such path.{slash}", "NOT_FOUND", 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Handle errors outside views, such as in middleware: JSON for programs, a page for people."""
    if (error := sys.exception()) and (outage := outage_of(request, error)):
        return outage_response(request, outage)
    return error_answer(BROKEN, "INTERNAL", 500) if _is_call(request) else defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle requests that Django rejects before any view, such as for another host."""
    if not _is_call(request):
        return defaults.bad_request(request, exception)
    return error_answer("The request is malformed. Check its host name and headers.", "MALFORMED", 400)


def _is_call(request: HttpRequest) -> bool:
    return request.path.startswith(PREFIX)


@csrf_exempt
@require_safe
def to_description(request: HttpRequest) -> HttpResponse:
    return redirect("api-1.0.0:openapi-view")
