"""Rewrites a message so that SES accepts it for forwarding, and prevents loops.

SES only sends from our own identities, so From becomes the deployment's address and Reply-To the sender's. Everything
below the headers is sent byte for byte: no MIME is rewritten.
"""

import re
from collections.abc import Sequence
from email.utils import formataddr

from botocore.exceptions import ClientError

from receiving.events import Arrival
from receiving.messages import Letter

MARK = b"X-Inbound-Admin-Forwarded"
MOST_HOPS = 25  # Received headers; a message on its way through a loop collects them
LARGEST = 39_000_000  # bytes: SES sends up to 40 MB, the headers that it adds included
# What is the former sending's own. SES refuses a second DKIM signature of its domain and sets Return-Path itself.
_REPLACED = frozenset(
    (b"from", b"sender", b"return-path", b"reply-to", b"dkim-signature", b"bcc", b"disposition-notification-to")
)
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")


_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_SENDER = re.compile(rf"{_ATOM}(\.{_ATOM})*@([a-z0-9-]{{1,63}}\.)+[a-z0-9-]{{2,63}}", re.IGNORECASE | re.ASCII)


class NotForwarded(Exception):
    """The message stays in the bucket, and another attempt would change nothing. `str()` is the reason, for people."""


class NotSent(Exception):
    """SES sends nothing for this deployment now: neither message nor endpoint is to blame. It is retried."""

    def __init__(self, why: str) -> None:
        super().__init__(f"This service couldn't forward the message: {why}")


def require_sender(address: str) -> None:
    """Raise NotSent for a sender address that SES would refuse as if it were part of the message."""
    if not _SENDER.fullmatch(address):
        raise NotSent(f"its sender address (ForwardFrom) isn't an email address: {address}")


def refuse_loop(letter: Letter, recipient: str, to: Sequence[str]) -> None:
    """Raise NotForwarded if the message was forwarded by us before."""
    if letter.headers.get(MARK.decode().lower()):
        raise NotForwarded("This service already forwarded the message, and forwards none twice, because of loops.")
    if len(letter.headers.get("received", ())) > MOST_HOPS:
        raise NotForwarded(f"The message passed more than {MOST_HOPS} servers, which suggests a loop.")
    if recipient in {each.lower() for each in to}:
        raise NotForwarded("The message would be forwarded to the address it was sent to.")
    if len(letter.raw) > LARGEST:
        raise NotForwarded("The message is larger than 40 MB, the most that SES sends. Fetch it from the bucket.")


def is_of_message(refusal: ClientError, to: Sequence[str]) -> bool:
    """Return whether SES refuses what is in this message; False for what the next message would meet as well.

    AWS doesn't document which headers it refuses. A refusal of our sender is MessageRejected, as one of the content.
    """
    error = refusal.response.get("Error", {})
    if error.get("Code") == "MessageRejected":
        text = str(error.get("Message", "")).lower()
        return "verified" not in text and "authority" not in text
    return error.get("Code") == "InvalidParameterValue" and not is_of_recipient(refusal, to)


def is_of_recipient(refusal: ClientError, to: Sequence[str]) -> bool:
    """Return whether SES refuses an address of the endpoint."""
    error = refusal.response.get("Error", {})
    text = str(error.get("Message", "")).lower()
    return error.get("Code") == "InvalidParameterValue" and any(each.lower() in text for each in to)


def with_own_recipient(raw: bytes, recipient: str) -> bytes:
    """Return the message with the recipient in To. What it had in To and Cc, such as `Cc: root`, gets other names."""
    fields, rest = _split(raw)
    renamed = [b"X-Original-" + field if _name(field) in (b"to", b"cc") else field for field in fields]
    return b"".join([*renamed, b"To: ", recipient.encode("ascii", "replace"), b"\r\n\r\n", rest])


def rewritten(arrival: Arrival, letter: Letter, recipient: str, forward_from: str) -> bytes:
    """Return the message from our address, with a header by which we recognise it."""
    fields, rest = _split(letter.raw)
    kept = [field for field in fields if _name(field) not in _REPLACED]
    return b"".join([*_own(arrival, letter, recipient, forward_from), *kept, b"\r\n", rest])


def _own(arrival: Arrival, letter: Letter, recipient: str, forward_from: str) -> list[bytes]:
    senders = letter.mailboxes("from")
    answers = letter.mailboxes("reply-to") or senders[:1]
    shown = senders[0].name or senders[0].address if senders else "Unknown sender"
    lines = [f"From: {formataddr((f'{shown} via {recipient}'[:150], forward_from))}"]
    if plain := [each.address for each in answers if _is_plain(each.address)]:
        lines.append(f"Reply-To: {', '.join(plain)}")
    lines.append(f"{MARK.decode()}: {arrival.message_id} {recipient}")
    return [f"{line}\r\n".encode("ascii", "replace") for line in lines]


def _is_plain(address: str) -> bool:
    """Return whether the text can't become a header of its own."""
    return address.isascii() and address.isprintable() and not set(address) & set(' ,;<>"')


def _split(raw: bytes) -> tuple[list[bytes], bytes]:
    """Return the header fields, each with its folded lines, and the rest. Without any field, everything is the body."""
    fields: list[list[bytes]] = []  # by line: joined one by one, a long field would take time by its square
    place = 0
    for line in raw.splitlines(keepends=True):
        if line.strip(b"\r\n") == b"":
            return _joined(fields), raw[place + len(line) :]
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1].append(_ended(line))
        elif _FIELD.match(line):
            fields.append([_ended(line)])
        else:
            return _joined(fields), raw[place:]
        place += len(line)
    return _joined(fields), b""


def _joined(fields: Sequence[Sequence[bytes]]) -> list[bytes]:
    return [b"".join(lines) for lines in fields]


def _ended(line: bytes) -> bytes:
    return line.rstrip(b"\r\n") + b"\r\n"


def _name(field: bytes) -> bytes:
    found = _FIELD.match(field)
    return found.group(1).lower() if found else b""
