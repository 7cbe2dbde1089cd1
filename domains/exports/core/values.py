"""The entries that every export format writes, their grouping by record set, and the quoting of DNS strings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from domains.names.core import relative_name
from domains.records.core import Record

MOST_BYTES = 255  # per string in a TXT record (RFC 1035 3.3)
TTL_SECONDS = 300
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, order=True)
class Entry:
    """One DNS record: `name` and a host in `value` are absolute without the last dot, text is in one piece.

    `today` has the type and value of each published record that it replaces. It is for readers, not part of the record.
    """

    name: str
    type: str
    value: str
    priority: int | None = None
    ttl: int = TTL_SECONDS
    today: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    @property
    def target(self) -> str:
        """Return the value of a type other than TXT as in a zone file."""
        host = f"{self.value}."
        return host if self.priority is None else f"{self.priority} {host}"

    def name_in(self, zone: str) -> str:
        """Return the name as a zone file writes it, "@" for the zone. Raises ValueError for a name outside the zone."""
        return relative_name(self.name, zone)


def entries(
    records: Iterable[Record], today: Mapping[str, tuple[tuple[str, str], ...]] | None = None
) -> tuple[Entry, ...]:
    """Return each record once, in the page's order, without those that have no value.

    `today` has what each replaces, by key.
    """
    found = today or {}
    made = (Entry(r.name, r.type, r.value, r.priority, today=found.get(r.key, ())) for r in records if r.value)
    return tuple(dict.fromkeys(made))


@dataclass(frozen=True)
class ReplacedRecords:
    """Records of one name and type that are published now and must be deleted."""

    type: str
    name: str
    values: tuple[str, ...]


def replaced(entries: Iterable[Entry]) -> tuple[ReplacedRecords, ...]:
    """Return what must be deleted, each record once: one CNAME may be in the way of several records."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for entry in entries:
        for kind, value in entry.today:
            found.setdefault((kind, entry.name), {})[value] = None
    return tuple(ReplacedRecords(kind, name, tuple(values)) for (kind, name), values in found.items())


def in_the_way(entry: Entry) -> tuple[str, ...]:
    """Return the values that the record replaces, with their type if it is another."""
    shown = ((kind, escaped(value)[:LONGEST_NOTE]) for kind, value in entry.today)
    return tuple(value if kind == entry.type else f"{kind} {value}" for kind, value in shown)


_ASCII = str.maketrans("“”‘’…", "\"\"''.")
LONGEST_NOTE = 300  # published values may be long


def notes(entries: Sequence[Entry], withheld: Iterable[Record]) -> tuple[str, ...]:
    """Return what the reader of a file must know, as lines of ASCII: what is replaced, and what is missing and why."""
    lines = list(dict.fromkeys(_replacing(entry, *each) for entry in entries for each in entry.today))
    for record in withheld:
        why = escaped(record.withheld.translate(_ASCII)).replace('\\"', '"')[:LONGEST_NOTE]
        lines.append(f"{record.type} {record.name} isn't in this file: {why} .")
    return tuple(lines)


def _replacing(entry: Entry, kind: str, value: str) -> str:
    shown = f"{escaped(value)[:LONGEST_NOTE]} ."
    if kind == entry.type:
        return f"{kind} {entry.name} replaces what is published now, so delete this: {shown}"
    return f"A {kind} at {entry.name} is in the way of what is below, so delete this: {shown}"


def strings(text: str) -> tuple[str, ...]:
    """Split a text into pieces of at most 255 bytes, between characters. An empty text is one empty string."""
    pieces, piece, size = [], "", 0
    for char in text:
        width = len(char.encode())
        if size + width > MOST_BYTES:
            pieces.append(piece)
            piece, size = "", 0
        piece, size = piece + char, size + width
    return (*pieces, piece)


def quoted(text: str, *, octal: bool = False) -> str:
    """Return the strings as in a zone file, in quotation marks. Route 53 writes bytes in `octal`, unlike RFC 1035."""
    return " ".join(f'"{escaped(piece, octal=octal)}"' for piece in strings(text))


def unquoted(text: str, *, octal: bool = False) -> str:
    """Reverse `quoted`. Raises ValueError for anything else."""
    found = _STRING.findall(text)
    if not found or _STRING.sub("", text).strip():
        raise ValueError("that is not text in quotation marks")
    return "".join(unescaped(piece, octal=octal) for piece in found)


def escaped(piece: str, *, octal: bool = False) -> str:
    """Write bytes that are not printable ASCII as numbers, and `"` and `\\` after a backslash."""
    form = "\\{:03o}" if octal else "\\{:03d}"
    return "".join(
        f"\\{char}" if char in '"\\' else char if " " <= char <= "~" else "".join(map(form.format, char.encode()))
        for char in piece
    )


def unescaped(piece: str, *, octal: bool = False) -> str:
    """Reverse `escaped`. Raises ValueError (including UnicodeDecodeError) if the result is not text."""
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
    """Return a unique identifier for each set: letters, digits and underscores."""
    plain = [re.sub(r"[^a-z0-9]+", "_", f"{own[0].type} {own[0].name}".lower()).strip("_") for own in sets]
    return tuple(f"{name}_{at}" if name in plain[:at] else name for at, name in enumerate(plain))
