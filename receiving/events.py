"""Parses the function's events: SES's own, SNS's, the retry queue's, and requests of Inbound Admin.

The formats are those of the AWS documentation: "Lambda function: SES event record", "Contents of notifications for
Amazon SES email receiving", and "Invocation record" of Lambda's destinations.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SETUP_NOTIFICATION = "AMAZON_SES_SETUP_NOTIFICATION"  # what SES writes to try a bucket is no mail
PROBE_HEADER = "x-inbound-admin-probe"
_VERDICTS = ("spam", "virus", "spf", "dkim", "dmarc")


class UnknownEvent(ValueError):
    """The event fails, and so ends in the dead-letter queue, where a person sees it."""


@dataclass(frozen=True)
class Arrival:
    """A message, and those of its recipients that the event is about.

    `stored`: bucket and key if the event has them. `is_again`: a person requested another delivery. `probe`: the token
    of a test message. `received_at`: when SES received it, not when a rule's action ran: SES retries that for hours,
    and the domain may change hands meanwhile. `event`: the digest of SES's notification, the same in each retry and
    another for each rule; of a request for another delivery its ID, "" from an older Inbound Admin.
    """

    message_id: str
    recipients: tuple[str, ...]
    received_at: str
    verdicts: Mapping[str, str] = field(default_factory=dict)
    stored: tuple[str, str] | None = None
    is_again: bool = False
    probe: str = ""
    event: str = ""

    @property
    def has_virus(self) -> bool:
        return self.verdicts.get("virus") == "FAIL"


@dataclass(frozen=True)
class LookAgain:
    """A scheduled event: check again mail that waits for a recipient's confirmation."""


def read_event(event: Mapping[str, Any]) -> tuple[Arrival | LookAgain, ...]:
    """Yield what the event is about. Raises UnknownEvent."""
    if "inboundAdmin" in event:
        return (_asked(event["inboundAdmin"]),)
    if not isinstance(event.get("Records"), list):
        raise UnknownEvent(f"This event has no records: {sorted(event)[:10]}")
    return tuple(found for record in event["Records"] for found in _record(record))


def _record(record: Mapping[str, Any]) -> Iterator[Arrival | LookAgain]:
    source = record.get("eventSource") or record.get("EventSource")
    if source == "aws:ses":
        yield from _mail(record["ses"])
    elif source == "aws:sns":
        yield from _notification(record["Sns"]["Message"])
    elif source == "aws:sqs":
        yield from _queued(record["body"])
    else:
        raise UnknownEvent(f"Unknown event source: {source}.")


def _queued(body: str) -> Iterator[Arrival | LookAgain]:
    """Parse an event that Lambda failed to process: its record of the failure, with the event in it, or the event."""
    record = json.loads(body)
    yield from read_event(record.get("requestPayload", record))


def _notification(message: str) -> Iterator[Arrival]:
    try:
        notification = json.loads(message)
    except ValueError:  # "Successfully validated SNS topic for Amazon SES event publishing."
        return
    if isinstance(notification, dict) and notification.get("notificationType") == "Received":
        yield from _mail(notification)


def _mail(notification: Mapping[str, Any]) -> Iterator[Arrival]:
    mail, receipt = notification["mail"], notification["receipt"]
    if mail["messageId"] == SETUP_NOTIFICATION:
        return
    action = receipt.get("action", {})
    stored = (action["bucketName"], action["objectKey"]) if action.get("type") == "S3" else None
    yield Arrival(
        message_id=str(mail["messageId"]),
        recipients=_lower(receipt["recipients"]),
        received_at=str(mail.get("timestamp") or receipt["timestamp"]),
        verdicts={name: receipt.get(f"{name}Verdict", {}).get("status", "") for name in _VERDICTS},
        stored=stored,
        probe=_probe(mail.get("headers") or ()),
        event=hashlib.sha256(json.dumps(notification, sort_keys=True).encode()).hexdigest(),
    )


def _probe(headers: Iterable[Mapping[str, Any]]) -> str:
    """Return the token of a test message. SES includes the headers of all but the largest messages.

    Any sender can write the header, and a report with control characters isn't accepted.
    """
    found = (each.get("value", "") for each in headers if str(each.get("name", "")).lower() == PROBE_HEADER)
    token = str(next(found, ""))[:64]
    return token if token.isprintable() else ""


def _asked(asked: Mapping[str, Any]) -> Arrival | LookAgain:
    if asked.get("lookAgain"):
        return LookAgain()
    if "deliver" not in asked:
        raise UnknownEvent(f"Unknown request from Inbound Admin: {sorted(asked)[:10]}")
    wanted = asked["deliver"]
    is_again = bool(wanted.get("isAgain", True))
    return Arrival(
        message_id=str(wanted["messageId"]),
        recipients=_lower(wanted["recipients"]),
        received_at=str(wanted["receivedAt"]),
        verdicts=wanted.get("verdicts", {}),
        is_again=is_again,
        event=str(wanted.get("request", "")) if is_again else "",
    )


def _lower(recipients: list[str]) -> tuple[str, ...]:
    """Return each address once, in lower case, as Inbound Admin stores it."""
    return tuple(dict.fromkeys(each.strip().lower() for each in recipients))
