"""Tables that are read by a key: a dict would keep the last of two rows with one key and say nothing."""

from collections.abc import Iterable
from typing import TypeVar

Key = TypeVar("Key")
Row = TypeVar("Row")


def keyed(rows: Iterable[tuple[Key, Row]]) -> dict[Key, Row]:
    """A dict of the rows in their order. Raises ValueError, when the module is imported, if a key stands twice."""
    table: dict[Key, Row] = {}
    for key, row in rows:
        if key in table:
            raise ValueError(f"{key!r} stands twice in a table")
        table[key] = row
    return table
