"""Sends one HTTP request to a public host: GET or POST, limited in time and size, without a proxy.

The name is resolved once and every address is checked; the connection goes to a checked address. So DNS rebinding, a
name that resolves differently a moment later, has no effect. A redirect is followed only if `Reach.redirects` allows
it, and each target is parsed and checked as the first URL.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from threading import Timer
from urllib.parse import urljoin

from inbound_admin.lib.errors import Problem
from inbound_admin.lib.foreign_text import escaped
from inbound_admin.lib.public_address import is_public
from inbound_admin.lib.public_url import BadUrl, PublicUrl, parse_url

_MOVED = (301, 302, 303, 307, 308)


class Why(StrEnum):
    """Why there is no response."""

    NAME = "name"  # it can't be resolved, or has no address
    PRIVATE = "private"  # it has an address that isn't public; nothing was sent
    CERTIFICATE = "certificate"
    SLOW = "slow"
    CONNECTION = "connection"
    REDIRECT = "redirect"  # to a URL that isn't https:// on the public internet


class NoAnswer(Problem):
    """No response. The host may have got the request, unless `why` is NAME, PRIVATE or CERTIFICATE."""

    code = "NO_ANSWER"
    status = 502

    def __init__(self, sentence: str, *, why: Why) -> None:
        super().__init__(sentence)
        self.why = why


def system_addresses(host: str, port: int) -> tuple[str, ...]:
    """Resolve by the system's resolver, with its own timeout. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Reach:
    """Limits of a request: total `seconds` and `redirects`, and `most_bytes` of the response body.

    `resolve` returns a name's addresses, or raises OSError. `authorities`: a PEM file of CA certificates instead of the
    system's.
    """

    seconds: float
    most_bytes: int = 100_000
    redirects: int = 0
    may_be_private: bool = False
    authorities: str = ""
    resolve: Callable[[str, int], Sequence[str]] = system_addresses


@dataclass(frozen=True)
class Response:
    """`headers`: by lower-case names. `is_whole` False: the body was cut, by us or on its way."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


@dataclass(frozen=True)
class _Request:
    method: str
    headers: Mapping[str, str]
    body: bytes | None = None


def get(url: PublicUrl, reach: Reach, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response, whatever its status. Raises NoAnswer."""
    request, ends, at = _Request("GET", headers or {}), time.monotonic() + reach.seconds, url
    for _ in range(reach.redirects):
        response = _send(at, request, reach, ends)
        if response.status not in _MOVED or "location" not in response.headers:
            return response
        at = _moved(at, response.headers["location"], reach)
    return _send(at, request, reach, ends)


def post(url: PublicUrl, body: bytes, reach: Reach, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response, whatever its status. A redirect is never followed. Raises NoAnswer."""
    return _send(url, _Request("POST", headers or {}, body), reach, time.monotonic() + reach.seconds)


def _moved(at: PublicUrl, location: str, reach: Reach) -> PublicUrl:
    try:
        return parse_url(
            urljoin(f"{at.scheme}://{at.host_header}{at.path}", location), may_be_private=reach.may_be_private
        )
    except ValueError as error:
        where = str(error) if isinstance(error, BadUrl) else "It isn't a valid URL."
        raise NoAnswer(f"{at.host} redirects to a URL we don't follow. {where}", why=Why.REDIRECT) from error


def _send(url: PublicUrl, request: _Request, reach: Reach, ends: float) -> Response:
    addresses = _addresses(url, reach)
    try:
        with _connected(url, addresses, reach, ends) as connection:
            return _exchange(connection, url, request, reach.most_bytes)
    except ssl.SSLCertVerificationError as error:
        sentence = f"The TLS certificate of {url.host} isn't valid: {error.verify_message}."
        raise NoAnswer(sentence, why=Why.CERTIFICATE) from error
    except TimeoutError as error:
        raise NoAnswer(f"{url.host} didn't respond within {reach.seconds:g} seconds.", why=Why.SLOW) from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"{url.host} didn't respond: {_words(error)}.", why=Why.CONNECTION) from error
    except Exception as error:  # http.client parses headers as email does, which raises anything at malformed ones
        sentence = f"{url.host} didn't respond as HTTP requires: {type(error).__name__}."
        raise NoAnswer(sentence, why=Why.CONNECTION) from error


def _addresses(url: PublicUrl, reach: Reach) -> tuple[str, ...]:
    """Return all addresses of the name. One that isn't public makes it fail, since such a name is likely an attack."""
    try:
        addresses = tuple(reach.resolve(url.host, url.port))
    except (OSError, UnicodeError) as error:
        raise NoAnswer(f"We couldn't resolve {url.host}: {_words(error)}.", why=Why.NAME) from error
    if not addresses:
        raise NoAnswer(f"{url.host} has no IP address.", why=Why.NAME)
    private = [address for address in addresses if not is_public(address)]
    if private and not reach.may_be_private:
        sentence = f"{url.host} resolves to {private[0]}, which isn't a public address. Nothing was sent."
        raise NoAnswer(sentence, why=Why.PRIVATE)
    return addresses


@contextmanager
def _connected(
    url: PublicUrl, addresses: Sequence[str], reach: Reach, ends: float
) -> Iterator[http.client.HTTPConnection]:
    """Yield a connection that a timer closes, however slowly data arrives.

    The timer closes the socket by a second handle, since TLS takes the first one, and so does `http.client` when a
    server announces that it closes.
    """
    plain = _connect(addresses, url.port, ends)
    handle = plain.dup()
    over = _Over(handle)
    timer = Timer(max(ends - time.monotonic(), 0), over)
    timer.daemon = True
    timer.start()
    connection = http.client.HTTPConnection(url.host, url.port, timeout=reach.seconds)
    try:
        connection.sock = _tls(plain, url, reach) if url.scheme == "https" else plain
        yield connection
        if over.happened:  # a truncated response can still look complete
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
        with suppress(OSError):  # it was closed meanwhile, as wanted
            self._handle.shutdown(socket.SHUT_RDWR)


def _connect(addresses: Sequence[str], port: int, ends: float) -> socket.socket:
    """Connect to the first address that accepts, sharing the time among them."""
    share = (ends - time.monotonic()) / len(addresses)
    if share <= 0:
        raise TimeoutError
    for address in addresses[:-1]:
        with suppress(OSError):  # the next one is tried; the last one's error is raised
            return socket.create_connection((address, port), timeout=share)
    return socket.create_connection((addresses[-1], port), timeout=share)


def _tls(plain: socket.socket, url: PublicUrl, reach: Reach) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=reach.authorities or None)
    return context.wrap_socket(plain, server_hostname=url.host)


def _exchange(connection: http.client.HTTPConnection, url: PublicUrl, request: _Request, most_bytes: int) -> Response:
    headers = {"Host": url.host_header, **request.headers}
    connection.request(request.method, url.path, body=request.body, headers=headers)
    with connection.getresponse() as response:  # a body that is longer than we read would keep the socket open
        body = response.read(most_bytes + 1)
        is_whole = len(body) <= most_bytes and not response.length
        received = {escaped(name.lower()): escaped(value) for name, value in response.getheaders()}
    return Response(response.status, received, body[:most_bytes], is_whole)


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())  # a server's first line ends as it likes
