"""What strangers published, made fit to be shown: bounded, and nothing in it that acts instead of being read."""

import unicodedata

LONGEST = 300
MOST_VALUES = 8


def text(value: str, longest: int = LONGEST) -> str:
    """Unseen, control and direction characters as "\\u200b" in letters; cut with an ellipsis. HTML is the page's to
    escape.
    """
    shown = "".join(char if _is_plain(char) else _spelled(char) for char in value[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def values(found: tuple[str, ...]) -> tuple[str, ...]:
    """As many as a person reads."""
    some = tuple(text(value) for value in found[:MOST_VALUES])
    return (*some, f"… and {len(found) - MOST_VALUES} more") if len(found) > MOST_VALUES else some


def _is_plain(char: str) -> bool:
    return char == " " or unicodedata.category(char)[0] not in "CZ"


def _spelled(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
