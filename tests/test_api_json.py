"""Below /api/ every response is JSON, for any request, any caller and any error."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts.api_keys import api as api_keys
from inbound_admin import staff
from tests.api_client import api_of
from tests.factories import make_member

pytestmark = pytest.mark.django_db
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
UNKNOWN = ("/api/nothing", "/api/v3/domains", "/api/v2", "/api/v2/domains/", "/api/v2/domains/x/y/z", "/api//v2")
FORM = "application/x-www-form-urlencoded"
BODIES = ((b"", ""), (b"a=b", FORM), (b"{}", "application/json"))


def headers_of(who: str, client: Client) -> dict[str, str]:
    user = make_member()
    if who == "session":
        client.force_login(user)
    return {"Authorization": f"Bearer {api_of(user).secret}"} if who == "key" else {}


def program_client() -> Client:
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def code_of(answer: Any) -> str:
    assert answer.headers["Content-Type"].startswith("application/json"), answer.content
    code: str = json.loads(answer.content)["code"]
    return code


@pytest.mark.parametrize("who", ["nobody", "session", "key"])
def test_an_unknown_path_is_404_in_json_for_any_method_and_body(who: str) -> None:
    client = program_client()
    headers = headers_of(who, client)
    for path in UNKNOWN:
        for method in METHODS:
            for body, kind in BODIES:
                answer = client.generic(method, path, body, kind, headers=headers)
                assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND"), (method, path, kind)


@pytest.mark.parametrize("who", ["nobody", "session", "key"])
@pytest.mark.parametrize("path", ["/api/v2/domains", "/api/v1.1/domains", "/api/e2/domains", "/api/docs"])
def test_an_unknown_method_is_405_in_json_with_the_allowed_ones(who: str, path: str) -> None:
    client = program_client()
    headers = headers_of(who, client)
    for method in ("PROPFIND", "DELETE", "TRACE"):
        for body, kind in BODIES:
            answer = client.generic(method, path, body, kind, headers=headers)
            assert (answer.status_code, code_of(answer)) == (405, "METHOD_NOT_ALLOWED"), (method, path, kind)
            assert "GET" in answer.headers["Allow"]


def test_an_error_before_the_operation_or_in_middleware_is_500_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("unforeseen")

    client, key = program_client(), headers_of("key", Client())
    with monkeypatch.context() as broken:
        broken.setattr(api_keys, "_extract_reason", fail)
        answer = client.generic("POST", "/api/v2/domains", b"{}", "application/json", headers=key)
        assert (answer.status_code, code_of(answer)) == (500, "INTERNAL")
    monkeypatch.setattr(staff, "is_session_expired", fail)
    answer = client.get("/api/v2/domains", headers=key)
    assert (answer.status_code, code_of(answer)) == (500, "INTERNAL")
    assert client.get("/domains/").headers["Content-Type"].startswith("text/html")


def test_a_request_that_django_rejects_is_400_in_json() -> None:
    answer = program_client().get("/api/v2/domains", headers={"Host": "else where"})
    assert (answer.status_code, code_of(answer)) == (400, "MALFORMED")


DEEP = b'{"reason": ' + b"[" * 200_000
WHOLE = DEEP + b"]" * 200_000 + b"}"


@pytest.mark.parametrize("body", [DEEP, WHOLE, WHOLE.replace(b"reason", b"domain")])
@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("POST", "/api/v2/domains", (400,)),
        ("PATCH", "/api/v2/domains/x", (400, 404)),
        ("POST", "/api/v2/webhooks/x/test", (400, 404)),
        ("POST", "/api/v2/alerts/x/acknowledge", (400, 404)),
        ("DELETE", "/api/v2/domains/x", (400, 404)),
    ],
)
def test_a_body_that_is_nested_too_deeply_is_no_fault_of_ours(
    body: bytes, method: str, path: str, statuses: tuple[int, ...]
) -> None:
    headers = headers_of("key", Client())
    for more in ({}, {"Idempotency-Key": "k"}):
        answer = program_client().generic(method, path, body, "application/json", headers=headers | more)
        assert answer.status_code in statuses, answer.content
        assert code_of(answer) in ("MALFORMED", "NOT_FOUND")
