"""What every answer says about itself, and that nothing below /api/ answers with a page."""

import itertools
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests.api_client import api_of, operations
from tests.factories import make_member

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
NO_CALLS = ("/api/v2/nothing", "/api/v1.1/nothing/at/all", "/api/nothing/", "/api/v2/domains/", "/api/docs/nothing")


def asked(method: str, path: str, **headers: Any) -> Any:
    """As a program asks that has neither cookie nor token, the CSRF check switched on."""
    return Client(enforce_csrf_checks=True).generic(method, path, **headers)


@pytest.mark.parametrize(("method", "path"), list(itertools.product(METHODS, NO_CALLS)))
def test_an_unknown_path_of_the_api_is_404_in_json_whatever_the_method(method: str, path: str) -> None:
    answer = asked(method, path)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/json"
    if method != "HEAD":
        assert answer.json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", sorted({path for _, path in operations()}))
def test_an_unknown_method_of_a_call_is_405_in_json_with_those_that_there_are(path: str) -> None:
    answer = asked("PROPFIND", path.replace("{", "").replace("}", ""))
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"]


@pytest.mark.parametrize(
    ("method", "path"), list(itertools.product(METHODS[2:], ("/api/", "/api/docs", "/api/openapi.json")))
)
def test_what_describes_the_api_refuses_other_methods_in_json(method: str, path: str) -> None:
    answer = asked(method, path)
    assert answer["Content-Type"].startswith("application/json")
    assert answer.status_code == 405


def test_a_host_that_is_not_ours_is_refused_in_json_below_api() -> None:
    answer = asked("GET", "/api/v2/domains", HTTP_HOST="evil.example")
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED")


@pytest.mark.parametrize("path", ["/api/", "/api/v2/domains", "/api/v2/nothing", "/api/openapi.json", "/api/docs"])
def test_no_answer_of_the_api_is_stored(path: str) -> None:
    known = f"Bearer {api_of(make_member()).secret}"
    for key in (
        {},
        {"HTTP_AUTHORIZATION": known},
        {"HTTP_AUTHORIZATION": "Bearer x"},
    ):
        assert asked("GET", path, **key)["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("domains:list", "private, no-cache"),
        ("account_login", "private, no-store"),
        ("mfa_index", "private, no-store"),
    ],
)
def test_a_page_is_kept_by_its_reader_alone_and_secrets_by_nobody(client: Client, name: str, kept: str) -> None:
    if name != "account_login":
        client.force_login(make_member())
    said = client.get(reverse(name))["Cache-Control"]
    assert "private" in said
    assert kept in said


@pytest.mark.parametrize("path", ["/", "/domains/", "/accounts/login/", "/api/v2/domains", "/nothing", "/healthz"])
def test_every_answer_names_what_no_page_of_ours_uses(client: Client, path: str) -> None:
    answer = client.get(path)
    for feature in ("camera", "microphone", "geolocation", "payment", "usb"):
        assert f"{feature}=()" in answer["Permissions-Policy"]
    assert "clipboard" not in answer["Permissions-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_cookies_are_read_by_no_script_and_sent_with_no_foreign_form(client: Client) -> None:
    member = make_member(password="correct horse battery")
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": member.email, "password": "correct horse battery"})
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        cookie = client.cookies[name]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
