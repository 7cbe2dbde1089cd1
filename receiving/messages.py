"""Parses a message as received by SMTP. Malformed parts are read as far as possible; nothing raises."""

import email
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from functools import cached_property

LONGEST_TEXT = 500_000  # characters of each body; the whole message can be fetched
MOST_ATTACHMENTS = 100
MOST_HEADERS = 300
_CODECS = (LookupError, UnicodeError, HeaderParseError, ValueError)  # a charset that nobody knows, broken base64


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
        """Return the parsed message; only its headers if it is nested too deeply for Python."""
        try:
            found = email.message_from_bytes(self.raw)
            sum(1 for _ in found.walk())  # down to its last part
        except RecursionError:
            return email.message_from_bytes(self.raw.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0])
        return found

    @cached_property
    def _parts(self) -> tuple["Message[str, str]", ...]:
        return tuple(part for part in self._message.walk() if not part.is_multipart())

    def header(self, name: str) -> str:
        """Return the decoded header; "" if there is none."""
        return _decoded(self._message.get(name, ""))

    def mailboxes(self, name: str) -> tuple[Mailbox, ...]:
        """Return all addresses of a header that can be parsed."""
        values = [str(value) for value in self._message.get_all(name, [])]
        return tuple(Mailbox(_decoded(name), address) for name, address in getaddresses(values) if address)

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """Return the headers by name in lower case."""
        found: dict[str, list[str]] = {}
        for name, value in list(self._message.items())[:MOST_HEADERS]:
            found.setdefault(name.lower(), []).append(_decoded(value))
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
            if part.get_content_type() == kind and not _is_attached(part):
                return _text(part)[:LONGEST_TEXT]
        return ""


def _is_attached(part: "Message[str, str]") -> bool:
    is_body = part.get_content_type() in ("text/plain", "text/html")
    return part.get_content_disposition() == "attachment" or bool(_filename(part)) or not is_body


def _attachment(part: "Message[str, str]", number: int) -> Attachment:
    return Attachment(
        filename=_filename(part) or f"attachment-{number}",
        content_type=part.get_content_type(),
        content=_content(part),
        content_id=str(part.get("Content-ID", "")).strip("<> "),
        disposition=part.get_content_disposition() or "attachment",
    )


def _filename(part: "Message[str, str]") -> str:
    try:
        return _decoded(part.get_filename() or "").replace("/", "_").replace("\\", "_")[:200]
    except _CODECS:
        return ""


def _content(part: "Message[str, str]") -> bytes:
    """Return the decoded content; unchanged if its encoding is broken."""
    try:
        found = part.get_payload(decode=True)
    except _CODECS:
        found = None
    return found if isinstance(found, bytes) else str(part.get_payload()).encode("utf-8", "replace")


def _text(part: "Message[str, str]") -> str:
    content = _content(part)
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace").replace("\x00", "")
    except _CODECS:
        return content.decode("utf-8", "replace").replace("\x00", "")


def _decoded(value: object) -> str:
    """Return a header's value in Unicode, on one line; unchanged if it can't be decoded."""
    try:
        found = str(make_header(decode_header(str(value))))
    except _CODECS:
        found = str(value)
    return " ".join(found.encode("utf-8", "replace").decode().replace("\x00", "").split())
