"""Sends one HTTP request to a webhook target. It follows no redirect and uses no proxy.

The name is resolved once and every address is checked; the connection goes to a checked address. So DNS rebinding,
a name that resolves differently a moment later, has no effect.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Timer

from inbound_admin.lib.errors import Problem
from inbound_admin.lib.public_address import is_public
from notifications.webhooks.core import TargetUrl

MOST_OF_ANSWER = 1000  # bytes that are read; what follows is not waited for


class NotDelivered(Problem):
    """No answer came: the target may be away, or may not be reached from here. It may still have got the request."""

    code = "WEBHOOK_NOT_DELIVERED"


@dataclass(frozen=True)
class Reply:
    """`excerpt`: how the answer begins, for people."""

    status: int
    excerpt: str

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


def post(
    target: TargetUrl, body: str, headers: Mapping[str, str], *, seconds: float, may_be_private: bool = False
) -> Reply:
    """One POST, `seconds` from the first byte to the last. Raises NotDelivered."""
    addresses = _addresses(target, may_be_private=may_be_private)
    try:
        with _connected(target, addresses, seconds) as connection:
            return _exchange(connection, target, body, headers)
    except ssl.SSLCertVerificationError as error:
        raise NotDelivered(f"The certificate of {target.host} is not good: {error.verify_message}.") from error
    except TimeoutError as error:
        raise NotDelivered(f"{target.host} did not answer within {seconds:g} seconds.") from error
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(f"{target.host} did not answer: {_words(error)}.") from error


def _addresses(target: TargetUrl, *, may_be_private: bool) -> tuple[str, ...]:
    """All that the name has. One that is not public spoils them all: such a name was made to lead us astray."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"The name {target.host} could not be looked up: {_words(error)}.") from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    private = [address for address in addresses if not is_public(address)]
    if private and not may_be_private:
        raise NotDelivered(
            f"{target.host} leads to {private[0]}, which is not of the public internet. Nothing was sent there.",
            code="WEBHOOK_PRIVATE_ADDRESS",
        )
    return addresses


@contextmanager
def _connected(target: TargetUrl, addresses: tuple[str, ...], seconds: float) -> Iterator[http.client.HTTPConnection]:
    """Whatever drips, a timer ends it: it shuts the socket by a second handle, since TLS takes the first away."""
    plain = _connect(addresses, target.port, seconds)
    handle = plain.dup()
    over = _Over(handle)
    timer = Timer(seconds, over)
    timer.daemon = True
    timer.start()
    connection = http.client.HTTPConnection(target.host, target.port, timeout=seconds)
    try:
        connection.sock = _tls(plain, target) if target.scheme == "https" else plain
        yield connection
        if over.happened:  # an answer that was cut off can still look whole
            raise TimeoutError
    except (OSError, http.client.HTTPException) as error:
        if over.happened:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        connection.close()
        plain.close()
        handle.close()


class _Over:
    def __init__(self, handle: socket.socket) -> None:
        self.happened = False
        self._handle = handle

    def __call__(self) -> None:
        self.happened = True
        with suppress(OSError):  # it was closed in the meantime, which is what is wanted
            self._handle.shutdown(socket.SHUT_RDWR)


def _connect(addresses: tuple[str, ...], port: int, seconds: float) -> socket.socket:
    """The first that takes it, the patience shared among them."""
    for address in addresses[:-1]:
        with suppress(OSError):  # the next one is tried; the last one's failure is told
            return socket.create_connection((address, port), timeout=seconds / len(addresses))
    return socket.create_connection((addresses[-1], port), timeout=seconds / len(addresses))


def _tls(plain: socket.socket, target: TargetUrl) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)


def _exchange(
    connection: http.client.HTTPConnection, target: TargetUrl, body: str, headers: Mapping[str, str]
) -> Reply:
    connection.request("POST", target.path, body=body.encode(), headers={"Host": target.host_header, **headers})
    response = connection.getresponse()
    text = response.read(MOST_OF_ANSWER).decode("utf-8", "replace")
    return Reply(response.status, "".join(c if c.isprintable() else " " for c in text).strip())


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
