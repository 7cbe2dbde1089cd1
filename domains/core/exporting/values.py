"""What every format of an export carries, and how text is cut into strings of DNS."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from domains.core.records import Record

MOST_BYTES = 255  # of one string in a TXT record (RFC 1035 3.3)
TTL_SECONDS = 300
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, order=True)
class Entry:
    """One record as DNS has it: `name` and a host in `value` absolute without the last dot, text in one piece."""

    name: str
    type: str
    value: str
    priority: int | None = None
    ttl: int = TTL_SECONDS

    @property
    def target(self) -> str:
        """The value of other types than TXT as a zone file has it."""
        host = f"{self.value}."
        return host if self.priority is None else f"{self.priority} {host}"


def entries(records: Iterable[Record]) -> tuple[Entry, ...]:
    """Each once, in the order in which they stand on the page."""
    return tuple(dict.fromkeys(Entry(r.name, r.type, r.value, r.priority) for r in records))


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


def quoted(text: str) -> str:
    """As strings of a zone file, each in quotation marks."""
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in strings(text))


def unquoted(text: str) -> str:
    """`quoted` undone. ValueError for anything else."""
    found = _STRING.findall(text)
    if '"' in (rest := _STRING.sub("", text)) or rest.strip() or not found:
        raise ValueError("that is not text in quotation marks")
    return "".join(re.sub(r"\\(.)", r"\1", piece, flags=re.DOTALL) for piece in found)
