"""Exports records as a zone file (RFC 1035 5), CSV, JSON, or an email to the person who manages the DNS. Pure.

A zone file has relative or absolute names and is meant to be added to the existing one.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from domains.exports.core.values import Entry, in_the_way, quoted, unquoted
from inbound_admin.lib.exports import as_csv, unescaped

_LINE = re.compile(r"(\S+)\s+(\d+)\s+IN\s+(TXT|CNAME|MX)\s+(.+)")


def write_relative(entries: Sequence[Entry], zone: str) -> str:
    return _write(entries, zone, in_zone=True)


def write_absolute(entries: Sequence[Entry], zone: str) -> str:
    return _write(entries, zone, in_zone=False)


def read(text: str, zone: str) -> tuple[Entry, ...]:
    """Parse the lines that `write_…` produces. ValueError for others: what we cannot read back is not offered."""
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


def absolute(name: str, zone: str) -> str:
    """Reverse `Entry.name_in`. A name that ends in a dot is already absolute."""
    if name.endswith("."):
        return name.removesuffix(".")
    return zone if name == "@" else f"{name}.{zone}"


def data_of(entry: Entry, *, octal: bool = False) -> str:
    """Return the part of the line after the type."""
    return quoted(entry.value, octal=octal) if entry.type == "TXT" else entry.target


def entry_of(name: str, kind: str, data: str, ttl: int, *, octal: bool = False) -> Entry:
    """Reverse `data_of`. ValueError if a host is not absolute: the zone would be appended to it."""
    if kind == "TXT":
        return Entry(name, kind, unquoted(data, octal=octal), ttl=ttl)
    priority, _, host = data.rpartition(" ")
    if not host.endswith("."):
        raise ValueError(f"{host} is not absolute")
    return Entry(name, kind, host.removesuffix("."), int(priority) if priority else None, ttl)


def _write(entries: Sequence[Entry], zone: str, *, in_zone: bool) -> str:
    names = [entry.name_in(zone) if in_zone else f"{entry.name}." for entry in entries]
    width = max(map(len, names), default=0)
    head = [f"; Records for {zone}: add them to its zone file, then increase the serial number."]
    if in_zone:
        head.append(f"$ORIGIN {zone}.")
    lines = [
        f"{name:<{width}} {entry.ttl} IN {entry.type:<5} {data_of(entry)}"
        for name, entry in zip(names, entries, strict=True)
    ]
    return "\n".join([*head, *lines]) + "\n"


_GREETING = """Hello,

Please add these {count} DNS records to {zone}{replacing}. If your DNS host appends
{zone} automatically, use "Name". Otherwise, use "Full name".
Please don't change any other records.
"""
_TODAY = """
"Replaces" is what is published at the name now. Please replace it: a second
record beside it would be wrong. Please ask before you remove a mail server
that is still in use.
"""


def write_csv(entries: Sequence[Entry], zone: str) -> str:
    return as_csv({key: "" if value is None else str(value) for key, value in _row(e, zone).items()} for e in entries)


def read_csv(text: str, zone: str) -> tuple[Entry, ...]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return tuple(_entry({key: unescaped(value) for key, value in row.items()}) for row in rows)


def write_json(entries: Sequence[Entry], zone: str) -> str:
    return json.dumps({"zone": zone, "records": [_row(e, zone) for e in entries]}, indent=2, ensure_ascii=False) + "\n"


def read_json(text: str, zone: str) -> tuple[Entry, ...]:
    return tuple(_entry(row) for row in json.loads(text)["records"])


def write_letter(entries: Sequence[Entry], zone: str) -> str:
    parts = [_paragraph(number, entry, zone) for number, entry in enumerate(entries, start=1)]
    count = sum(bool(entry.today) for entry in entries)
    replacing = f". {count} of them replace{'s' if count == 1 else ''} what is there now" if count else ""
    head = _GREETING.format(zone=zone, count=len(entries), replacing=replacing) + (_TODAY if count else "")
    return "\n".join([head, *parts])


def read_letter(text: str, zone: str) -> tuple[Entry, ...]:
    found = []
    for part in re.split(r"^Record \d+$\n", text, flags=re.MULTILINE)[1:]:
        lines = dict(re.findall(r"^  (Type|Full name|Value|Priority|TTL): +(.*)$", part, re.MULTILINE))
        priority = int(lines["Priority"]) if "Priority" in lines else None
        found.append(Entry(lines["Full name"], lines["Type"], lines["Value"], priority, int(lines["TTL"].split()[0])))
    return tuple(found)


def _row(entry: Entry, zone: str) -> dict[str, Any]:
    in_zone = entry.name_in(zone)
    return {
        "type": entry.type,
        "name": entry.name,
        "name_in_zone": "" if in_zone == "@" else in_zone,
        "value": entry.value,
        "priority": entry.priority,
        "ttl": entry.ttl,
        "replaces": ", ".join(in_the_way(entry)),
    }


def _entry(row: dict[str, Any]) -> Entry:
    priority = None if row["priority"] in (None, "") else int(row["priority"])
    return Entry(row["name"], row["type"], row["value"], priority, int(row["ttl"]))


def _paragraph(number: int, entry: Entry, zone: str) -> str:
    lines = [("Type", entry.type), ("Name", entry.name_in(zone)), ("Full name", entry.name)]
    lines += [("Value", entry.value)]
    if entry.priority is not None:
        lines.append(("Priority", str(entry.priority)))
    lines.append(("TTL", f"{entry.ttl} seconds"))
    lines += [("Replaces", each) for each in in_the_way(entry)]
    return "\n".join([f"Record {number}", *(f"  {f'{label}:':<10} {text}" for label, text in lines), ""])
