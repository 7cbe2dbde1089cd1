"""The manners of the JSON API: one shape for whatever goes wrong, the same for every operation."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, JsonResponse
from ninja import Schema

from inbound_admin.lib.errors import AwsProblem, Problem, RateLimited

PREFIX = "/api/"


class Error(Schema):
    """`code` is stable, for programs; `error` is a sentence for people."""

    error: str
    code: str
    details: Any = None


ERRORS: dict[Any, Any] = {frozenset((400, 401, 403, 404, 409, 413, 422, 429, 502, 503)): Error}


def error_answer(sentence: str, code: str, status: int, details: Any = None, **headers: str) -> HttpResponse:
    body = {"error": sentence, "code": code} | ({} if details is None else {"details": details})
    answer = JsonResponse(body, status=status)
    for name, value in headers.items():
        answer.headers[name.replace("_", "-")] = value
    return answer


def problem_answer(problem: Problem) -> HttpResponse:
    """With Amazon's own code and request id, and when to come again."""
    details: Mapping[str, str] | None = None
    if isinstance(problem, AwsProblem):
        details = {"awsCode": problem.aws_code, "requestId": problem.request_id}
    headers = {"Retry_After": str(problem.retry_after)} if isinstance(problem, RateLimited) else {}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW_Authenticate"] = "Bearer"
    return error_answer(str(problem), problem.code, problem.status, details, **headers)


def wrong_method(answer: HttpResponse) -> HttpResponse:
    """The same refusal in our shape."""
    sentence = f"This address answers to {answer.headers['Allow']} alone."
    return error_answer(sentence, "METHOD_NOT_ALLOWED", answer.status_code, Allow=answer.headers["Allow"])
