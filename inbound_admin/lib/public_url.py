"""Parses a URL from a stranger that we are to connect to: https on a public host, in any spelling. Pure.

A name may still resolve to a private address: `public_http` checks that when it connects.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from urllib.parse import urlsplit

import idna

from inbound_admin.lib.public_address import is_public

LONGEST_URL = 2000
PORTS = {"https": 443, "http": 80}
_WANTED = "Enter an https:// URL without a user name, such as https://example.com/path."
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LOCAL = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".lan", ".intranet", ".corp", ".home")


class BadUrl(ValueError):
    """`str()` is shown to the person who entered it."""


@dataclass(frozen=True)
class PublicUrl:
    """`host` in ASCII, an IPv6 address without brackets; `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(text: str, *, may_be_private: bool = False, wanted: str = _WANTED) -> PublicUrl:
    """Parse a URL. Plain http only if hosts may be private. Raises BadUrl, with `wanted` if it is no URL."""
    url = text.strip()
    if len(url) > LONGEST_URL or (not url.isascii() and not url.isprintable()):
        raise BadUrl(wanted)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise BadUrl(wanted) from error
    if any(char.isspace() or not char.isprintable() for char in url) or parts.username is not None or port == 0:
        raise BadUrl(wanted)
    if parts.scheme not in (("https", "http") if may_be_private else ("https",)) or not host:
        raise BadUrl(wanted)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise BadUrl("The path has characters that a URL can't contain. Percent-encode them.")
    return PublicUrl(parts.scheme, _host(host, may_be_private=may_be_private), port or PORTS[parts.scheme], path)


def _host(host: str, *, may_be_private: bool) -> str:
    """Return the normalised host.

    Every spelling of an address is parsed as the network would: decimal, octal, hex, short.
    """
    name = host if ":" in host else _name(host)
    literal = _literal(name)
    if not may_be_private and (not is_public(literal) if literal else _is_local(name)):
        raise BadUrl(f"{literal or name} isn't a public address.")
    return literal or name


def _literal(host: str) -> str:
    """Return the IP address that a host is; "" for a name."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return _number(host)


def _number(host: str) -> str:
    """Parse `127.1`, `0x7f.1` and `2130706433` as C libraries do. Raises BadUrl for a number that is no address."""
    labels = host.split(".")
    if not _NUMBER.fullmatch(labels[-1]):
        return ""
    try:
        *first, last = [_part(label) for label in labels]
    except ValueError as error:
        raise BadUrl(f"“{host[:80]}” isn't a valid host name.") from error
    if len(first) > 3 or any(part > 255 for part in first) or last >= 256 ** (4 - len(first)):
        raise BadUrl(f"“{host[:80]}” isn't a valid host name.")
    return str(IPv4Address(sum(part << (24 - 8 * place) for place, part in enumerate(first)) + last))


def _part(label: str) -> int:
    base = 16 if label.startswith("0x") else 8 if label.startswith("0") and len(label) > 1 else 10
    return int(label.removeprefix("0x") or "0", base) if _NUMBER.fullmatch(label) else int("not a number")


def _is_local(name: str) -> bool:
    """Return whether the name belongs to the machine itself, its network, or a cloud's own services."""
    return "." not in name or name.endswith(_LOCAL)


def _name(host: str) -> str:
    try:
        name = idna.encode(host, uts46=True).decode() if not host.isascii() else host.lower()
    except idna.IDNAError as error:
        raise BadUrl(f"“{host[:80]}” isn't a valid host name.") from error
    if not _HOST.fullmatch(name):
        raise BadUrl(f"“{host[:80]}” isn't a valid host name.")
    return name
