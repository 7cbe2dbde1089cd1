"""Two local servers: Inbound Admin's API, scripted, and a webhook that stores its requests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

BUCKET = "inbound-mail"


class Server(ThreadingHTTPServer):
    """Returns `statuses` first, one for each request, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.location = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return {}

    def refuses(self, body: bytes) -> bool:
        return False


class Site(Server):
    """`routes` are the results of the route lookup by recipient; other recipients have no owner."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: dict[str, dict[str, Any]] = {}
        self.lookups: list[list[str]] = []
        self.reports: list[dict[str, Any]] = []
        self.unacceptable = ""  # what Inbound Admin's validation refuses, wherever it stands in the request

    def refuses(self, body: bytes) -> bool:
        return bool(self.unacceptable) and self.unacceptable in body.decode()

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/api/v2/deliveries":
            self.reports += body["deliveries"]
            return {"accepted": len(body["deliveries"])}
        self.lookups.append(body["recipients"])
        return {"data": [self._route(each) for each in body["recipients"]]}

    def set_route(self, recipient: str, endpoint: dict[str, Any] | None, *, waits: bool = False) -> None:
        self.routes[recipient] = {"endpoint": endpoint, "awaitsConfirmation": waits}

    @property
    def outcomes(self) -> dict[str, str]:
        """Return the last reported outcome of each recipient."""
        return {each: report["outcome"] for report in self.reports for each in report["recipients"]}

    def _route(self, recipient: str) -> dict[str, Any]:
        found = self.routes.get(recipient, {"endpoint": None, "awaitsConfirmation": False})
        return {"recipient": recipient, "stores": [{"bucket": BUCKET, "prefix": ""}], **found}


class _Request(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:  # the name is the standard library's
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        status = 400 if self.server.refuses(body) else status
        result = self.server.answer(self.path, json.loads(body)) if status == 200 else {"error": "not now"}
        if status == 200:
            self.server.got.append((self.path, dict(self.headers.items()), body))
        answer = json.dumps(result).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:  # a client that follows a redirect would send it
        self.server.got.append((self.path, {}, b"{}"))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def running(server: Server) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
