"""What one recipient, endpoint or sender does to a message holds up nobody else's delivery or report."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from receiving import forwards, webhooks
from receiving.events import Arrival, read_event
from receiving.handler import NO_TIME, Receiver, Undelivered
from receiving.markers import FOLDER, _mark
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
    right, (arrival,) = s3.get_object, read_event(event("orders@nora.com"))
    assert isinstance(arrival, Arrival)
    broken = _mark(arrival, "orders@nora.com")

    def get_object(**given: Any) -> Any:
        if given["Key"] == broken:
            raise ValueError("no")
        return right(**given)

    monkeypatch.setattr(s3, "get_object", get_object)
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


def test_an_endpoint_that_does_not_answer_is_called_once_in_an_attempt(
    function: Function, site: Site, two: dict[str, Any]
) -> None:
    names = [f"a{number}@nora.com" for number in range(8)]
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:  # it accepts nothing, so nobody answers
        for name in names:
            site.set_route(name, endpoint("nora", url=f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        with pytest.raises(Undelivered, match="ep_nora"):
            function.changed(webhook_seconds=0.2)(event(*names, "help@tom.com"))
        listener.accept()[0].close()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert site.outcomes == {"help@tom.com": "delivered"} | dict.fromkeys(names, "failed")
    assert {each["endpointId"] for each in site.reports} == {"ep_nora", "ep_tom"}


def test_what_there_is_no_time_for_is_reported_before_lambda_ends_the_attempt(
    function: Function, site: Site, webhook: Server, two: dict[str, Any]
) -> None:
    left = iter([100.0, 1.0])
    receiver = Receiver(function.deployment, function.client, lambda: next(left))
    with pytest.raises(Undelivered, match=NO_TIME):
        receiver.handle(event("orders@nora.com", "help@tom.com"))
    assert len(webhook.got) == 1
    (late,) = [each for each in site.reports if each["outcome"] == "failed"]
    assert (late["endpointId"], late["problem"]) == (None, NO_TIME)
    function(event("orders@nora.com", "help@tom.com"))
    assert sorted(path for path, _, _ in webhook.got) == ["/nora", "/tom"]


def test_the_last_endpoint_of_a_message_is_the_first_in_another_attempt(
    function: Function, site: Site, webhook: Server
) -> None:
    names = [f"a{number}@shop.com" for number in range(3)]
    function.store(MESSAGE, RAW)
    for name in names:
        site.set_route(name, endpoint(name, url=f"{webhook.url}/{name}"))
    first = set()
    for number in range(14):
        function.store(f"m{number}", RAW)
        function(event(*names, message=f"m{number}"))
        first.add(webhook.got[3 * number][0])
    assert len(first) > 1


def test_what_an_earlier_attempt_delivered_is_reported_as_not_read(
    function: Function, site: Site, two: dict[str, Any]
) -> None:
    two["config"]["url"] = "http://127.0.0.1:9/"
    for _ in range(2):
        with pytest.raises(Undelivered, match="ep_nora"):
            function(event("orders@nora.com", "help@tom.com"))
    assert [each["bytes"] for each in site.reports if each["outcome"] == "delivered"] == [len(RAW), None]
