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


def redelivery_event(message_id: str, recipients: Sequence[str], received_at: datetime) -> dict[str, Any]:
    """Return the event, in the format that receiving/events.py reads."""
    delivery = {"messageId": message_id, "recipients": list(recipients), "receivedAt": received_at.isoformat()}
    return {"inboundAdmin": {"deliver": delivery}}
