"""What is sent to a target: JSON, in the form of the Standard Webhooks or as Slack and its likes take it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from alerts.core.events import words_for


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
