"""Delivery reports of the function, and the event that asks it to deliver a message again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Report:
    """The outcome of a message for some of its recipients, at `at`; `endpoint_id` "" if there was no endpoint.

    `storage_problem`: why the stored message couldn't be read, as AWS says it. `probe`: the token of a test message, if
    it is one.
    """

    message_id: str
    received_at: datetime
    recipients: tuple[str, ...]
    endpoint_id: str
    outcome: str
    at: datetime
    problem: str = ""
    storage_problem: str = ""
    size: int | None = None
    probe: str = ""


VIRUS = "SES found a virus. The message stays in the bucket."  # as the function reports it
_WHY_UNROUTED = {  # by what route lookup says; for all else the address had no active endpoint
    "off": "The address is turned off.",
    "stopped": "Our team has turned off inbound mail.",
    "former": "The domain changed hands or was deleted since, and the endpoint of that time is inactive or deleted.",
    "earlier": "No customer held the domain when SES received the message.",
    "undecided": "The domain changed hands when SES received the message, so staff choose the customer.",
}


def why_unrouted(because: str) -> str:
    """Return why a message is only stored, as shown to its customer; "" if its address had no active endpoint."""
    return _WHY_UNROUTED.get(because, "")


def redelivery_event(
    message_id: str, recipients: Sequence[str], received_at: datetime, *, request: str, problem: str = ""
) -> dict[str, Any]:
    """Return the event, in the format that receiving/events.py reads.

    `request`: an ID of its own, so that a repeated event is delivered once. `problem`: that of the last report: a
    message with a virus keeps its verdict, so that the function holds it again.
    """
    verdicts = {"verdicts": {"virus": "FAIL"}} if problem == VIRUS else {}
    asked = {"messageId": message_id, "recipients": list(recipients), "receivedAt": received_at.isoformat()}
    return {"inboundAdmin": {"deliver": asked | {"request": request} | verdicts}}
