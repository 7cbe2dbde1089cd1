"""A zone file (RFC 1035 5), with names relative to the zone or absolute, to be added to the one that is there."""

import re
from collections.abc import Sequence

from domains.core.exporting.values import Entry, quoted, unquoted

_LINE = re.compile(r"(\S+)\s+(\d+)\s+IN\s+(TXT|CNAME|MX)\s+(.+)")


def write_relative(entries: Sequence[Entry], zone: str) -> str:
    return _write(entries, zone, in_zone=True)


def write_absolute(entries: Sequence[Entry], zone: str) -> str:
    return _write(entries, zone, in_zone=False)


def read(text: str, zone: str) -> tuple[Entry, ...]:
    """The lines that `write_…` makes. ValueError for others: what we cannot read back is not offered."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith((";", "$ORIGIN ")):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("a line of the zone file cannot be read")
        name, ttl, kind, data = match.groups()
        found.append(entry_of(absolute(name, zone), kind, data, int(ttl)))
    return tuple(found)


def relative(name: str, zone: str) -> str:
    """As the zone's own file writes it, "@" for the zone. ValueError outside of the zone."""
    if name == zone:
        return "@"
    if not name.endswith(f".{zone}"):
        raise ValueError(f"{name} is not in the zone {zone}")
    return name.removesuffix(f".{zone}")


def absolute(name: str, zone: str) -> str:
    """`relative` undone; a name that ends in a dot is absolute already."""
    if name.endswith("."):
        return name.removesuffix(".")
    return zone if name == "@" else f"{name}.{zone}"


def data_of(entry: Entry, *, octal: bool = False) -> str:
    """What stands after the type."""
    return quoted(entry.value, octal=octal) if entry.type == "TXT" else entry.target


def entry_of(name: str, kind: str, data: str, ttl: int, *, octal: bool = False) -> Entry:
    """`data_of` undone. ValueError where a host is not absolute: the zone would be added to it."""
    if kind == "TXT":
        return Entry(name, kind, unquoted(data, octal=octal), ttl=ttl)
    priority, _, host = data.rpartition(" ")
    if not host.endswith("."):
        raise ValueError(f"{host} is not absolute")
    return Entry(name, kind, host.removesuffix("."), int(priority) if priority else None, ttl)


def _write(entries: Sequence[Entry], zone: str, *, in_zone: bool) -> str:
    names = [relative(entry.name, zone) if in_zone else f"{entry.name}." for entry in entries]
    width = max(map(len, names), default=0)
    head = [f"; Records for {zone}: add them to its zone file, and raise the serial number."]
    if in_zone:
        head.append(f"$ORIGIN {zone}.")
    lines = [
        f"{name:<{width}} {entry.ttl} IN {entry.type:<5} {data_of(entry)}"
        for name, entry in zip(names, entries, strict=True)
    ]
    return "\n".join([*head, *lines]) + "\n"
