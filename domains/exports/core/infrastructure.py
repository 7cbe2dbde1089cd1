"""Exports records for Route 53, Terraform, octoDNS and DNSControl. Pure.

- Route 53: a change batch with CREATE, never UPSERT. All values of one type at one name are one record set, so an
UPSERT would replace existing values, such as other services' verification records at the apex. With CREATE, Route 53
refuses the whole batch instead.
- Terraform and OpenTofu: the providers hashicorp/aws, and cloudflare/cloudflare from version 5.
- octoDNS: YAML for its YamlProvider. Texts are in double quotes, as in JSON; a semicolon needs a backslash.
- DNSControl: D_EXTEND adds to a configured domain; D alone would delete everything else there.
"""

import json
import re
from collections.abc import Sequence
from itertools import groupby

from domains.exports.core.files import absolute, data_of, entry_of
from domains.exports.core.values import Entry, escaped, labels, quoted, record_sets, strings, unescaped, unquoted


def write_route53_batch(entries: Sequence[Entry], zone: str) -> str:
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": f"{own[0].name}.",
                "Type": own[0].type,
                "TTL": own[0].ttl,
                "ResourceRecords": [{"Value": data_of(entry, octal=True)} for entry in own],
            },
        }
        for own in record_sets(entries)
    ]
    return json.dumps({"Comment": f"Records for {zone}", "Changes": changes}, indent=2) + "\n"


def read_route53_batch(text: str, zone: str) -> tuple[Entry, ...]:
    """Parse a change batch of ours. Raises ValueError or KeyError for anything else."""
    sets = [change["ResourceRecordSet"] for change in json.loads(text)["Changes"]]
    return tuple(
        entry_of(own["Name"].removesuffix("."), own["Type"], record["Value"], own["TTL"], octal=True)
        for own in sets
        for record in own["ResourceRecords"]
    )


def route53_command(file_name: str) -> str:
    """Return the AWS CLI command that sends the batch."""
    batch = f"--change-batch file://{file_name}"
    return f"aws route53 change-resource-record-sets --hosted-zone-id YOUR_ZONE_ID {batch}"


_BLOCK = re.compile(r'resource "\w+" "\w+" \{\n(.*?)\n\}', re.DOTALL)
_LINE = re.compile(r"\s*(\w+)\s*=\s*(.+)")
_ZONE = 'variable "zone_id" {{\n  type        = string\n  description = "The id of the zone {zone}"\n}}\n'


def write_terraform_route53(entries: Sequence[Entry], zone: str) -> str:
    """Without `allow_overwrite`: an existing record set is refused, never replaced."""
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


def write_terraform_cloudflare(entries: Sequence[Entry], zone: str) -> str:
    """Never proxied: a proxied record is not visible."""
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


def read_terraform_route53(text: str, zone: str) -> tuple[Entry, ...]:
    """Parse our own output. Raises ValueError or KeyError for anything else."""
    return tuple(
        _from_route53(_read(block["name"]), _read(block["type"]), value, int(block["ttl"]))
        for block in _blocks(text)
        for value in json.loads(_plain(block["records"]))
    )


def read_terraform_cloudflare(text: str, zone: str) -> tuple[Entry, ...]:
    """Parse our own output. Raises ValueError or KeyError for anything else."""
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
    """Return an HCL string: JSON escapes, and its two template markers escaped by doubling."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _plain(value: str) -> str:
    return value.replace("$${", "${").replace("%%{", "%{")


def _read(value: str) -> str:
    return str(json.loads(_plain(value)))


def _for_route53(entry: Entry) -> str:
    """The provider adds the outer quotation marks itself; two more separate strings (its page on TXT records)."""
    if entry.type != "TXT":
        return entry.target
    return '""'.join(escaped(piece, octal=True) for piece in strings(entry.value))


def _from_route53(name: str, kind: str, value: str, ttl: int) -> Entry:
    if kind != "TXT":
        return entry_of(name, kind, value, ttl)
    pieces = re.split(r'(?<!\\)""', value) if value else [""]
    return Entry(name, kind, "".join(unescaped(piece, octal=True) for piece in pieces), ttl=ttl)


def write_octodns(entries: Sequence[Entry], zone: str) -> str:
    """Names are sorted, because octoDNS in strict order refuses others."""
    lines = [f"# Records for {zone}: merge them into the zone's file.", "---"]
    sets = sorted(record_sets(entries), key=lambda own: (_key(own[0], zone), own[0].type))
    for key, of_name in groupby(sets, key=lambda own: _key(own[0], zone)):
        lines.append(f"{json.dumps(key)}:")
        for own in of_name:
            lines += _record(own)
    return "\n".join(lines) + "\n"


def read_octodns(text: str, zone: str) -> tuple[Entry, ...]:
    """Parse the YAML that `write_octodns` produces. Raises ValueError or KeyError for anything else."""
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
    values = [e.value.replace(";", "\\;") if e.type == "TXT" else f"{e.value}." for e in own]
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
    return [Entry(name, kind, text.replace("\\;", ";") if kind == "TXT" else _host(text), None, ttl) for text in texts]


def _key(entry: Entry, zone: str) -> str:
    name = entry.name_in(zone)
    return "" if name == "@" else name


def _host(text: str) -> str:
    if not text.endswith("."):
        raise ValueError(f"{text} is not absolute")
    return text.removesuffix(".")


_CALL = re.compile(r"  (TXT|CNAME|MX)\((.+), TTL\((\d+)\)\),?")


def write_dnscontrol(entries: Sequence[Entry], zone: str) -> str:
    lines = ",\n".join(f"  {entry.type}({', '.join(_arguments(entry, zone))})" for entry in entries)
    head = f"// Records for {zone}: they extend its D(), which must come before this in your configuration."
    return f"{head}\nD_EXTEND({json.dumps(zone)},\n{lines}\n);\n"


def read_dnscontrol(text: str, zone: str) -> tuple[Entry, ...]:
    """Parse the calls that `write_dnscontrol` produces. Raises ValueError for anything else."""
    return tuple(_entry(line, zone) for line in text.splitlines() if line.startswith("  "))


def _arguments(entry: Entry, zone: str) -> list[str]:
    name = json.dumps(entry.name_in(zone))
    priority = [] if entry.priority is None else [str(entry.priority)]
    value = json.dumps(entry.value if entry.type == "TXT" else f"{entry.value}.", ensure_ascii=False)
    return [name, *priority, value, f"TTL({entry.ttl})"]


def _entry(line: str, zone: str) -> Entry:
    match = _CALL.fullmatch(line)
    if match is None:
        raise ValueError("a line of the file cannot be read")
    kind, given, ttl = match.groups()
    name, *priority, value = json.loads(f"[{given}]")
    value = value if kind == "TXT" else _host(value)
    return Entry(absolute(name, zone), kind, value, priority[0] if priority else None, int(ttl))
