"""Answers 503 with Retry-After while our database is gone, restarts or can't write: for the API, pages and htmx.

Only code that needs no database is used here. The response says that nothing was changed only if nothing can have been
committed. An UPDATE whose connection broke, or a transaction whose end was not seen, may have been.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template

from inbound_admin.lib.api.answers import PREFIX, problem_response
from inbound_admin.lib.database import CANNOT_WRITE, is_gone, sqlstate_of
from inbound_admin.lib.errors import Problem
from inbound_admin.lib.http import place_in_page

Handler = Callable[[HttpRequest], HttpResponse]
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_WRITES = re.compile(
    r"\s*(?:INSERT INTO|UPDATE|DELETE FROM|WITH|COPY|MERGE|CALL|SELECT\b.*\bprocrastinate_\w+\()", re.S
)
# What each request may write about itself is no change that anybody asked for.
_OF_THE_REQUEST = re.compile(
    r'\s*(?:(?:INSERT INTO|UPDATE|DELETE FROM) "?(?:django_session|cache|counts|api_pace|api_calls)\b'
    r'|UPDATE "accounts_apikey" SET "last_used_at")'
)
log = structlog.get_logger(__name__)


class DatabaseOutage(Problem):
    """`retry_after` is in seconds."""

    status = 503

    def __init__(self, title: str, what: str, *, code: str, retry_after: int) -> None:
        super().__init__(f"{title}. {what}", code=code)
        self.title, self.what, self.retry_after = title, what, retry_after


class Written:
    """Wraps each statement of a request, and records whether a write of it may have been committed."""

    may_be_kept = False

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        is_write = _is_write(str(sql))
        try:
            result = execute(sql, params, many, context)
        except (DatabaseError, InterfaceError) as error:
            commits_itself = not context["connection"].in_atomic_block
            self.may_be_kept |= is_write and commits_itself and is_gone(error)
            raise
        self.may_be_kept |= is_write
        return result


def _is_write(sql: str) -> bool:
    return bool(_WRITES.match(sql)) and not _OF_THE_REQUEST.match(sql)


def noted(get_response: Handler) -> Handler:
    """Middleware that records what a request writes."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.written = Written()  # type: ignore[attr-defined]  # read by `outage_of`
        with connection.execute_wrapper(request.written):  # type: ignore[attr-defined]
            return get_response(request)

    return middleware


def outage_of(request: HttpRequest, error: BaseException) -> DatabaseOutage | None:
    """Return the outage behind an error; None for another error. A Problem with its own explanation is unchanged."""
    if isinstance(error, Problem):
        return None
    for each in _with_causes(error):
        if isinstance(each, DatabaseError | InterfaceError):
            if sqlstate_of(each) in CANNOT_WRITE:
                return _cannot_write(request)
            return _gone(request) if is_gone(each) else None
    return None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes: Procrastinate wraps database errors in its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _gone(request: HttpRequest) -> DatabaseOutage:
    what = _what_was_saved(request, "Your change may or may not have been saved. Check before you repeat it.")
    title = "We can't reach our database"
    return DatabaseOutage(title, what or "Try again in a moment.", code="DATABASE_UNREACHABLE", retry_after=5)


def _cannot_write(request: HttpRequest) -> DatabaseOutage:
    what = _what_was_saved(request, "Part of your change may have been saved. Check before you repeat it.")
    title = "Our database can't save anything at the moment"
    return DatabaseOutage(title, what or "Try again later.", code="DATABASE_CANNOT_WRITE", retry_after=30)


def _what_was_saved(request: HttpRequest, unknown: str) -> str:
    if request.method in SAFE_METHODS:
        return ""
    written = getattr(request, "written", None)
    is_known = isinstance(written, Written) and not written.may_be_kept
    return "Nothing was changed. Try again in a moment." if is_known else unknown


def outage_response(request: HttpRequest, outage: DatabaseOutage) -> HttpResponse:
    """Return the 503. Rendered without the request, because its user is read from the database."""
    log.error("database outage", code=outage.code, path=request.path, method=request.method)
    if request.path.startswith(PREFIX):
        return problem_response(outage)
    htmx = "HX-Request" in request.headers
    again = request.get_full_path() if request.method in SAFE_METHODS else ""
    page = get_template("503.html#alert" if htmx else "503.html")
    response = HttpResponse(page.render({"problem": outage, "again": again}), status=outage.status)
    response.headers["Retry-After"] = str(outage.retry_after)
    return place_in_page(request, response, outage)
