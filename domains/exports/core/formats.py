"""The export formats. Each export is read back and compared; one that differs is refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domains.exports.core import files, infrastructure
from domains.exports.core.values import Entry, notes
from domains.records.core import Record
from inbound_admin.lib.errors import Problem
from inbound_admin.lib.tables import keyed

_Write = Callable[[Sequence[Entry], str], str]
_Read = Callable[[str, str], tuple[Entry, ...]]


@dataclass(frozen=True)
class ExportFormat:
    """`ending` follows the zone in the file name. `hint` says what happens to existing records.

    `comment` begins a comment line; "" in a format without any.
    """

    key: str
    title: str
    ending: str
    content_type: str
    hint: str
    write: _Write
    read: _Read
    comment: str = ""


@dataclass(frozen=True)
class Export:
    kind: ExportFormat
    file_name: str
    text: str
    command: str = ""


class ExportDiffers(Problem):
    """Reading the export back gives other records than the required ones."""

    code = "EXPORT_DIFFERS"
    status = 500


_ADDS = "Adds records only. Existing records aren't replaced."
_REFUSES = "Creates records only. If one of them already exists, the whole change is rejected."
FORMATS = (
    ExportFormat("zone", "Zone file, short names", ".zone", "text/dns", _ADDS, files.write_relative, files.read, "; "),
    ExportFormat(
        "zone-full", "Zone file, full names", ".full.zone", "text/dns", _ADDS, files.write_absolute, files.read, "; "
    ),
    ExportFormat(
        "route53",
        "Route 53 change batch",
        ".route53.json",
        "application/json",
        _REFUSES,
        infrastructure.write_route53_batch,
        infrastructure.read_route53_batch,
    ),
    ExportFormat(
        "terraform-route53",
        "Terraform for Route 53",
        ".route53.tf",
        "text/plain",
        _REFUSES,
        infrastructure.write_terraform_route53,
        infrastructure.read_terraform_route53,
        "# ",
    ),
    ExportFormat(
        "terraform-cloudflare",
        "Terraform for Cloudflare",
        ".cloudflare.tf",
        "text/plain",
        _ADDS,
        infrastructure.write_terraform_cloudflare,
        infrastructure.read_terraform_cloudflare,
        "# ",
    ),
    ExportFormat(
        "octodns",
        "octoDNS",
        ".octodns.yaml",
        "application/yaml",
        "Merge it into your zone's file. octoDNS removes records that aren't in the file.",
        infrastructure.write_octodns,
        infrastructure.read_octodns,
        "# ",
    ),
    ExportFormat(
        "dnscontrol",
        "DNSControl",
        ".dnscontrol.js",
        "text/javascript",
        "Extends the domain in your configuration.",
        infrastructure.write_dnscontrol,
        infrastructure.read_dnscontrol,
        "// ",
    ),
    ExportFormat("csv", "CSV", ".csv", "text/csv", "For a spreadsheet.", files.write_csv, files.read_csv),
    ExportFormat("json", "JSON", ".json", "application/json", "For a program.", files.write_json, files.read_json),
    ExportFormat(
        "letter",
        "Plain-text email",
        ".txt",
        "text/plain",
        "Send it to the person who manages your DNS.",
        files.write_letter,
        files.read_letter,
        "Note: ",
    ),
)
_BY_KEY = keyed((kind.key, kind) for kind in FORMATS)


def format_named(key: str) -> ExportFormat | None:
    return _BY_KEY.get(key)


def export(
    entries: Sequence[Entry], kind: ExportFormat, zone: str, withheld: Sequence[Record] = (), *, cause: str = ""
) -> Export:
    """Return the export, with comments on what a record replaces, and on records whose value is `withheld`.

    `cause`: what is wrong with the zone as a whole, which is the first comment. Raises ExportDiffers if reading it back
    gives other records.
    """
    is_letter = kind.key == "letter"  # its records say themselves what they replace
    told = notes(() if is_letter else entries, withheld) if kind.comment else ()
    first = f"{kind.comment}{cause}\n" if kind.comment and cause else ""
    lines, written = [f"{kind.comment}{note}\n" for note in told], kind.write(entries, zone)
    if is_letter:
        text = "".join([first, "\n" * bool(first), written, "\n" * bool(lines), *lines])
    else:
        text = "".join([first, *lines, written])
    try:
        same = sorted(kind.read(text, zone), key=repr) == sorted(entries, key=repr)
    except (ValueError, KeyError):
        same = False
    if not same:
        raise ExportDiffers(
            f"These records can't be written as {kind.title} without errors. Choose another format, and contact "
            "support."
        )
    file_name = f"{zone}{kind.ending}"
    return Export(kind, file_name, text, infrastructure.route53_command(file_name) if kind.key == "route53" else "")
