"""Values of one type at one name together, as most hosts keep them."""

import re
from collections.abc import Sequence

from domains.core.exporting.values import Entry


def record_sets(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], ...]:
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.name, entry.type), []).append(entry)
    return tuple(tuple(own) for own in found.values())


def labels(sets: Sequence[Sequence[Entry]]) -> tuple[str, ...]:
    """A name for each in a program's text: letters, digits and underscores, none twice."""
    plain = [re.sub(r"[^a-z0-9]+", "_", f"{own[0].type} {own[0].name}".lower()).strip("_") for own in sets]
    return tuple(f"{name}_{at}" if name in plain[:at] else name for at, name in enumerate(plain))
