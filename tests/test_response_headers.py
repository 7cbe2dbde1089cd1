"""The headers of every response, and that everything below /api/ is JSON."""

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
UNKNOWN_PATHS = (
    "/api/v2/nothing",
    "/api/v1.1/nothing/at/all",
    "/api/nothing/",
    "/api/v2/domains/",
    "/api/docs/nothing",
)


def call(method: str, path: str, **headers: Any) -> Any:
    """Call without cookie and token, with the CSRF check on."""
    return Client(enforce_csrf_checks=True).generic(method, path, **headers)


@pytest.mark.parametrize(("method", "path"), list(itertools.product(METHODS, UNKNOWN_PATHS)))
def test_an_unknown_api_path_is_404_in_json_for_any_method(method: str, path: str) -> None:
    answer = call(method, path)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/json"
    if method != "HEAD":
        assert answer.json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", sorted({path for _, path in operations()}))
def test_an_unknown_method_is_405_in_json_with_the_allowed_ones(path: str) -> None:
    answer = call("PROPFIND", path.replace("{", "").replace("}", ""))
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"]


@pytest.mark.parametrize(
    ("method", "path"), list(itertools.product(METHODS[2:], ("/api/", "/api/docs", "/api/openapi.json")))
)
def test_the_description_pages_refuse_other_methods_in_json(method: str, path: str) -> None:
    answer = call(method, path)
    assert answer["Content-Type"].startswith("application/json")
    assert answer.status_code == 405


def test_an_unknown_host_is_400_in_json_below_api() -> None:
    answer = call("GET", "/api/v2/domains", HTTP_HOST="evil.example")
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED")


@pytest.mark.parametrize("path", ["/api/", "/api/v2/domains", "/api/v2/nothing", "/api/openapi.json", "/api/docs"])
def test_api_responses_are_not_stored(path: str) -> None:
    known = f"Bearer {api_of(make_member()).secret}"
    for key in (
        {},
        {"HTTP_AUTHORIZATION": known},
        {"HTTP_AUTHORIZATION": "Bearer x"},
    ):
        assert call("GET", path, **key)["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("domains:list", "private, no-cache"),
        ("account_login", "private, no-store"),
        ("mfa_index", "private, no-store"),
    ],
)
def test_pages_are_cached_privately_and_secrets_not_at_all(client: Client, name: str, kept: str) -> None:
    if name != "account_login":
        client.force_login(make_member())
    policy = client.get(reverse(name))["Cache-Control"]
    assert "private" in policy
    assert kept in policy


@pytest.mark.parametrize("path", ["/", "/domains/", "/accounts/login/", "/api/v2/domains", "/nothing", "/healthz"])
def test_every_response_disables_unused_browser_features(client: Client, path: str) -> None:
    answer = client.get(path)
    for feature in ("camera", "microphone", "geolocation", "payment", "usb"):
        assert f"{feature}=()" in answer["Permissions-Policy"]
    assert "clipboard" not in answer["Permissions-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_cookies_are_httponly_and_samesite(client: Client) -> None:
    member = make_member(password="correct horse battery")
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": member.email, "password": "correct horse battery"})
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        cookie = client.cookies[name]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
