"""Terraform (and OpenTofu), for the providers hashicorp/aws and cloudflare/cloudflare from its fifth version on."""

import json
import re
from collections.abc import Sequence

from domains.core.exporting.record_sets import labels, record_sets
from domains.core.exporting.values import Entry, escaped, quoted, strings, unescaped, unquoted
from domains.core.exporting.zone_file import entry_of

_BLOCK = re.compile(r'resource "\w+" "\w+" \{\n(.*?)\n\}', re.DOTALL)
_LINE = re.compile(r"\s*(\w+)\s*=\s*(.+)")
_ZONE = 'variable "zone_id" {{\n  type        = string\n  description = "The id of the zone {zone}"\n}}\n'


def write_route53(entries: Sequence[Entry], zone: str) -> str:
    """No `allow_overwrite`: a record set that is there already is refused, never replaced."""
    sets = record_sets(entries)
    blocks = [
        _block(
            "aws_route53_record",
            label,
            zone_id="var.zone_id",
            name=_text(own[0].name),
            type=_text(own[0].type),
            ttl=str(own[0].ttl),
            records=f"[{', '.join(_text(_for_route53(entry)) for entry in own)}]",
        )
        for label, own in zip(labels(sets), sets, strict=True)
    ]
    return "\n".join([_ZONE.format(zone=zone), *blocks])


def write_cloudflare(entries: Sequence[Entry], zone: str) -> str:
    """Never proxied: nobody would see the record."""
    singles = [(entry,) for entry in entries]
    blocks = [
        _block(
            "cloudflare_dns_record",
            label,
            zone_id="var.zone_id",
            name=_text(entry.name),
            type=_text(entry.type),
            content=_text(quoted(entry.value) if entry.type == "TXT" else entry.value),
            **({} if entry.priority is None else {"priority": str(entry.priority)}),
            ttl=str(entry.ttl),
            proxied="false",
        )
        for label, (entry,) in zip(labels(singles), singles, strict=True)
    ]
    return "\n".join([_ZONE.format(zone=zone), *blocks])


def read_route53(text: str, zone: str) -> tuple[Entry, ...]:
    """ValueError or KeyError for what is not as we write it."""
    return tuple(
        _from_route53(_read(block["name"]), _read(block["type"]), value, int(block["ttl"]))
        for block in _blocks(text)
        for value in json.loads(_plain(block["records"]))
    )


def read_cloudflare(text: str, zone: str) -> tuple[Entry, ...]:
    """ValueError or KeyError for what is not as we write it."""
    found = []
    for block in _blocks(text):
        name, kind, content = (_read(block[key]) for key in ("name", "type", "content"))
        value = unquoted(content) if kind == "TXT" else content
        priority = int(block["priority"]) if "priority" in block else None
        found.append(Entry(name, kind, value, priority, int(block["ttl"])))
    return tuple(found)


def _block(kind: str, label: str, **arguments: str) -> str:
    width = max(map(len, arguments))
    lines = [f"  {name:<{width}} = {value}" for name, value in arguments.items()]
    return "\n".join([f'resource "{kind}" "{label}" {{', *lines, "}\n"])


def _blocks(text: str) -> list[dict[str, str]]:
    return [dict(_argument(line) for line in body.splitlines()) for body in _BLOCK.findall(text)]


def _argument(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("a line of the file cannot be read")
    return match[1], match[2]


def _text(value: str) -> str:
    """A string of HCL: escapes as JSON has them, and its two templates escaped by doubling."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _plain(value: str) -> str:
    return value.replace("$${", "${").replace("%%{", "%{")


def _read(value: str) -> str:
    return str(json.loads(_plain(value)))


def _for_route53(entry: Entry) -> str:
    """The provider puts the outer quotation marks itself; between strings stand two more (its page on TXT records)."""
    if entry.type != "TXT":
        return entry.target
    return '""'.join(escaped(piece, octal=True) for piece in strings(entry.value))


def _from_route53(name: str, kind: str, value: str, ttl: int) -> Entry:
    if kind != "TXT":
        return entry_of(name, kind, value, ttl)
    pieces = re.split(r'(?<!\\)""', value) if value else [""]
    return Entry(name, kind, "".join(unescaped(piece, octal=True) for piece in pieces), ttl=ttl)
