"""What settings make of the environment, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def settings_said(what: str, **environment: str) -> str:
    ask = f"from inbound_admin import settings as s; print({what})"
    told = {**os.environ, "SANDBOX": "1", **environment}
    command = [sys.executable, "-c", ask]
    return subprocess.run(command, check=True, cwd=ROOT, env=told, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(("behind_proxy", "told"), [("1", "1 True"), ("0", "0 False")])
def test_a_proxy_is_believed_only_where_there_is_one(behind_proxy: str, told: str) -> None:
    asked = "s.ALLAUTH_TRUSTED_PROXY_COUNT, bool(s.SECURE_PROXY_SSL_HEADER)"
    assert settings_said(asked, BEHIND_PROXY=behind_proxy) == told


@pytest.mark.parametrize(("sandbox", "asked"), [("1", "False"), ("0", "True")])
def test_a_second_factor_is_asked_of_staff_wherever_it_is_no_sandbox(sandbox: str, asked: str) -> None:
    told = {"SANDBOX": sandbox, "DEBUG": "0", "SECRET_KEY": "of a test"}
    assert settings_said("s.STAFF_MFA_REQUIRED", **told) == asked


def test_the_cache_has_room_for_the_counts_of_many_clients() -> None:
    assert settings_said("s.CACHES['default']['OPTIONS']['MAX_ENTRIES']") == "100000"


HSTS = "s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS, s.SECURE_HSTS_PRELOAD"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"HTTPS": "0"}, "0 False False"),
        ({"HTTPS": "1"}, "3600 False False"),
        ({"HTTPS": "1", "HSTS_SECONDS": "31536000"}, "31536000 False False"),
        ({"HTTPS": "1", "HSTS_INCLUDE_SUBDOMAINS": "1", "HSTS_PRELOAD": "1"}, "3600 True True"),
    ],
)
def test_hsts_begins_with_an_hour_and_each_further_step_is_asked_for(environment: dict[str, str], told: str) -> None:
    assert settings_said(HSTS, **environment) == told


@pytest.mark.parametrize("https", [True, False])
def test_cookies_go_over_https_alone_where_there_is_https(https: bool) -> None:
    told = settings_said("s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE", HTTPS=str(int(https)))
    assert told == f"{https} {https}"


def test_the_patience_with_a_silent_database_stands_in_its_url_or_is_half_a_minute() -> None:
    asked = "s.DATABASES['default']['OPTIONS']['tcp_user_timeout'], s.DATABASES['default']['OPTIONS']['connect_timeout']"
    assert settings_said(asked, DATABASE_URL="postgres://x@y/z") == "25000 10"
    assert settings_said(asked, DATABASE_URL="postgres://x@y/z?tcp_user_timeout=60000") == "60000 10"
