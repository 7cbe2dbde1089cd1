"""A network with a fault at one call: it replaces botocore's transport, and that of webhooks."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from inbound_admin.lib.public_http import NoAnswer, Response, Why
from inbound_admin.lib.public_url import PublicUrl

Send = Callable[[Any], Any]
JSON_SERVICES = ("/v2/email", "/2015-03-31/functions")  # answer in JSON; the others in XML
Act = Callable[[Send, Any], Any]


@dataclass
class Wire:
    """Counts calls. `act` answers call number `at` instead of the network."""

    at: int = 0
    act: Act | None = None
    before: Callable[[], None] | None = None
    calls: list[str] = field(default_factory=list)
    _looks: bool = False

    def send(self, plain: Send, request: Any) -> Any:
        if self._looks:  # the read of the pages also calls AWS
            return plain(request)
        if self.before:
            self._looks = True
            self.before()
            self._looks = False
        self.calls.append(name_of(request))
        if self.act and len(self.calls) == self.at:
            return self.act(plain, request)
        return plain(request)


@contextmanager
def standing(wire: Wire) -> Iterator[Wire]:
    """Install the wire. Earlier sockets are closed first: after a fork they are the parent's."""
    plain, seen = URLLib3Session.send, set[int]()
    gateway: Any = import_module("notifications.webhooks.gateway")
    post = gateway.public_post

    def send(session: Any, request: Any) -> Any:
        if id(session) not in seen:
            session._manager.clear()
        seen.add(id(session))
        return wire.send(lambda asked: plain(session, asked), request)

    def send_webhook(target: Any, body: bytes, reach: Any, **more: Any) -> Any:
        return wire.send(lambda asked: post(asked, body, reach, **more), target)

    URLLib3Session.send = send  # type: ignore[method-assign,assignment]  # the seam
    gateway.public_post = send_webhook
    try:
        yield wire
    finally:
        URLLib3Session.send = plain  # type: ignore[method-assign]
        gateway.public_post = post


def name_of(request: Any) -> str:
    """Return the operation of a request: method and path, or the query's action."""
    if is_webhook(request):
        return "POST to a webhook"
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    action = next((part[7:] for part in body.split(b"&") if part.startswith(b"Action=")), b"")
    path = str(request.url).split("://", 1)[-1].partition("/")[2].partition("?")[0]
    return action.decode() or f"{request.method} /{path}"


def is_webhook(request: Any) -> bool:
    return isinstance(request, PublicUrl)


def refuse(status: int, code: str) -> Act:
    """Return an error response; nothing was applied."""
    return lambda plain, request: _answer(request, status, code)


def _answer(request: Any, status: int, code: str) -> Any:
    if is_webhook(request):
        return Response(status, {}, code.encode(), is_whole=True)
    said = "A fault that was ordered."
    if any(path in request.url for path in JSON_SERVICES):
        headers: Any = {"x-amzn-errortype": code, "content-type": "application/json"}
        body = f'{{"message": "{said}"}}'
    else:
        headers = {"content-type": "text/xml"}
        inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{said}</Message></Error>"
        body = f"<ErrorResponse>{inner}<RequestId>none</RequestId></ErrorResponse>"
    return AWSResponse(request.url, status, headers, _Raw(body.encode()))


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def silent(*, applied: bool) -> Act:
    """Don't answer in time. `applied`: AWS applied the call all the same."""

    def act(plain: Send, request: Any) -> Any:
        if applied:
            plain(request)
        if is_webhook(request):
            raise NoAnswer("It does not respond.", why=Why.SLOW)
        raise ReadTimeoutError(endpoint_url=request.url)

    return act


def cut(plain: Send, request: Any) -> Any:
    """Apply the call, then close the connection before the response."""
    plain(request)
    if is_webhook(request):
        raise NoAnswer("The connection was closed.", why=Why.CONNECTION)
    raise ConnectionClosedError(endpoint_url=request.url)


def killed(*, applied: bool) -> Act:
    """End this process as `kill -9` does, before or after the call is applied."""

    def act(plain: Send, request: Any) -> Any:
        if applied:
            plain(request)
        os.kill(os.getpid(), signal.SIGKILL)

    return act
