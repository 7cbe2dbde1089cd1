"""Where a webhook goes, as its owner typed it."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import idna

from inbound_admin.lib.public_address import is_public

LONGEST_URL = 2000
PORTS = {"https": 443, "http": 80}
_WANTED = "A webhook needs an https:// address without a user name in it, such as https://example.com/hooks."


class BadUrl(ValueError):
    """`str()` is for the person who typed it."""


@dataclass(frozen=True)
class TargetUrl:
    """`host` in ASCII, an IPv6 address without its brackets; `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(text: str, *, may_be_private: bool = False) -> TargetUrl:
    """Raises BadUrl. Plain http only where targets may be private; names are looked up when it is delivered."""
    url = text.strip()
    if len(url) > LONGEST_URL or (not url.isascii() and not url.isprintable()):
        raise BadUrl(_WANTED)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise BadUrl(_WANTED) from error
    if any(char.isspace() or not char.isprintable() for char in url) or parts.username is not None or port == 0:
        raise BadUrl(_WANTED)
    if parts.scheme not in (("https", "http") if may_be_private else ("https",)) or not host:
        raise BadUrl(_WANTED)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise BadUrl("What follows the host has letters that an address cannot have; write them with %.")
    return TargetUrl(parts.scheme, _host(host, may_be_private=may_be_private), port or PORTS[parts.scheme], path)


def _host(host: str, *, may_be_private: bool) -> str:
    try:
        literal = str(ip_address(host))
    except ValueError:
        return _name(host)
    if not may_be_private and not is_public(literal):
        raise BadUrl(f"{literal} is not an address of the public internet.")
    return literal


def _name(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise BadUrl(f"“{host[:80]}” is not a host name.") from error
