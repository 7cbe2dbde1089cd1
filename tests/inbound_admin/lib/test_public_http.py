"""One GET to a real server on the loopback address: its bounds, its redirects, and whom it trusts.

What a POST may reach is tested with the webhooks (`tests/notifications/webhooks/test_gateway.py`).
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from inbound_admin.lib.public_http import NoAnswer, Reach, Response, Why, get
from inbound_admin.lib.public_url import parse_url

LOCAL = Reach(5, may_be_private=True)


@dataclass
class Site:
    """A server that answers each path with its status, headers and body, and stores the requests."""

    port: int = 0
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, path: str, reach: Reach = LOCAL) -> Response:
        return get(parse_url(f"http://127.0.0.1:{self.port}{path}", may_be_private=True), reach)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            status, headers, body = made.answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@contextmanager
def _speaking(*pieces: bytes, then_wait: Event | None = None) -> Iterator[int]:
    """Run a server that sends the pieces to any client, then closes, or waits first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                for piece in pieces:
                    connection.sendall(piece)
                if then_wait:
                    then_wait.wait(10)

        thread = Thread(target=speak, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        if then_wait:
            then_wait.set()
        thread.join(5)


def test_a_response_has_status_headers_and_body(site: Site) -> None:
    site.answers["/a?b=c"] = (200, {"Content-Type": "text/plain", "Content-Length": "4"}, b"body")
    got = site.get("/a?b=c")
    assert (got.status, got.headers["content-type"], got.body, got.is_whole) == (200, "text/plain", b"body", True)


def test_any_status_is_a_response(site: Site) -> None:
    site.answers["/"] = (404, {"Content-Length": "0"}, b"")
    assert site.get("/").status == 404


def test_a_long_response_is_read_up_to_the_limit(site: Site) -> None:
    site.answers["/"] = (200, {}, b"x" * 1001)
    got = site.get("/", replace(LOCAL, most_bytes=1000))
    assert (len(got.body), got.is_whole) == (1000, False)
    got = site.get("/", replace(LOCAL, most_bytes=1001))
    assert (len(got.body), got.is_whole) == (1001, True)


def test_a_response_cut_off_is_not_whole() -> None:
    with _speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nversion: STSv1\n") as port:
        got = get(parse_url(f"http://127.0.0.1:{port}/", may_be_private=True), LOCAL)
    assert (got.body, got.is_whole) == (b"version: STSv1\n", False)


def test_a_silent_server_that_announced_close_is_left_in_time() -> None:
    """`http.client` then drops its socket, and with it the socket's own timeout."""
    finished = Event()
    with _speaking(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart", then_wait=finished) as port:
        with pytest.raises(NoAnswer, match=r"within 0\.3 seconds") as caught:
            get(parse_url(f"http://127.0.0.1:{port}/", may_be_private=True), replace(LOCAL, seconds=0.3))
        assert caught.value.why is Why.SLOW


def test_a_redirect_is_followed_only_if_allowed(site: Site) -> None:
    site.answers["/"] = (301, {"Location": "/there", "Content-Length": "0"}, b"")
    site.answers["/there"] = (200, {"Content-Length": "2"}, b"ok")
    assert site.get("/").status == 301
    assert site.asked == ["/"]
    assert site.get("/", replace(LOCAL, redirects=1)).body == b"ok"


def test_the_number_of_redirects_is_limited(site: Site) -> None:
    site.answers["/"] = (302, {"Location": "/", "Content-Length": "0"}, b"")
    assert site.get("/", replace(LOCAL, redirects=3)).status == 302
    assert len(site.asked) == 4


@pytest.mark.parametrize("location", ["ftp://example.com/", "https://user@example.com/", "https://[::1/", "https:///x"])
def test_a_redirect_to_an_invalid_url_is_not_followed(site: Site, location: str) -> None:
    site.answers["/"] = (302, {"Location": location, "Content-Length": "0"}, b"")
    with pytest.raises(NoAnswer) as caught:
        site.get("/", replace(LOCAL, redirects=1))
    assert caught.value.why is Why.REDIRECT


def test_the_target_of_a_redirect_is_resolved_again(site: Site) -> None:
    """Its addresses are checked like those of the first host."""
    site.answers["/"] = (302, {"Location": f"http://second.example:{site.port}/secret", "Content-Length": "0"}, b"")
    known = {"first.example": ("127.0.0.1",), "second.example": ()}
    reach = replace(LOCAL, redirects=1, resolve=lambda host, _port: known[host])
    with pytest.raises(NoAnswer, match=r"second\.example has no IP address"):
        get(parse_url(f"http://first.example:{site.port}/", may_be_private=True), reach)
    assert site.asked == ["/"]


def test_a_name_without_an_address_is_reported() -> None:
    with pytest.raises(NoAnswer, match="has no IP address") as caught:
        get(parse_url("https://nowhere.example/"), replace(LOCAL, resolve=lambda _host, _port: ()))
    assert caught.value.why is Why.NAME


def test_a_failed_lookup_is_reported() -> None:
    def silent(_host: str, _port: int) -> tuple[str, ...]:
        raise OSError("no answer within 2 seconds")

    with pytest.raises(NoAnswer, match="no answer within 2 seconds") as caught:
        get(parse_url("https://slow.example/"), replace(LOCAL, resolve=silent))
    assert caught.value.why is Why.NAME


def test_a_private_address_is_refused(site: Site) -> None:
    with pytest.raises(NoAnswer, match="isn't a public address") as caught:
        site.get("/", replace(LOCAL, may_be_private=False))
    assert (caught.value.why, site.asked) == (Why.PRIVATE, [])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x00\x01garbage\r\n\r\n", r"\000\001garbage"),
        (b"HTTP/\x07\x1b[31m 999999 x\r\n\r\n", r"\007\027[31m 999999 x"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary*1=x; boundary*=x\r\n\r\n", "TypeError"),
    ],
)
def test_what_is_no_http_is_no_answer_and_said_without_its_control_characters(answer: bytes, said: str) -> None:
    with _speaking(answer, then_wait=Event()) as port, pytest.raises(NoAnswer) as caught:
        get(parse_url(f"http://127.0.0.1:{port}/", may_be_private=True), replace(LOCAL, seconds=1))
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_header_values_are_escaped(site: Site) -> None:
    site.answers["/"] = (200, {"Content-Type": "text/\x00plain", "Content-Length": "0"}, b"")
    assert site.get("/").headers["content-type"] == r"text/\000plain"
