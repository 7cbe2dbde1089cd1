"""What settings read from the environment, each in its own process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def print_settings(what: str, **environment: str) -> str:
    script = f"from inbound_admin import settings as s; print({what})"
    full_environment = {**os.environ, "SANDBOX": "1", **environment}
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, check=True, cwd=ROOT, env=full_environment, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(("behind_proxy", "printed"), [("1", "1 True"), ("0", "0 False")])
def test_a_proxy_is_trusted_only_if_configured(behind_proxy: str, printed: str) -> None:
    expression = "s.ALLAUTH_TRUSTED_PROXY_COUNT, bool(s.SECURE_PROXY_SSL_HEADER)"
    assert print_settings(expression, BEHIND_PROXY=behind_proxy) == printed


@pytest.mark.parametrize(("sandbox", "required"), [("1", "False"), ("0", "True")])
def test_a_second_factor_is_required_of_staff_outside_the_sandbox(sandbox: str, required: str) -> None:
    environment = {"SANDBOX": sandbox, "DEBUG": "0", "SECRET_KEY": "of a test"}
    assert print_settings("s.STAFF_MFA_REQUIRED", **environment) == required


def test_the_cache_has_room_for_many_clients() -> None:
    assert print_settings("s.CACHES['default']['OPTIONS']['MAX_ENTRIES']") == "100000"


HSTS = "s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS, s.SECURE_HSTS_PRELOAD"


@pytest.mark.parametrize(
    ("environment", "printed"),
    [
        ({"HTTPS": "0"}, "0 False False"),
        ({"HTTPS": "1"}, "3600 False False"),
        ({"HTTPS": "1", "HSTS_SECONDS": "31536000"}, "31536000 False False"),
        ({"HTTPS": "1", "HSTS_INCLUDE_SUBDOMAINS": "1", "HSTS_PRELOAD": "1"}, "3600 True True"),
    ],
)
def test_hsts_starts_with_an_hour_and_further_steps_are_opt_in(environment: dict[str, str], printed: str) -> None:
    assert print_settings(HSTS, **environment) == printed


@pytest.mark.parametrize("https", [True, False])
def test_cookies_require_https_where_it_is_used(https: bool) -> None:
    printed = print_settings("s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE", HTTPS=str(int(https)))
    assert printed == f"{https} {https}"


def test_the_database_timeouts_come_from_the_url_or_the_defaults() -> None:
    options = "s.DATABASES['default']['OPTIONS']"
    expression = f"{options}['tcp_user_timeout'], {options}['connect_timeout']"
    assert print_settings(expression, DATABASE_URL="postgres://x@y/z") == "25000 10"
    assert print_settings(expression, DATABASE_URL="postgres://x@y/z?tcp_user_timeout=60000") == "60000 10"
