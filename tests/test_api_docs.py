"""docs/api.md and docs/webhooks.md: each documented call works, and the documented signature check is correct."""

import re
import shlex
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from standardwebhooks import Webhook

from sandbox.process import Sandbox
from tests.api_client import api_of, description, expire_waits
from tests.api_rows import make_world

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).resolve().parents[1] / "docs"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLBjj"


def _commands() -> list[tuple[str, int]]:
    """Return each curl of the document with the status that its comment expects; 0: any success."""
    text = (DOCS / "api.md").read_text().replace("\\\n", " ")
    found = re.findall(r"^ {4,}(curl .+?)(?: +# (\d{3}))?$", text, re.MULTILINE)
    return [(command, int(status or 0)) for command, status in found]


def _answer(command: str, values: dict[str, str]) -> Any:
    """Make the call that curl would make."""
    for name, value in values.items():
        command = command.replace(f"${name}", value)
    words = shlex.split(command)[1:]
    options = {"-X": "GET", "-d": ""}
    headers, url = [], ""
    while words:
        word = words.pop(0)
        if word == "-H":
            headers.append(words.pop(0).split(": ", 1))
        elif word in options:
            options[word] = words.pop(0)
        elif word != "-i":
            url = word
    path = url.removeprefix("https://panel.example.com")
    given = {name: value for name, value in headers if name != "Content-Type"}
    return Client().generic(options["-X"], path, options["-d"].encode(), "application/json", headers=given)


def test_each_documented_call_works(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    expire_waits(monkeypatch)
    settings.API_WAIT_SECONDS, settings.WEBHOOKS_MAY_BE_PRIVATE = 0, False
    world = make_world()
    world.domain.name = "shop.example.com"
    world.domain.save()
    secret = api_of(world.alice).secret
    values = {
        "API": "https://panel.example.com/api/v2",
        "KEY": f"Authorization: Bearer {secret}",
        "JSON": "Content-Type: application/json",
        "DOMAIN": world.domain.pk,
        "ENDPOINT": world.endpoint.pk,
    }
    commands = _commands()
    assert len(commands) >= 10
    for command, status in commands:
        mine = '"domain": "shop.example.com"'  # exists already
        answer = _answer(command.replace(mine, mine.replace("shop", "other")), values)
        assert answer.status_code == status or (not status and answer.status_code < 300), (command, answer.content)


def test_each_path_of_the_table_exists() -> None:
    paths = {re.sub(r"\{\w+\}", "{id}", path.removeprefix("/api/v2/")) for path in description()["paths"]}
    table = (DOCS / "api.md").read_text().partition("## Calls beyond")[2].partition("## Compatibility")[0]
    for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row)
        named = [first, *others]
        for name in named:
            end = re.sub(r"\{\w+\}", "{id}", name)
            assert any(path == end or path.endswith(end) for path in paths), name


def test_the_documented_signature_check_follows_the_standard() -> None:
    text = (DOCS / "webhooks.md").read_text()
    code = re.search(r"^    import base64.+?\n(?=\n\S)", text, re.MULTILINE | re.DOTALL)
    assert code
    namespace: dict[str, Any] = {}
    exec(textwrap.dedent(code[0]), namespace)  # noqa: S102  # the document is ours
    is_genuine: Callable[[dict[str, str], bytes, str], bool] = namespace["is_genuine"]
    now, body = datetime.now(UTC), '{"type": "domain.verified"}'
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": f"v1,b3RoZXI= {Webhook(SECRET).sign('evt_1', now, body)}",
    }
    assert is_genuine(headers, body.encode(), SECRET)
    assert not is_genuine(headers, body.encode() + b" ", SECRET)
    assert not is_genuine(headers | {"webhook-id": "evt_2"}, body.encode(), SECRET)
    assert not is_genuine(headers | {"webhook-timestamp": "1700000000"}, body.encode(), SECRET)
    assert not is_genuine(headers | {"webhook-signature": "v1,b3RoZXI="}, body.encode(), SECRET)
