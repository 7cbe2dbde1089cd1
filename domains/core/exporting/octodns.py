"""octoDNS: YAML for its YamlProvider. Texts are in double quotes, as JSON's; a semicolon needs a backslash."""

import json
import re
from collections.abc import Sequence
from itertools import groupby

from domains.core.exporting.record_sets import record_sets
from domains.core.exporting.values import Entry
from domains.core.exporting.zone_file import absolute, relative

_KEY = re.compile(r'("(?:[^"\\]|\\.)*"):')
_PAIR = re.compile(r"(\s*)(- )?(\w+):(?: (.+))?")


def write(entries: Sequence[Entry], zone: str) -> str:
    """Names are sorted, since octoDNS refuses others in its strict order."""
    lines = [f"# Records for {zone}: merge them into the file of the zone.", "---"]
    sets = sorted(record_sets(entries), key=lambda own: (_key(own[0], zone), own[0].type))
    for key, of_name in groupby(sets, key=lambda own: _key(own[0], zone)):
        lines.append(f"{json.dumps(key)}:")
        for own in of_name:
            lines += _record(own)
    return "\n".join(lines) + "\n"


def read(text: str, zone: str) -> tuple[Entry, ...]:
    """The YAML that `write` makes, and no other: ValueError, KeyError."""
    found: list[Entry] = []
    for name, body in _names(text):
        for record in re.split(r"^  - ", body, flags=re.MULTILINE)[1:]:
            found += _entries(name, record, zone)
    return tuple(found)


def _record(own: Sequence[Entry]) -> list[str]:
    lines = [f"  - ttl: {own[0].ttl}", f"    type: {own[0].type}"]
    if own[0].type == "MX":
        lines.append("    values:")
        for entry in own:
            lines += [f"      - exchange: {json.dumps(f'{entry.value}.')}", f"        preference: {entry.priority}"]
        return lines
    values = [_escaped(e.value) if e.type == "TXT" else f"{e.value}." for e in own]
    if len(values) == 1:
        return [*lines, f"    value: {json.dumps(values[0], ensure_ascii=False)}"]
    return [*lines, "    values:", *(f"      - {json.dumps(value, ensure_ascii=False)}" for value in values)]


def _names(text: str) -> list[tuple[str, str]]:
    parts = re.split(r'^("(?:[^"\\]|\\.)*"):$', text.partition("---\n")[2], flags=re.MULTILINE)[1:]
    return [(json.loads(key), body) for key, body in zip(parts[::2], parts[1::2], strict=True)]


def _entries(key: str, record: str, zone: str) -> list[Entry]:
    fields = dict(re.findall(r"^ *(ttl|type|value): (.+)$", record, re.MULTILINE))
    name, kind, ttl = absolute(key or "@", zone), fields["type"], int(fields["ttl"])
    if kind == "MX":
        pairs = re.findall(r"^ +- exchange: (.+)\n +preference: (\d+)$", record, re.MULTILINE)
        return [Entry(name, kind, _host(json.loads(host)), int(number), ttl) for host, number in pairs]
    given = [fields["value"]] if "value" in fields else re.findall(r'^ {6}- (".*")$', record, re.MULTILINE)
    texts = [str(json.loads(value)) for value in given]
    return [Entry(name, kind, _unescaped(text) if kind == "TXT" else _host(text), None, ttl) for text in texts]


def _key(entry: Entry, zone: str) -> str:
    name = relative(entry.name, zone)
    return "" if name == "@" else name


def _host(text: str) -> str:
    if not text.endswith("."):
        raise ValueError(f"{text} is not absolute")
    return text.removesuffix(".")


def _escaped(text: str) -> str:
    return text.replace(";", "\\;")


def _unescaped(text: str) -> str:
    return text.replace("\\;", ";")
