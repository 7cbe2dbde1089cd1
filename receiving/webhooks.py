"""The webhook request for a message: its body in one of two formats, and signed headers.

`inbound` is the previous system's format, one request for each recipient, which its clients read unchanged. `standard`
is ours: Standard Webhooks, one request with all recipients of the endpoint.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiving.events import Arrival
from receiving.messages import LONGEST_TEXT, Attachment, Letter, Mailbox

INBOUND, STANDARD = "inbound", "standard"
AGENT = "Inbound Admin"


class BadSecret(ValueError):
    """The endpoint's signing secret is not base64."""


@dataclass(frozen=True)
class Links:
    """Temporary URLs of the whole message and of each attachment, which need no key."""

    message: str
    attachments: tuple[str, ...]


def shape_of(endpoint: Mapping[str, Any]) -> str:
    return STANDARD if endpoint["config"].get("payload") == STANDARD else INBOUND


def calls_for(endpoint: Mapping[str, Any], recipients: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the recipients of each request."""
    if shape_of(endpoint) == STANDARD:
        return [tuple(recipients)]
    return [(recipient,) for recipient in recipients]


def body(
    arrival: Arrival, letter: Letter, endpoint: Mapping[str, Any], recipients: Sequence[str], links: Links, now: str
) -> bytes:
    """Return the bytes that are sent and signed."""
    if shape_of(endpoint) == STANDARD:
        payload = _standard(arrival, letter, endpoint, recipients, links, now)
    else:
        payload = _inbound(arrival, letter, endpoint, recipients[0], links, now)
    return json.dumps(payload, separators=(",", ":")).encode()


def headers(
    arrival: Arrival, endpoint: Mapping[str, Any], recipients: Sequence[str], sent: bytes, now: int
) -> dict[str, str]:
    """Return the customer's headers, then ours, which they can't replace. Raises BadSecret."""
    config, name = endpoint["config"], delivery_id(arrival, endpoint, recipients)
    found = {str(name): str(value) for name, value in (config.get("headers") or {}).items()} | {
        "Content-Type": "application/json",
        "User-Agent": f"{AGENT} webhooks",
        "X-Webhook-Event": "email.received",
        "X-Endpoint-ID": str(endpoint["id"]),
        "Idempotency-Key": name,
    }
    if token := config.get("verification_token") or config.get("verificationToken"):
        found["X-Webhook-Verification-Token"] = str(token)
    if secret := config.get("signing_secret") or config.get("signingSecret"):
        found |= {
            "webhook-id": name,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(str(secret), name, now, sent),
        }
    return found


def delivery_id(arrival: Arrival, endpoint: Mapping[str, Any], recipients: Sequence[str]) -> str:
    """Return an ID that is the same for each delivery of the same mail to the same endpoint, so receivers can tell."""
    same = json.dumps([arrival.message_id, endpoint["id"], sorted(recipients)])
    return f"msg_{hashlib.sha256(same.encode()).hexdigest()[:32]}"


def signature(secret: str, name: str, now: int, sent: bytes) -> str:
    """Return the signature by standardwebhooks.com, whose libraries receivers use. Raises BadSecret."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSecret("This endpoint's signing secret isn't valid. Generate a new one.") from error
    signed = hmac.new(key, f"{name}.{now}.".encode() + sent, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _standard(
    arrival: Arrival, letter: Letter, endpoint: Mapping[str, Any], recipients: Sequence[str], links: Links, now: str
) -> dict[str, Any]:
    data = {
        "messageId": arrival.message_id,
        "recipients": list(recipients),
        "endpoint": _endpoint(endpoint),
        "receivedAt": arrival.received_at,
        "bytes": len(letter.raw),
        "subject": letter.header("Subject"),
        **{name: [_mailbox(each) for each in letter.mailboxes(name)] for name in ("from", "to", "cc")},
        "replyTo": [_mailbox(each) for each in letter.mailboxes("reply-to")],
        "headers": letter.headers,
        "text": letter.text,
        "html": letter.html,
        "isCut": LONGEST_TEXT in (len(letter.text), len(letter.html)),
        "attachments": _attachments(letter, links),
        "verdicts": dict(arrival.verdicts),
        "downloadUrl": links.message,
    }
    return {"type": "email.received", "timestamp": now, "data": data}


def _inbound(
    arrival: Arrival, letter: Letter, endpoint: Mapping[str, Any], recipient: str, links: Links, now: str
) -> dict[str, Any]:
    payload = {"event": "email.received", "timestamp": now, "endpoint": _endpoint(endpoint)}
    email = {
        "id": arrival.message_id,
        "messageId": letter.header("Message-ID") or arrival.message_id,
        "from": _field(letter, "from"),
        "to": _field(letter, "to"),
        "recipient": recipient,
        "subject": letter.header("Subject"),
        "receivedAt": arrival.received_at,
        "parsedData": _parsed(letter, links),
        "cleanedContent": _cleaned(letter, links),
    }
    return {**payload, "email": email}


def _parsed(letter: Letter, links: Links) -> dict[str, Any]:
    optional = {name: _field(letter, header) if letter.header(header) else None for name, header in _OPTIONAL.items()}
    return {
        "messageId": letter.header("Message-ID"),
        "date": letter.header("Date"),
        "subject": letter.header("Subject"),
        "from": _field(letter, "from"),
        "to": _field(letter, "to"),
        **optional,
        "inReplyTo": letter.header("In-Reply-To"),
        "references": letter.header("References"),
        "textBody": letter.text,
        "htmlBody": letter.html,
        "attachments": _attachments(letter, links),
        "headers": _headers(letter),
    }


_OPTIONAL = {"cc": "cc", "bcc": "bcc", "replyTo": "reply-to"}


def _cleaned(letter: Letter, links: Links) -> dict[str, Any]:
    """Return the HTML unsanitised: its reader must sanitise it before showing it."""
    return {
        "html": letter.html,
        "text": letter.text,
        "hasHtml": bool(letter.html),
        "hasText": bool(letter.text),
        "attachments": _attachments(letter, links),
        "headers": _headers(letter),
    }


def _headers(letter: Letter) -> dict[str, str | list[str]]:
    return {name: values[0] if len(values) == 1 else values for name, values in letter.headers.items()}


def _field(letter: Letter, name: str) -> dict[str, Any]:
    return {"text": letter.header(name), "addresses": [_mailbox(each) for each in letter.mailboxes(name)]}


def _mailbox(each: Mailbox) -> dict[str, str | None]:
    return {"name": each.name or None, "address": each.address}


def _attachments(letter: Letter, links: Links) -> list[dict[str, Any]]:
    return [_attachment(each, url) for each, url in zip(letter.attachments, links.attachments, strict=True)]


def _attachment(each: Attachment, url: str) -> dict[str, Any]:
    return {
        "filename": each.filename,
        "contentType": each.content_type,
        "size": len(each.content),
        "contentId": each.content_id or None,
        "contentDisposition": each.disposition,
        "downloadUrl": url,
    }


def _endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    return {name: endpoint[name] for name in ("id", "name", "type")}
