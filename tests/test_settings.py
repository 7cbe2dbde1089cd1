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


def test_the_cache_has_room_for_the_counts_of_many_clients() -> None:
    assert settings_said("s.CACHES['default']['OPTIONS']['MAX_ENTRIES']") == "100000"
