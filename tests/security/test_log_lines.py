"""One event is one line of the log, whatever a stranger puts into it, and no line contains a secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from django.test import Client

from inbound_admin.lib.logs import logging_config

FORGED = 'x\r\n{"level": "critical", "event": "forged"}\u2028\x1b[2J\x85\x0b\x0c{"event": "forged"}'
BREAKS = "\n\r\x0b\x0c\x1b\x85\u2028\u2029"


def formatter_of(*, as_json: bool) -> logging.Formatter:
    given = dict(logging_config(json=as_json, level="INFO")["formatters"]["line"])
    made: logging.Formatter = given.pop("()")(**given)
    return made


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Yield the output of every logger, as in a deployment."""
    formatter = formatter_of(as_json=True)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)


def events(lines: io.StringIO) -> list[dict[str, object]]:
    text = lines.getvalue()
    assert not set(text.replace("\n", "")) & set(BREAKS)
    return [json.loads(line) for line in text.splitlines()]


def test_hostile_text_in_an_event_stays_inside_its_line(lines: io.StringIO) -> None:
    logger = structlog.get_logger("of.a.test")
    logger.warning(FORGED, name=FORGED, deep={FORGED: [FORGED]})
    logging.getLogger("of.a.test").error("Not delivered to %s", FORGED)
    try:
        int(FORGED)
    except ValueError:
        logging.getLogger("of.a.test").exception("Failed")
    found = events(lines)
    assert [each["level"] for each in found] == ["warning", "error", "error"]
    assert found[0]["event"] == FORGED


def test_hostile_text_starts_no_line_in_plain_text_logs() -> None:
    record = logging.LogRecord("of.a.test", logging.ERROR, "x.py", 1, "Not found: %s", (FORGED,), None)
    written = formatter_of(as_json=False).format(record)
    assert "Not found: x\\r\\n{" in written
    assert not set(written) & set(BREAKS)


@pytest.mark.django_db
def test_a_path_with_line_ends_is_one_line(lines: io.StringIO, client: Client) -> None:
    client.get(
        "/%0a%7b%22event%22:%22forged%22%7d%0d%0a%1b%5b2J%e2%80%a8", headers={"User-Agent": FORGED.replace("\r\n", " ")}
    )
    client.get("/api/v2/%0anothing%0d")
    found = events(lines)
    assert len(found) >= 2
    assert not [each for each in found if each["event"] == "forged"]


@pytest.mark.django_db
def test_an_unexpected_error_reveals_its_secret_neither_on_the_page_nor_in_the_log(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    def failing(*_: object) -> None:
        raise RuntimeError(f"could not send {secret} to https://hooks.example/?token={secret}")

    monkeypatch.setattr("inbound_admin.health.late_lanes", failing)
    answer = Client(raise_request_exception=False).get("/healthz")
    assert answer.status_code == 500
    assert secret not in answer.content.decode()
    assert "RuntimeError" in lines.getvalue()
    assert secret not in lines.getvalue()
