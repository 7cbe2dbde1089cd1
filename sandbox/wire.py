"""The HTTP server: moto's application behind one lock, the control API, and connections cut on request."""

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, ClassVar

from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.aws import mail_manager
from sandbox.aws.events import CERTIFICATE_PATH, CONFIRM, certificate, confirm
from sandbox.aws.faults import ConnectionCut
from sandbox.aws.gate import EXIT_HEADER, SLOW_HEADER
from sandbox.aws.state import WORLD
from sandbox.mail import sink

# No browser calls the fake AWS, and the headers for it cost a tenth of a call.
werkzeug_app.DISABLE_GLOBAL_CORS = True  # type: ignore[attr-defined]  # imported there, and read when an app is made
CONTROL_PATH = "/_sandbox/"
CONNECT_PATH = "/_connect/"
# The control API: a method's name and a JSON object of arguments, answered with JSON.
Control = Callable[[str, dict[str, Any]], object]
# A Domain Connect host answers a request with a status, headers and a body.
Answer = tuple[str, list[tuple[str, str]], bytes]
ConnectHost = Callable[[dict[str, Any]], Answer]
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Handler(MotoRequestHandler):
    """Keep the connection for the next call, as AWS does. werkzeug opens one and a thread for each: half of a call."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body
    kept: ClassVar[set[socket.socket]]

    def setup(self) -> None:
        super().setup()
        self.kept.add(self.connection)

    def finish(self) -> None:
        self.kept.discard(self.connection)
        super().finish()

    def handle_expect_100(self) -> bool:
        """Send the go-ahead at once. boto3 otherwise waits for a second before it sends an object's body to S3."""
        goes_ahead = super().handle_expect_100()
        self.wfile.flush()
        return goes_ahead

    def run_wsgi(self) -> None:
        """Read the whole request, so that the next one begins after it. Of a chunked one werkzeug finds the end."""
        if "Transfer-Encoding" in self.headers:
            super().run_wsgi()
            return
        environ = self.make_environ()
        environ["wsgi.input"] = io.BytesIO(self.rfile.read(_length(environ)))
        try:
            self._send(*_answered(self.server.app, environ))
        except ConnectionError:
            self.close_connection = True

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Don't log: the calls are in the control API's log."""


def _answered(application: Any, environ: Environ) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], object]:
        started.append((status, headers))
        return lambda _written: None

    chunks = application(environ, start)
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    return *started[0], body


class Application:
    def __init__(self, control: Control, connect: ConnectHost, exit_process: Callable[[], None] | None) -> None:
        self._aws = DomainDispatcherApplication(create_backend_app)
        self._control = control
        self._connect = connect
        self._exit_process = exit_process

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(CONTROL_PATH):
            return self._answer_control(environ, start_response)
        try:
            answered = self._answer_beside_aws(path, environ) or self._answer_aws(environ)
        except ConnectionCut:
            return _cut(environ)
        return self._deliver(start_response, *answered)

    def _answer_beside_aws(self, path: str, environ: Environ) -> Answer | None:
        """Answer what moto doesn't serve: other hosts, SNS's own pages, Mail Manager. None for the rest."""
        query, target = environ.get("QUERY_STRING", ""), environ.get("HTTP_X_AMZ_TARGET", "")
        if path.startswith(CONNECT_PATH):
            return self._connect(environ)
        if path.startswith(sink.PATH):
            return _answer_sink(environ)
        if path == CERTIFICATE_PATH:
            return "200 OK", [], certificate(WORLD.clock.now())
        if query.startswith(CONFIRM):
            status, body = confirm(query)
            return status, [], body
        return _answer_mail_manager(target, environ) if target.startswith(mail_manager.TARGET) else None

    def _answer_aws(self, environ: Environ) -> Answer:
        """Build the whole response under the lock, since moto's server isn't thread-safe."""
        with WORLD.lock:
            return _answered(self._aws, environ)

    def _deliver(
        self, start_response: StartResponse, status: str, headers: list[tuple[str, str]], body: bytes
    ) -> list[bytes]:
        marks = {name.lower(): value for name, value in headers}
        if SLOW_HEADER in marks:
            time.sleep(float(marks[SLOW_HEADER]))
        if EXIT_HEADER in marks and self._exit_process:
            self._exit_process()
        dropped = (SLOW_HEADER, "content-length", "connection")
        kept = [(name, value) for name, value in headers if name.lower() not in dropped]
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    def _answer_control(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        method = environ["PATH_INFO"].removeprefix(CONTROL_PATH)
        sent = environ["wsgi.input"].read(_length(environ))
        try:
            answer, status = self._control(method, json.loads(sent or b"{}")), "200 OK"
        except (ValueError, TypeError, LookupError) as problem:
            answer, status = {"error": type(problem).__name__, "message": _sentence(problem)}, "400 Bad Request"
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def _length(environ: Environ) -> int:
    return int(environ.get("CONTENT_LENGTH") or 0)


def _sentence(problem: Exception) -> str:
    """Return the sentence; `str` would quote a KeyError's text."""
    return str(problem.args[0]) if problem.args else str(problem)


def _cut(environ: Environ) -> list[bytes]:
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("cut on demand")


class HttpServer:
    """Serves in its own thread from `start` to `stop`."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        self._kept: set[socket.socket] = set()
        handler = type("Handler", (Handler,), {"kept": self._kept})
        self._server: BaseWSGIServer = make_server(host, port, application, threaded=True, request_handler=handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="aws", daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Close a server that was never started."""
        self._server.server_close()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in tuple(self._kept):
            with suppress(OSError):  # its client closed it
                connection.shutdown(socket.SHUT_RDWR)


def _answer_sink(environ: Environ) -> Answer:
    headers = {key[5:].replace("_", "-").lower(): str(value) for key, value in environ.items() if key[:5] == "HTTP_"}
    sent = environ["wsgi.input"].read(_length(environ))
    status = sink.take(environ["PATH_INFO"].removeprefix(sink.PATH), headers, sent)
    status_line, text = ("200 OK", "Received.") if status == 200 else ("500 Internal Server Error", sink.REFUSAL)
    return status_line, [("Content-Type", "text/plain")], text.encode()


def _answer_mail_manager(target: str, environ: Environ) -> Answer:
    operation, sent = target.removeprefix(mail_manager.TARGET), environ["wsgi.input"].read(_length(environ))
    with WORLD.lock:
        return mail_manager.answer(operation, environ.get("HTTP_AUTHORIZATION", ""), sent)
