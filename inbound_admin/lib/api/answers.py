"""The format of every error response, and the ETag of successful reads."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response, set_response_etag
from ninja import Schema

from inbound_admin.lib.errors import AwsProblem, Problem, aws_sentence

PREFIX = "/api/"


class Error(Schema):
    """`code` is stable, for programs; `error` is a sentence for people."""

    error: str
    code: str
    details: Any = None


ERRORS: dict[Any, Any] = {frozenset((400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 502, 503)): Error}


def error_answer(sentence: str, code: str, status: int, details: Any = None, **headers: str) -> HttpResponse:
    body = {"error": sentence, "code": code} | ({} if details is None else {"details": details})
    answer = JsonResponse(body, status=status)
    for name, value in headers.items():
        answer.headers[name.replace("_", "-")] = value
    return answer


def problem_response(problem: Problem, status: int = 0, *, to: Any = None) -> HttpResponse:
    """Return the response with AWS's code and request ID, and Retry-After. `status` overrides the problem's own.

    `to`: the user who reads it; without one, the sentence is a customer's.
    """
    details: Mapping[str, Any] | None = getattr(problem, "details", None)
    if isinstance(problem, AwsProblem):
        details = {"awsCode": problem.aws_code, "requestId": problem.request_id}
    retry_after = getattr(problem, "retry_after", None)
    headers = {} if retry_after is None else {"Retry_After": str(retry_after)}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW_Authenticate"] = "Bearer"
    return error_answer(aws_sentence(str(problem), to=to), problem.code, status or problem.status, details, **headers)


def method_not_allowed(answer: HttpResponse) -> HttpResponse:
    """Return the 405 in our format."""
    sentence = f"This URL only accepts {answer.headers['Allow']}."
    return error_answer(sentence, "METHOD_NOT_ALLOWED", answer.status_code, Allow=answer.headers["Allow"])


def with_etag(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return the response with its ETag, or 304 if the request's If-None-Match has it.

    The query still runs: the ETag is a digest of the content, so it is right whatever changed it.
    """
    if request.method != "GET" or response.status_code != HTTPStatus.OK:
        return response
    set_response_etag(response)
    return get_conditional_response(request, etag=response.headers["ETag"], response=response) or response
