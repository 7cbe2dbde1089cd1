"""Parses a message as received by SMTP. Malformed parts are read as far as possible; nothing raises.

A sender chooses every byte. Python's email library answers a malformed header with a dozen kinds of exception, also
RecursionError, so each call of it goes through `_read`, with what is used instead.
"""

import email
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import Compat32
from email.utils import getaddresses
from functools import cached_property
from typing import TypeVar

LONGEST_TEXT = 500_000  # characters of each body; the whole message can be fetched
MOST_ATTACHMENTS = 100
MOST_HEADERS = 300
_SLOW_CODECS = ("idna", "punycode")  # for names in DNS; of a text their decoding takes minutes
LONGEST_LINE = 2_000  # characters of a header's line that is decoded, which takes time by its square; SMTP allows 998
LONGEST_HEADER = 100_000  # characters of a header that are read, such as of a long “To”; the raw message has the rest
LONGEST_PARAMETERS, MOST_PARAMETERS = 4_000, 100  # of a Content- header, whose parameters also take time by the square
MOST_DECODED = 20_000  # characters of one header, and ten times as many of all; longer ones stay as they are written
_Found = TypeVar("_Found")


def _read(read: Callable[[], _Found], otherwise: _Found) -> _Found:
    """Return what the email library reads in the sender's text, or `otherwise` if it raises anything."""
    with suppress(Exception):
        return read()
    return otherwise


class _Bounded(Compat32):
    """Reads the beginning of a header that is too long: the library takes half a minute for one of a megabyte."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        if not name.lower().startswith("content-"):
            return name, value[:LONGEST_HEADER]
        return name, ";".join(value[:LONGEST_PARAMETERS].split(";")[:MOST_PARAMETERS])


_BOUNDED = _Bounded()


@dataclass(frozen=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes
    content_id: str
    disposition: str


@dataclass(frozen=True)
class Mailbox:
    """One address of a header, with its name."""

    name: str
    address: str


@dataclass(frozen=True)
class Letter:
    """A message of any size and structure; `raw` has all of it."""

    raw: bytes

    @cached_property
    def _message(self) -> "Message[str, str]":
        """Return the parsed message. One nested too deeply for Python, or with an unreadable boundary, is one part."""
        return _read(self._all_parts, None) or BytesHeaderParser(policy=_BOUNDED).parsebytes(self.raw)

    def _all_parts(self) -> "Message[str, str] | None":
        found = email.message_from_bytes(self.raw, policy=_BOUNDED)
        sum(1 for _ in found.walk())  # down to its last part
        return found

    @cached_property
    def _parts(self) -> tuple["Message[str, str]", ...]:
        return tuple(part for part in self._message.walk() if not part.is_multipart())

    def header(self, name: str) -> str:
        """Return the decoded header; "" if there is none."""
        return _decoded(self._message.get(name, ""))

    def mailboxes(self, name: str) -> tuple[Mailbox, ...]:
        """Return all addresses of a header that can be parsed."""
        values, left = [], LONGEST_HEADER
        for value in map(str, self._message.get_all(name, [])):
            values.append(value[:left])
            left -= len(values[-1])
        nobody: list[tuple[str, str]] = []
        found = _read(lambda: getaddresses(values), nobody)
        return tuple(Mailbox(_decoded(name), _storable(address)) for name, address in found if address)

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """Return the headers by name in lower case."""
        found: dict[str, list[str]] = {}
        left = 10 * MOST_DECODED
        for name, value in list(self._message.items())[:MOST_HEADERS]:
            left -= len(str(value))
            found.setdefault(name.lower(), []).append(_decoded(value) if left >= 0 else _on_one_line(str(value)))
        return found

    @cached_property
    def text(self) -> str:
        return self._body("text/plain")

    @cached_property
    def html(self) -> str:
        return self._body("text/html")

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        return tuple(_attachment(part, number) for number, part in enumerate(self._attached(), start=1))

    def _attached(self) -> Iterator["Message[str, str]"]:
        found = (part for part in self._parts if _is_attached(part))
        for number, part in enumerate(found):
            if number == MOST_ATTACHMENTS:
                return
            yield part

    def _body(self, kind: str) -> str:
        """Return the first part of this type that isn't an attachment."""
        for part in self._parts:
            if _content_type(part) == kind and not _is_attached(part):
                return _text(part)[:LONGEST_TEXT]
        return ""


def _is_attached(part: "Message[str, str]") -> bool:
    is_body = _content_type(part) in ("text/plain", "text/html")
    return _disposition(part) == "attachment" or bool(_filename(part)) or not is_body


def _attachment(part: "Message[str, str]", number: int) -> Attachment:
    return Attachment(
        filename=_filename(part) or f"attachment-{number}",
        content_type=_content_type(part),
        content=_content(part),
        content_id=_decoded(part.get("Content-ID", "")).strip("<> "),
        disposition=_disposition(part) or "attachment",
    )


def _content_type(part: "Message[str, str]") -> str:
    return _storable(_read(part.get_content_type, "application/octet-stream"))


def _disposition(part: "Message[str, str]") -> str:
    return _storable(_read(part.get_content_disposition, None) or "")


def _filename(part: "Message[str, str]") -> str:
    return _decoded(_read(part.get_filename, None) or "").replace("/", "_").replace("\\", "_")[:200]


def _content(part: "Message[str, str]") -> bytes:
    """Return the decoded content; unchanged if its encoding is broken."""
    bare = copy(part)
    del bare["Content-Type"]  # bytes don't depend on it, and its parameters may not be readable
    found = _read(lambda: bare.get_payload(decode=True), None)
    return found if isinstance(found, bytes) else str(bare.get_payload()).encode("utf-8", "replace")


def _text(part: "Message[str, str]") -> str:
    content, charset = _content(part), _read(part.get_content_charset, None) or "utf-8"
    if charset in _SLOW_CODECS:
        charset = "utf-8"
    return _storable(_read(lambda: content.decode(charset, "replace"), content.decode("utf-8", "replace")))


def _decoded(value: object) -> str:
    """Return a header's value in Unicode, on one line; unchanged if it can't be decoded."""
    text = str(value)
    is_short = len(text) <= MOST_DECODED and max(map(len, text.splitlines()), default=0) <= LONGEST_LINE
    return _on_one_line(_read(lambda: str(make_header(decode_header(text))), text) if is_short else text)


def _on_one_line(text: str) -> str:
    return " ".join(_storable(text).split())


def _storable(text: str) -> str:
    """Return it without what is no text: NUL, and halves of characters, which UTF-8 can't hold."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")
