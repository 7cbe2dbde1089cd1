"""Webhook payloads, the retry schedule, and the check of a target's URL. Pure: the time is an argument.

Payloads are JSON: Standard Webhooks, or the format of Slack and similar services.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, ip_address
from typing import Any
from urllib.parse import urlsplit

import idna

from inbound_admin.lib.public_address import is_public
from notifications.events.core import words_for


class Format(StrEnum):
    STANDARD = "standard"
    SLACK = "slack"


@dataclass(frozen=True)
class Happening:
    """An event with what it is about; `link` leads to a page of ours, empty where the site's address is not known."""

    event: str
    at: datetime
    object_type: str
    object_id: str
    object_name: str
    customer_id: str
    data: Mapping[str, Any]
    link: str = ""


def body(happening: Happening, form: Format) -> str:
    """The text that is sent and signed."""
    return _slack(happening) if form is Format.SLACK else _standard(happening)


def _standard(happening: Happening) -> str:
    about = {
        "type": happening.object_type,
        "id": happening.object_id,
        "name": happening.object_name,
        "customerId": happening.customer_id or None,
    }
    told = {
        "type": happening.event,
        "timestamp": happening.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {"object": about, "link": happening.link or None, **happening.data},
    }
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def _slack(happening: Happening) -> str:
    """Slack reads `&`, `<` and `>` as its own; a name can hold them."""
    why = str(happening.data.get("why", ""))
    words = str(happening.data.get("words", "")) or words_for(happening.event)
    text = f"*{_plain(happening.object_name)}*: {_plain(words)}."
    if why:
        text += f"\n{_plain(why)}"
    if happening.link:
        text += f"\n<{happening.link}|Open it>"
    return json.dumps({"text": text}, ensure_ascii=False)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# The pauses of the Standard Webhooks specification ("Deliverability and reliability"), about three days in all.
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_JITTER = 0.1


def next_attempt(attempts: int, *, now: datetime, jitter: float = 0.0) -> datetime | None:
    """After that many attempts; None when it is given up. `jitter` is between 0 and 1."""
    if attempts > len(PAUSES):
        return None
    return now + PAUSES[max(attempts, 1) - 1] * (1 + MOST_JITTER * min(max(jitter, 0.0), 1.0))


def is_given_up(*, failing_since: datetime | None, now: datetime, days: int) -> bool:
    """Whether a target has failed without a success for so long that it is switched off."""
    return failing_since is not None and now - failing_since >= timedelta(days=days)


LONGEST_URL = 2000
PORTS = {"https": 443, "http": 80}
_WANTED = "A webhook needs an https:// address without a user name in it, such as https://example.com/hooks."
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LOCAL = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".lan", ".intranet", ".corp", ".home")


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
    """Every spelling of an address is read as the network would: decimal, octal, hex, short, full-width."""
    name = host if ":" in host else _name(host)
    literal = _literal(name)
    if not may_be_private and (not is_public(literal) if literal else _is_local(name)):
        raise BadUrl(f"{literal or name} is not an address of the public internet.")
    return literal or name


def _literal(host: str) -> str:
    """The address that a host is, "" for a name."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return _number(host)


def _number(host: str) -> str:
    """As every C library reads `127.1`, `0x7f.1` and `2130706433`. Raises BadUrl for a number that is no address."""
    labels = host.split(".")
    if not _NUMBER.fullmatch(labels[-1]):
        return ""
    try:
        *first, last = [_part(label) for label in labels]
    except ValueError as error:
        raise BadUrl(f"“{host[:80]}” is not a host name.") from error
    if len(first) > 3 or any(part > 255 for part in first) or last >= 256 ** (4 - len(first)):
        raise BadUrl(f"“{host[:80]}” is not a host name.")
    return str(IPv4Address(sum(part << (24 - 8 * place) for place, part in enumerate(first)) + last))


def _part(label: str) -> int:
    base = 16 if label.startswith("0x") else 8 if label.startswith("0") and len(label) > 1 else 10
    return int(label.removeprefix("0x") or "0", base) if _NUMBER.fullmatch(label) else int("not a number")


def _is_local(name: str) -> bool:
    """Names that lead to the machine itself, its network, or a cloud's own services."""
    return "." not in name or name.endswith(_LOCAL)


def _name(host: str) -> str:
    try:
        name = idna.encode(host, uts46=True).decode() if not host.isascii() else host.lower()
    except idna.IDNAError as error:
        raise BadUrl(f"“{host[:80]}” is not a host name.") from error
    if not _HOST.fullmatch(name):
        raise BadUrl(f"“{host[:80]}” is not a host name.")
    return name
