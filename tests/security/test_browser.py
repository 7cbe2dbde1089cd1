"""The security headers of every page, and the limit of password attempts."""

import pytest
from django.test import Client

from tests.factories import make_member

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/accounts/login/", "/nothing", "/healthz", "/api/docs", "/domains/"])
def test_no_page_runs_foreign_scripts_or_is_framed(client: Client, path: str) -> None:
    client.force_login(make_member())
    header = client.get(path)["Content-Security-Policy"]
    policy = {name: values.split() for name, _, values in (each.strip().partition(" ") for each in header.split(";"))}
    assert policy["default-src"] == ["'self'"]
    assert policy.get("script-src", ["'self'"]) == ["'self'"]
    assert policy["frame-ancestors"] == policy["object-src"] == ["'none'"]
    assert policy["base-uri"] == policy["form-action"] == ["'self'"]
    assert "unsafe" not in header


def sign_in(email: str, password: str) -> bool:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": password})
    return "_auth_user_id" in client.session


def test_after_a_few_wrong_passwords_the_correct_one_is_refused() -> None:
    alice, bob = (make_member(password="correct horse battery") for _ in range(2))
    assert sign_in(alice.email, "correct horse battery")
    for number in range(5):
        assert not sign_in(alice.email, f"wrong {number}")
    assert not sign_in(alice.email, "correct horse battery")
    assert sign_in(bob.email, "correct horse battery")
