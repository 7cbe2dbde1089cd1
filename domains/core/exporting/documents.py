"""Records for programs of one's own (CSV, JSON), and as a letter for whoever looks after the DNS."""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from domains.core.exporting.values import Entry, escaped
from domains.core.exporting.zone_file import relative
from inbound_admin.lib.lists import as_csv, as_it_was

LONGEST_TODAY = 300  # what strangers published may be long
_GREETING = """To whoever looks after the DNS of {zone}

Please add these {count} records to the zone {zone}. "Name" is what stands in
front of {zone}; many DNS hosts add {zone} by themselves, and others want the
full name, which stands behind it. Leave everything else as it is.
"""
_TODAY = """
"Today" is what stands there now and is not as it should be. Please ask before
you remove a mail server that is still in use.
"""


def write_csv(entries: Sequence[Entry], zone: str) -> str:
    return as_csv({key: "" if value is None else str(value) for key, value in _row(e, zone).items()} for e in entries)


def read_csv(text: str, zone: str) -> tuple[Entry, ...]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return tuple(_entry({key: as_it_was(value) for key, value in row.items()}) for row in rows)


def write_json(entries: Sequence[Entry], zone: str) -> str:
    return json.dumps({"zone": zone, "records": [_row(e, zone) for e in entries]}, indent=2, ensure_ascii=False) + "\n"


def read_json(text: str, zone: str) -> tuple[Entry, ...]:
    return tuple(_entry(row) for row in json.loads(text)["records"])


def write_letter(entries: Sequence[Entry], zone: str) -> str:
    parts = [_paragraph(number, entry, zone) for number, entry in enumerate(entries, start=1)]
    head = _GREETING.format(zone=zone, count=len(entries)) + (_TODAY if any(e.today for e in entries) else "")
    return "\n".join([head, *parts])


def read_letter(text: str, zone: str) -> tuple[Entry, ...]:
    found = []
    for part in re.split(r"^Record \d+$\n", text, flags=re.MULTILINE)[1:]:
        lines = dict(re.findall(r"^  (Type|In full|Value|Priority|TTL): +(.*)$", part, re.MULTILINE))
        priority = int(lines["Priority"]) if "Priority" in lines else None
        found.append(Entry(lines["In full"], lines["Type"], lines["Value"], priority, int(lines["TTL"].split()[0])))
    return tuple(found)


def _row(entry: Entry, zone: str) -> dict[str, Any]:
    in_zone = relative(entry.name, zone)
    return {
        "type": entry.type,
        "name": entry.name,
        "name_in_zone": "" if in_zone == "@" else in_zone,
        "value": entry.value,
        "priority": entry.priority,
        "ttl": entry.ttl,
    }


def _entry(row: dict[str, Any]) -> Entry:
    priority = None if row["priority"] in (None, "") else int(row["priority"])
    return Entry(row["name"], row["type"], row["value"], priority, int(row["ttl"]))


def _paragraph(number: int, entry: Entry, zone: str) -> str:
    lines = [("Type", entry.type), ("Name", relative(entry.name, zone)), ("In full", entry.name)]
    lines += [("Value", entry.value)]
    if entry.priority is not None:
        lines.append(("Priority", str(entry.priority)))
    lines.append(("TTL", f"{entry.ttl} seconds"))
    lines += [("Today", escaped(value)[:LONGEST_TODAY]) for value in entry.today]
    return "\n".join([f"Record {number}", *(f"  {f'{label}:':<9} {text}" for label, text in lines), ""])
