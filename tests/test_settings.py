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


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("WORKER_JOBS", "abc", "WORKER_JOBS is “abc”. It must be a whole number."),
        ("AWS_CALLS_PER_SECOND", "one", "AWS_CALLS_PER_SECOND is “one”. It must be a number."),
        ("STAFF_MFA_REQUIRED", "enabled", "STAFF_MFA_REQUIRED is “enabled”. It must be 1 or 0."),
        ("SANDBOX", "ture", "SANDBOX is “ture”. It must be 1 or 0."),
        ("LOG_LEVEL", "verbose", "LOG_LEVEL is “VERBOSE”. It must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        ("EMAIL_URL", "mail.acme.com", "EMAIL_URL can't be read. Enter a URL, such as smtp+tls://"),
        ("EMAIL_URL", "", "EMAIL_URL can't be read."),
        ("DATABASE_URL", "mysql://x:secret@y/z", "DATABASE_URL isn't the URL of a PostgreSQL database"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL isn't the URL of a PostgreSQL database"),
        ("DATABASE_URL", "", "DATABASE_URL isn't the URL of a PostgreSQL database"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_in_one_sentence(name: str, value: str, sentence: str) -> None:
    command = [sys.executable, "manage.py", "check"]
    environment = {**os.environ, "SANDBOX": "1", name: value}
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(sentence)
    assert len(done.stderr.strip().splitlines()) == 1
    assert "secret" not in done.stderr


def test_a_number_or_switch_left_blank_has_its_default() -> None:
    assert print_settings("s.WORKER_JOBS, s.OPEN_SIGN_UP", WORKER_JOBS="", OPEN_SIGN_UP=" ") == "4 False"


@pytest.mark.parametrize("command", ["reseal", "worker", "migrate", "doctor"])
def test_a_command_ends_in_one_sentence_where_the_database_is_gone(command: str) -> None:
    environment = {**os.environ, "SANDBOX": "1", "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
    done = subprocess.run(
        [sys.executable, "manage.py", command], check=False, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "The database doesn't respond" in done.stderr + done.stdout
