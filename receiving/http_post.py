"""Sends one POST that follows no redirect, uses no proxy, and reaches no internal address.

The name is resolved once, every address is checked, and the connection goes to a checked one. A timer ends the request,
however slow the response is, because other endpoints of the message wait.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Timer
from time import monotonic
from urllib.parse import SplitResult, urlsplit

EXCERPT = 300  # bytes of an answer that a person reads


class NoReply(Exception):
    """There was no response; the request may still have arrived. `str()` is the reason, for people."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))  # it may quote what the server sent instead of HTTP


class TimedOut(NoReply):
    """The time for the request ran out."""


def printable(text: str) -> str:
    """Return text from outside as Inbound Admin accepts it: without control characters."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


@dataclass(frozen=True)
class PostAnswer:
    status: int
    body: bytes

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def excerpt(self) -> str:
        return printable(self.body[:EXCERPT].decode("utf-8", "replace"))


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    may_be_private: bool = False,
    most: int = 10_000,
) -> PostAnswer:
    """Send the request. `most`: the most bytes of the response that are read. Raises NoReply."""
    parts = _parts(url)
    host = parts.hostname or ""
    try:
        with _connected(
            host, parts.port, parts.scheme == "https", seconds, may_be_private=may_be_private
        ) as connection:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            return PostAnswer(answer.status, answer.read(most))
    except ssl.SSLCertVerificationError as error:
        raise NoReply(f"The certificate of {host} isn't valid: {error.verify_message}.") from error
    except TimeoutError as error:
        raise TimedOut(f"{host} didn't respond within {seconds:g} seconds.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoReply(f"{host} didn't respond: {getattr(error, 'strerror', None) or error}.") from error
    except NoReply:
        raise
    except Exception as error:  # http.client parses headers as email does, which raises anything at malformed ones
        raise NoReply(f"{host} didn't respond as HTTP requires: {type(error).__name__}.") from error


def _parts(url: str) -> SplitResult:
    try:
        found = urlsplit(url)
    except ValueError as error:
        raise NoReply("This isn't a valid webhook URL.") from error
    if found.scheme not in ("https", "http") or not found.hostname:
        raise NoReply("This isn't a valid webhook URL.")
    return found


@contextmanager
def _connected(
    host: str, port: int | None, is_tls: bool, seconds: float, *, may_be_private: bool
) -> Iterator[http.client.HTTPConnection]:
    number, until = port or (443 if is_tls else 80), monotonic() + seconds
    address = _address(host, number, may_be_private)
    plain = socket.create_connection((address, number), timeout=_left(until))
    handle, over = plain.dup(), []

    def end() -> None:
        over.append(True)
        with suppress(OSError):  # it was closed meanwhile, which is what is wanted
            handle.shutdown(socket.SHUT_RDWR)

    timer = Timer(max(until - monotonic(), 0), end)
    timer.daemon = True
    timer.start()
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection  # the port that is usual is not named
    connection = kind(host, number, timeout=seconds)
    try:
        context = ssl.create_default_context() if is_tls else None
        connection.sock = context.wrap_socket(plain, server_hostname=host) if context else plain
        yield connection
        if over:
            raise TimeoutError
    except (OSError, http.client.HTTPException) as error:
        if over:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        connection.close()
        plain.close()
        handle.close()


def _left(until: float) -> float:
    """Return the seconds that are left. Raises TimeoutError if none are: looking up the name takes time too."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _address(host: str, port: int, may_be_private: bool) -> str:
    """Return the first address. Refuses the name if any address isn't public: it may be made to mislead us."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not may_be_private and (inside := [each for each in found if not _is_public(each)]):
        raise NoReply(f"{host} resolves to {inside[0]}, which isn't a public address. Nothing was sent.")
    return found[0]


def _is_public(address: str) -> bool:
    """Return whether an address, and the IPv4 address inside it, is public. Translators and tunnels aren't."""
    parsed = ip_address(address.partition("%")[0])
    if parsed.version == 6 and (parsed.ipv4_mapped or parsed.sixtofour or parsed.teredo or "%" in address):
        return False
    if address.startswith(("64:ff9b:", "168.63.129.16")):
        return False
    return parsed.is_global and not parsed.is_multicast
