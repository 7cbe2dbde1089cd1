"""Limit the size of requests by their headers, before the body is read."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from inbound_admin.lib.api import answers
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import body_limit_of
from inbound_admin.middleware import Handler, problem_page


class TooLarge(Refused):
    code = "TOO_LARGE"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class LengthRequired(Refused):
    """The body has no length."""

    code = "LENGTH_REQUIRED"
    status = HTTPStatus.LENGTH_REQUIRED


class BoundedBody:
    """Runs before Django's CSRF check, which is the first to read a body."""

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
