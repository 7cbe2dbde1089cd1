"""JSON that somebody sent. None if it isn't valid, or is nested more deeply than Python reads or writes it."""

import json
from typing import Any


def sent_json(body: bytes) -> Any:
    try:
        sent = json.loads(body)
        json.dumps(sent)
    except (ValueError, RecursionError):
        return None
    return sent


def same_json(body: bytes) -> bytes:
    """Return the same bytes for all spellings of the same JSON. What isn't JSON is returned unchanged."""
    sent = sent_json(body)
    return body if sent is None else json.dumps(sent, sort_keys=True).encode()
