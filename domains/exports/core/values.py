"""The entries that every export format writes, their grouping by record set, and the quoting of DNS strings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from domains.records.core import Record

MOST_BYTES = 255  # of one string in a TXT record (RFC 1035 3.3)
TTL_SECONDS = 300
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, order=True)
class Entry:
    """One record as DNS has it: `name` and a host in `value` absolute without the last dot, text in one piece.

    `today` is what stands in its way at the moment; it is for people to read, and no part of the record.
    """

    name: str
    type: str
    value: str
    priority: int | None = None
    ttl: int = TTL_SECONDS
    today: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def target(self) -> str:
        """The value of other types than TXT as a zone file has it."""
        host = f"{self.value}."
        return host if self.priority is None else f"{self.priority} {host}"


def entries(records: Iterable[Record], today: Mapping[str, tuple[str, ...]] | None = None) -> tuple[Entry, ...]:
    """Each once, in the order of the page, without those that offer no value.

    `today` has what stands in the way of each, by key.
    """
    found = today or {}
    made = (Entry(r.name, r.type, r.value, r.priority, today=found.get(r.key, ())) for r in records if r.value)
    return tuple(dict.fromkeys(made))


def strings(text: str) -> tuple[str, ...]:
    """In pieces of at most 255 bytes, cut between characters; an empty text is one empty string."""
    pieces, piece, size = [], "", 0
    for char in text:
        width = len(char.encode())
        if size + width > MOST_BYTES:
            pieces.append(piece)
            piece, size = "", 0
        piece, size = piece + char, size + width
    return (*pieces, piece)


def quoted(text: str, *, octal: bool = False) -> str:
    """As strings of a zone file, each in quotation marks. Route 53 numbers bytes in `octal`, all others as RFC 1035."""
    return " ".join(f'"{escaped(piece, octal=octal)}"' for piece in strings(text))


def unquoted(text: str, *, octal: bool = False) -> str:
    """`quoted` undone. ValueError for anything else."""
    found = _STRING.findall(text)
    if not found or _STRING.sub("", text).strip():
        raise ValueError("that is not text in quotation marks")
    return "".join(unescaped(piece, octal=octal) for piece in found)


def escaped(piece: str, *, octal: bool = False) -> str:
    """What is no printable ASCII as the numbers of its bytes; `"` and `\\` after a backslash."""
    form = "\\{:03o}" if octal else "\\{:03d}"
    return "".join(
        f"\\{char}" if char in '"\\' else char if " " <= char <= "~" else "".join(map(form.format, char.encode()))
        for char in piece
    )


def unescaped(piece: str, *, octal: bool = False) -> str:
    """`escaped` undone. ValueError (of which UnicodeDecodeError is one) for what is no text."""
    raw = re.sub(rb"\\(\d{3}|.)", lambda match: _byte(match[1], 8 if octal else 10), piece.encode(), flags=re.DOTALL)
    return raw.decode()


def _byte(text: bytes, base: int) -> bytes:
    return bytes([int(text, base)]) if len(text) == 3 else text


def record_sets(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], ...]:
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.name, entry.type), []).append(entry)
    return tuple(tuple(own) for own in found.values())


def labels(sets: Sequence[Sequence[Entry]]) -> tuple[str, ...]:
    """A name for each in a program's text: letters, digits and underscores, none twice."""
    plain = [re.sub(r"[^a-z0-9]+", "_", f"{own[0].type} {own[0].name}".lower()).strip("_") for own in sets]
    return tuple(f"{name}_{at}" if name in plain[:at] else name for at, name in enumerate(plain))
