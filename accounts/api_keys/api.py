"""Authentication of API calls. `inbound_admin.lib.api` explains how to write an operation."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.operation import Operation
from ninja.security import APIKeyCookie, HttpBearer

from accounts.api_keys.core import FUNCTION_SCOPES, Scope
from accounts.api_keys.services import BadKey, use_api_key
from accounts.models.people import Customer, User
from accounts.people.selectors import (
    NO_ORGANISATION,
    access_of,
    customers_for,
    lacks_second_factor,
    supports_everyone,
)
from inbound_admin.lib.api import idempotency
from inbound_admin.lib.api.answers import ERRORS, problem_response, with_etag
from inbound_admin.lib.api.rate_limit import check_rate_limit
from inbound_admin.lib.api.schemas import (
    LONGEST_NAME,
    MOST_NAMED,
    QueryIn,
    add_ignored_header,
    ignore_members,
    sent_json,
)
from inbound_admin.lib.errors import Malformed, NotAllowed, Refused, WrongContentType

_REASON = "reason"  # of a JSON body, why staff change a customer's things


@dataclass(frozen=True)
class Caller:
    """The authenticated caller. `name` identifies the key or session user for rate limits and idempotency."""

    user: User
    name: str


def caller(request: HttpRequest) -> User:
    """Return the user of the call: the viewer of selectors, the actor of services."""
    user: User = request.auth.user  # type: ignore[attr-defined]  # ninja puts it there; the operation asked for it
    return user


class ApiKeyWith(HttpBearer):
    """A bearer key with these scopes. Without the scope "staff" it has no staff permissions."""

    def __init__(self, *scopes: Scope) -> None:
        super().__init__()
        self._scopes = scopes

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        if not token.isascii():
            raise BadKey("Unknown API key.")
        key = use_api_key(secret=token.strip(), scopes=self._scopes, now=timezone.now())
        key.user.acts_by_key, key.user.staff_rights = f"{key.name} ({key.starts}…)", Scope.STAFF in key.scopes
        if FUNCTION_SCOPES.isdisjoint(self._scopes):  # a call that is refused would hold up a message
            check_rate_limit(key.pk)
        return Caller(key.user, key.pk)


class SessionWith(APIKeyCookie):
    """A signed-in session. Writes require the CSRF token."""

    def __init__(self, *scopes: Scope, proven: bool = False) -> None:
        self.param_name = settings.SESSION_COOKIE_NAME
        super().__init__()
        self._scopes, self._proven = scopes, proven

    def __call__(self, request: HttpRequest) -> Caller | None:
        if not request.user.is_authenticated:
            return None
        found: Caller | None = super().__call__(request)
        return found

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        user = request.user
        if not isinstance(user, User):
            return None
        if Scope.STAFF in self._scopes and not supports_everyone(user):
            raise NotAllowed("This call is for staff only.", code="STAFF_ONLY")
        if lacks_second_factor(user):
            raise NotAllowed("Set up two-step sign-in first, under Your account.", code="MFA_REQUIRED")
        if self._proven and is_reauthentication_required(request, app=""):
            said = (
                "This call requires a recent password check. "
                "Enter your password at /accounts/reauthenticate/, or use an API key."
            )
            raise NotAllowed(said, code="PASSWORD_REQUIRED")
        name = f"user:{user.pk}"
        check_rate_limit(name)
        return Caller(user, name)


def reads(answer: Any, *, staff: bool = False) -> dict[str, Any]:
    """Return the arguments of an operation that changes nothing."""
    return _operation_arguments(answer, 200, Scope.READ, staff)


def writes(answer: Any, *, status: int = 200, staff: bool = False, proven: bool = False) -> dict[str, Any]:
    """Return the arguments of a write. `proven` requires a recent password check of a session; a key needs none."""
    return _operation_arguments(answer, status, Scope.WRITE, staff, proven)


def _operation_arguments(answer: Any, status: int, scope: Scope, staff: bool, proven: bool = False) -> dict[str, Any]:
    scopes = (scope, Scope.STAFF) if staff else (scope,)
    auth = [ApiKeyWith(*scopes), SessionWith(*scopes, proven=proven)]
    return {"auth": auth, "response": {status: answer, **ERRORS}, "by_alias": True, "exclude_unset": True}


def call_router(tag: str, *, lenient: bool = False) -> Router:
    """Return a router. Its operations honour Idempotency-Key and reject unknown query parameters.

    Unknown members of a body are rejected too. A lenient router ignores them, except those that ask for a dry run.
    """
    router = Router(tags=[tag])
    router.add_decorator(_require_json, mode="view")
    router.add_decorator(_with_conventions(ignore_members if lenient else _refuse_members), mode="operation")
    return router


def _require_json(run: Callable[..., Any]) -> Callable[..., Any]:
    """Check the content type before the operation reads the body. No body needs no type."""
    own = _own_members(getattr(inspect.unwrap(run), "__self__", None))
    reads_body = own is not None

    @wraps(run)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        has_body = request.META.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in request.META
        if has_body and request.method in ("POST", "PUT", "PATCH") and request.content_type != "application/json":
            return problem_response(WrongContentType("Send JSON with “Content-Type: application/json”."))
        if has_body:
            _extract_reason(request, own or frozenset())
            request.is_body_unread = not reads_body  # type: ignore[attr-defined]  # read below
        return with_etag(request, add_ignored_header(request, run(request, *args, **kwargs)))

    return checked


def _own_members(operation: Operation | None) -> frozenset[str] | None:
    """Return the names of the body's own members, or None if the operation reads no body."""
    bodies = [model for model in getattr(operation, "models", ()) if model.__ninja_param_source__ == "body"]
    if not bodies:
        return None
    fields = [field for body in bodies for field in body.model_fields.values()]
    return frozenset(name for field in fields for name in getattr(field.annotation, "model_fields", ()))


def _extract_reason(request: HttpRequest, own: frozenset[str]) -> None:
    """Move the member `reason` from a JSON body to the change log, so that the operation doesn't see it.

    An operation with its own `reason` keeps it. A value that isn't text is left for the operation to reject.
    """
    if _REASON in own or b'"reason"' not in request.body:
        return
    sent = sent_json(request.body)
    if isinstance(sent, dict) and isinstance(reason := sent.pop(_REASON, None), str):
        request.reason_in_body = reason  # type: ignore[attr-defined]  # read by inbound_admin/staff.py
        request._body = json.dumps(sent).encode()


def _with_conventions(
    on_members: Callable[[HttpRequest, list[str]], None],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate an operation. `on_members` gets the members of a body that the operation doesn't read."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def called(request: HttpRequest, *args: Any, **values: Any) -> Any:
            _refuse_parameters(request, values)
            on_members(request, _unread_members(request))
            begun = _begin(request) if request.method == "POST" else None
            if isinstance(begun, HttpResponse):
                return begun
            request.begun = begun  # type: ignore[attr-defined]
            result = view(request, *args, **values)
            return keep_answer(request, result) if isinstance(result, HttpResponse) else result

        return called

    return decorate


def _begin(request: HttpRequest) -> idempotency.Begun | HttpResponse | None:
    asked_by: Caller = request.auth  # type: ignore[attr-defined]  # as in `caller`
    return idempotency.begin(request, asked_by.name, partial(access_of, asked_by.user))


def keep_answer(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Store the response for a repeated call with the same Idempotency-Key."""
    if begun := getattr(request, "begun", None):
        idempotency.finish(begun, answer, secret=getattr(request, "shown_once", ""))
    return answer


def shown_once(request: HttpRequest, secret: str) -> str:
    """Mark a secret of the response, which isn't stored for repeated calls."""
    request.shown_once = secret  # type: ignore[attr-defined]
    return secret


def _refuse_parameters(request: HttpRequest, values: dict[str, Any]) -> None:
    """Raise Malformed if a query parameter is unknown.

    A mistyped filter would return every row, and a write with `dryRun=true` would not be a dry run.
    """
    queries = [value for value in values.values() if isinstance(value, QueryIn)]
    known = [field.alias or name for value in queries for name, field in type(value).model_fields.items()]
    if unknown := sorted(set(request.GET) - set(known)):
        named = ", ".join(name[:40] for name in unknown[:5])
        offered = f"Known: {', '.join(known)}." if known else "This call has no query parameters."
        done = "" if request.method == "GET" else " Nothing was changed."
        details = {"unknown": [name[:LONGEST_NAME] for name in unknown[:MOST_NAMED]], "known": known}
        raise Malformed(f"Unknown query parameter: {named}. {offered}{done}", code="UNKNOWN_PARAMETER", details=details)


def _unread_members(request: HttpRequest) -> list[str]:
    """Return the names of the members of a JSON body that the operation doesn't read at all."""
    if not getattr(request, "is_body_unread", False):
        return []
    sent = sent_json(request.body)
    return list(sent) if isinstance(sent, dict) else []


def _refuse_members(request: HttpRequest, names: list[str]) -> None:
    if names:
        named = ", ".join(name[:40] for name in names[:5])
        raise Malformed(f"This call has no body. Leave out: {named}. Nothing was changed.", code="UNKNOWN_MEMBER")


def chosen_customer(user: User, customer_id: str | None = None) -> Customer:
    """Return the customer that will own the new object: the named one, or the caller's only one. Raises Refused."""
    customers = customers_for(user)
    if customer_id is not None:
        found = customers.filter(pk=customer_id).first()
        if found is None:
            raise Refused("No customer has this ID.", code="CUSTOMER_MISSING")
        return found
    some = list(customers.order_by("created_at", "pk")[:2])
    if len(some) != 1:
        several = "You belong to several customers. Set customerId."
        raise Refused(several if some else NO_ORGANISATION, code="CUSTOMER_UNCLEAR")
    return some[0]
