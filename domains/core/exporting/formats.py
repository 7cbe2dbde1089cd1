"""The formats that are offered. Each export is read back and compared: what differs is refused, never handed out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domains.core.exporting import dnscontrol, documents, octodns, route53, terraform, zone_file
from domains.core.exporting.values import Entry
from inbound_admin.lib.errors import Problem
from inbound_admin.lib.tables import keyed

_Write = Callable[[Sequence[Entry], str], str]
_Read = Callable[[str, str], tuple[Entry, ...]]


@dataclass(frozen=True)
class Format:
    """`ending` follows the zone in the name of the file; `hint` says what becomes of what is there already."""

    key: str
    title: str
    ending: str
    content_type: str
    hint: str
    write: _Write
    read: _Read


@dataclass(frozen=True)
class Export:
    kind: Format
    file_name: str
    text: str
    command: str = ""


class ExportDiffers(Problem):
    """What would be read from the export is not what is needed."""

    code = "EXPORT_DIFFERS"
    status = 500


_ADDS = "Adds to what is there. Nothing is replaced."
_REFUSES = "Creates and never replaces: where one of them is there already, it is refused and nothing is changed."
FORMATS = (
    Format("zone", "Zone file, short names", ".zone", "text/dns", _ADDS, zone_file.write_relative, zone_file.read),
    Format(
        "zone-full", "Zone file, full names", ".full.zone", "text/dns", _ADDS, zone_file.write_absolute, zone_file.read
    ),
    Format(
        "route53", "Route 53 change batch", ".route53.json", "application/json", _REFUSES, route53.write, route53.read
    ),
    Format(
        "terraform-route53",
        "Terraform for Route 53",
        ".route53.tf",
        "text/plain",
        _REFUSES,
        terraform.write_route53,
        terraform.read_route53,
    ),
    Format(
        "terraform-cloudflare",
        "Terraform for Cloudflare",
        ".cloudflare.tf",
        "text/plain",
        _ADDS,
        terraform.write_cloudflare,
        terraform.read_cloudflare,
    ),
    Format(
        "octodns",
        "octoDNS",
        ".octodns.yaml",
        "application/yaml",
        "To be merged into the file of your zone: octoDNS removes what is not in it.",
        octodns.write,
        octodns.read,
    ),
    Format(
        "dnscontrol",
        "DNSControl",
        ".dnscontrol.js",
        "text/javascript",
        "Extends the domain that is in your configuration.",
        dnscontrol.write,
        dnscontrol.read,
    ),
    Format("csv", "CSV", ".csv", "text/csv", "For a spreadsheet.", documents.write_csv, documents.read_csv),
    Format("json", "JSON", ".json", "application/json", "For a program.", documents.write_json, documents.read_json),
    Format(
        "letter",
        "Letter in plain text",
        ".txt",
        "text/plain",
        "To be sent to whoever looks after the DNS.",
        documents.write_letter,
        documents.read_letter,
    ),
)
_BY_KEY = keyed((kind.key, kind) for kind in FORMATS)


def format_named(key: str) -> Format | None:
    return _BY_KEY.get(key)


def export(entries: Sequence[Entry], kind: Format, zone: str) -> Export:
    """Raises ExportDiffers where reading it back gives anything else than went in."""
    text = kind.write(entries, zone)
    try:
        same = sorted(kind.read(text, zone), key=repr) == sorted(entries, key=repr)
    except (ValueError, KeyError):
        same = False
    if not same:
        raise ExportDiffers(
            f"These records cannot be written as {kind.title}: what would be read from it differs. "
            "Take another format, and tell our support."
        )
    file_name = f"{zone}{kind.ending}"
    return Export(kind, file_name, text, route53.command(file_name) if kind.key == "route53" else "")
