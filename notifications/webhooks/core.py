"""Webhook payloads, the retry schedule, and the check of a target's URL. Pure: the time is an argument.

Payloads are JSON: Standard Webhooks, or the format of Slack and similar services.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from inbound_admin.lib.public_url import PublicUrl, parse_url
from notifications.events.core import words_for


class Format(StrEnum):
    STANDARD = "standard"
    SLACK = "slack"


@dataclass(frozen=True)
class WebhookEvent:
    """An event with its object. `link` is its page, or empty if SITE_URL isn't set."""

    event: str
    at: datetime
    object_type: str
    object_id: str
    object_name: str
    customer_id: str
    data: Mapping[str, Any]
    link: str = ""


def body(happening: WebhookEvent, form: Format) -> str:
    """Return the body to send and sign."""
    return _slack(happening) if form is Format.SLACK else _standard(happening)


def _standard(happening: WebhookEvent) -> str:
    about = {
        "type": happening.object_type,
        "id": happening.object_id,
        "name": happening.object_name,
        "customerId": happening.customer_id or None,
    }
    payload = {
        "type": happening.event,
        "timestamp": happening.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {"object": about, "link": happening.link or None, **happening.data},
    }
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)


def _slack(happening: WebhookEvent) -> str:
    """Escape `&`, `<` and `>`, which have a meaning in Slack."""
    why = str(happening.data.get("why", ""))
    words = str(happening.data.get("words", "")) or words_for(happening.event)
    text = f"*{_plain(happening.object_name)}*: {_plain(words)}."
    if why:
        text += f"\n{_plain(why)}"
    if happening.link:
        text += f"\n<{happening.link}|View>"
    return json.dumps({"text": text}, ensure_ascii=False)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# Intervals of the Standard Webhooks specification ("Deliverability and reliability"), about three days in total.
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
    """Return the time of the next attempt, or None after the last. `jitter` is between 0 and 1."""
    if attempts > len(PAUSES):
        return None
    return now + PAUSES[max(attempts, 1) - 1] * (1 + MOST_JITTER * min(max(jitter, 0.0), 1.0))


LONGEST_GAP = timedelta(days=2)  # between two attempts of one series of failures: retries are at most 27 hours apart
FEWEST_HOURS = 3  # in which it was tried


def should_disable(*, failing_since: datetime | None, tried: Collection[datetime], now: datetime, days: int) -> bool:
    """Whether a target has failed steadily for that many days, so that it is turned off. 0 days: never.

    `tried`: the hours with attempts in that time. A pause without attempts shows nothing.
    """
    start = now - timedelta(days=days)
    if not days or failing_since is None or failing_since > start or len(tried) < FEWEST_HOURS:
        return False
    moments = [start, *sorted(tried), now]
    return all(later - earlier <= LONGEST_GAP for earlier, later in pairwise(moments))


_WANTED = "Enter an https:// URL without a user name, such as https://example.com/hooks."


def parse_target(text: str, *, may_be_private: bool = False) -> PublicUrl:
    """Parse a target's URL. Plain http only if targets may be private. Raises BadUrl."""
    return parse_url(text, may_be_private=may_be_private, wanted=_WANTED)
