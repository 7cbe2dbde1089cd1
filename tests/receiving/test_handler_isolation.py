"""What one recipient, endpoint or sender does to a message holds up nobody else's delivery or report."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from receiving import forwards, webhooks
from receiving.handler import Undelivered
from receiving.markers import FOLDER
from tests.receiving.conftest import Function
from tests.receiving.servers import BUCKET, Server, Site
from tests.receiving.test_handler import MESSAGE, RAW, endpoint, event


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A webhook that speaks no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


@pytest.fixture
def two(site: Site, webhook: Server, function: Function) -> dict[str, Any]:
    """Two customers' recipients of one message: nora's endpoint, which a test breaks, then tom's."""
    nora = endpoint("nora", url=f"{webhook.url}/nora", payload="standard")
    site.set_route("orders@nora.com", nora)
    site.set_route("help@tom.com", endpoint("tom", url=f"{webhook.url}/tom", payload="standard"))
    function.store(MESSAGE, RAW)
    return nora


def test_a_message_with_an_unreadable_header_is_delivered_to_everybody(
    function: Function, site: Site, webhook: Server, two: dict[str, Any]
) -> None:
    function.store(MESSAGE, b"X-Any: =?\xe9?b?YQ==?=\r\n" + RAW)
    function(event("orders@nora.com", "help@tom.com"))
    assert site.outcomes == {"orders@nora.com": "delivered", "help@tom.com": "delivered"}
    assert webhook.bodies[0]["data"]["headers"]["x-any"] == ["=?\N{REPLACEMENT CHARACTER}?b?YQ==?="]


def test_any_exception_for_one_endpoint_is_its_failure_and_is_reported(
    function: Function, site: Site, webhook: Server, two: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = webhooks.body

    def body(arrival: Any, letter: Any, to: Any, *rest: Any) -> bytes:
        if to["id"] == "ep_nora":
            raise RecursionError("too deep")
        return right(arrival, letter, to, *rest)

    monkeypatch.setattr(webhooks, "body", body)
    with pytest.raises(Undelivered, match="ep_nora: The delivery failed unexpectedly: RecursionError: too deep"):
        function(event("orders@nora.com", "help@tom.com"))
    assert site.outcomes == {"orders@nora.com": "failed", "help@tom.com": "delivered"}
    monkeypatch.undo()
    function(event("orders@nora.com", "help@tom.com"))
    assert [path for path, _, _ in webhook.got] == ["/tom", "/nora"]


def test_an_exception_in_forwarding_is_that_endpoints_failure(
    function: Function, site: Site, two: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.set_route("orders@nora.com", endpoint("mail", "email", forwardTo="n@else.example"))

    def fails(*_: Any) -> bytes:
        raise TypeError

    monkeypatch.setattr(forwards, "rewritten", fails)
    with pytest.raises(Undelivered, match="TypeError"):
        function.changed(forward_from="us@shop.com")(event("orders@nora.com", "help@tom.com"))
    assert site.outcomes == {"orders@nora.com": "failed", "help@tom.com": "delivered"}


def test_an_answer_that_is_no_http_is_reported_without_its_control_characters(
    function: Function, site: Site, two: dict[str, Any]
) -> None:
    with saying(b"HTTP/\x07\x1b[31m 999999 x\r\n\r\n") as url:
        two["config"]["url"] = url
        with pytest.raises(Undelivered, match="ep_nora"):
            function(event("orders@nora.com", "help@tom.com"))
    problems = {report["endpointId"]: report["problem"] for report in site.reports}
    assert problems["ep_tom"] == ""
    assert "[31m 999999 x" in problems["ep_nora"]
    assert problems["ep_nora"].isprintable()


def test_a_report_that_is_not_accepted_keeps_no_other_out(function: Function, site: Site, two: dict[str, Any]) -> None:
    site.unacceptable = '"endpointId": "ep_nora"'
    with pytest.raises(Undelivered, match="answered 400"):
        function(event("orders@nora.com", "help@tom.com"))
    assert site.outcomes == {"help@tom.com": "delivered"}


def test_a_recipient_that_the_look_up_does_not_accept_fails_alone(
    function: Function, site: Site, webhook: Server, two: dict[str, Any]
) -> None:
    site.unacceptable = "odd"
    with pytest.raises(Undelivered, match="route-lookup"):
        function(event("odd@nora.com", "help@tom.com"))
    assert [path for path, _, _ in webhook.got] == ["/tom"]
    assert site.outcomes == {"help@tom.com": "delivered"}


def test_a_mark_that_cannot_be_read_fails_its_endpoint_alone(
    function: Function, site: Site, webhook: Server, two: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = function.client("s3")
    right, asked = s3.head_object, []

    def head_object(**given: Any) -> Any:
        asked.append(given)
        if len(asked) == 1:
            raise ValueError("no")
        return right(**given)

    monkeypatch.setattr(s3, "head_object", head_object)
    with pytest.raises(Undelivered, match="ep_nora"):
        function(event("orders@nora.com", "help@tom.com"))
    assert site.outcomes == {"orders@nora.com": "failed", "help@tom.com": "delivered"}


def test_a_note_that_cannot_be_read_delays_no_other(
    function: Function, site: Site, webhook: Server, two: dict[str, Any]
) -> None:
    s3 = function.client("s3")
    site.set_route("help@tom.com", None, waits=True)
    function(event("help@tom.com"))
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}waiting/0", Body=json.dumps(["no note"]).encode())
    site.set_route("help@tom.com", endpoint("tom", url=webhook.url, payload="standard"))
    function({"inboundAdmin": {"lookAgain": True}})
    assert site.outcomes == {"help@tom.com": "delivered"}
