"""DNSControl. D_EXTEND adds to a domain that is configured already; D alone would delete everything else there."""

import json
import re
from collections.abc import Sequence

from domains.core.exporting.values import Entry
from domains.core.exporting.zone_file import absolute, relative

_CALL = re.compile(r"  (TXT|CNAME|MX)\((.+), TTL\((\d+)\)\),?")


def write(entries: Sequence[Entry], zone: str) -> str:
    lines = ",\n".join(f"  {entry.type}({', '.join(_arguments(entry, zone))})" for entry in entries)
    head = f"// Records for {zone}: they are added to its D(), which stands in your configuration before this."
    return f"{head}\nD_EXTEND({json.dumps(zone)},\n{lines}\n);\n"


def read(text: str, zone: str) -> tuple[Entry, ...]:
    """The calls that `write` makes, and no other: ValueError."""
    return tuple(_entry(line, zone) for line in text.splitlines() if line.startswith("  "))


def _arguments(entry: Entry, zone: str) -> list[str]:
    name = json.dumps(relative(entry.name, zone))
    priority = [] if entry.priority is None else [str(entry.priority)]
    value = json.dumps(entry.value if entry.type == "TXT" else f"{entry.value}.", ensure_ascii=False)
    return [name, *priority, value, f"TTL({entry.ttl})"]


def _entry(line: str, zone: str) -> Entry:
    match = _CALL.fullmatch(line)
    if match is None:
        raise ValueError("a line of the file cannot be read")
    kind, given, ttl = match.groups()
    name, *priority, value = json.loads(f"[{given}]")
    if kind != "TXT" and not value.endswith("."):
        raise ValueError(f"{value} is not absolute")
    host = value if kind == "TXT" else value.removesuffix(".")
    return Entry(absolute(name, zone), kind, host, priority[0] if priority else None, int(ttl))
