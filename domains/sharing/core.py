"""The state of a share link, what its reader must do, what is stored about visitors, and the email with it. Pure.

The email is plain text, in the terms of the DNS host. It never quotes published records: anyone can publish anything,
and the email is sent in our name.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domains.providers.core import DnsProvider, FormValues
from domains.records.core import Need

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class ShareLinkState(StrEnum):
    OPEN = "open"
    REVOKED = "revoked"
    EXPIRED = "expired"


class RecordAction(StrEnum):
    """What the reader must do at the DNS host for one record."""

    ADD = "add"
    EDIT = "edit"
    REPLACE = "replace"
    REMOVE = "remove"


_REMOVE = (
    "dns.rival.cname",
    "dns.rival.null_mx",
    "dns.rival.null_mx_beside",
    "dns.rival.mail_from_mx",
    "dns.alias.dangling",
    "dns.name.apex_mx",
)
_REPLACE = ("dns.value.wrong_type", "dns.rival.other_type", "dns.value.pasted_key", "dns.name.swapped", "dns.name.apex")
_ADD = ("dns.absent", "dns.value.other_token", "dns.rival.wildcard", "dns.dmarc.own_reports", "dns.alias.dname")


def action_of(code: str, found: Sequence[str]) -> RecordAction:
    """Return the action for a code: add if nothing is at the name, edit a record, or remove a conflicting one."""
    if code in _REMOVE:
        return RecordAction.REMOVE
    if code in _REPLACE:
        return RecordAction.REPLACE
    return RecordAction.ADD if not found or code in _ADD else RecordAction.EDIT


def actions_summary(actions: Sequence[RecordAction]) -> str:
    """Return, for example, "2 records to add, 4 to edit and 1 conflict to remove"."""
    numbers = {action: actions.count(action) for action in RecordAction}
    last = numbers[RecordAction.REMOVE]
    parts = [f"{number} to {action}" for action, number in list(numbers.items())[:3] if number]
    parts += [f"{last} {'conflict' if last == 1 else 'conflicts'} to remove"] if last else []
    first, _, rest = parts[0].partition(" to ") if parts else ("", "", "")
    if rest and rest != f"{RecordAction.REMOVE}":
        parts[0] = f"{first} {'record' if first == '1' else 'records'} to {rest}"
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def state_at(now: datetime, *, expires_at: datetime, revoked_at: datetime | None) -> ShareLinkState:
    """The link has expired at `expires_at` itself."""
    if revoked_at is not None:
        return ShareLinkState.REVOKED
    return ShareLinkState.OPEN if now < expires_at else ShareLinkState.EXPIRED


def network_of(address: str) -> str:
    """Return only the network (/24, /48 for IPv6), which does not identify a visitor. "" if invalid."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 48}", strict=False))


def browser_of(user_agent: str) -> str:
    """Return, for example, “Safari, iPhone”. An unknown client is named by its first word."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    first_word = re.sub(r"[^\w.+-]", "", user_agent.partition("/")[0].partition(" ")[0])[:40]
    return ", ".join(filter(None, (browser or first_word, system)))


@dataclass(frozen=True)
class MailedRecord:
    """`is_in_place`: the name already has records, and the linked page says what to change."""

    label: str
    need: Need
    is_in_place: bool
    form_values: FormValues


@dataclass(frozen=True)
class RecordsLetter:
    """`sender` is a name that is safe to print. `link` opens the page that checks the records, until `expires`."""

    domain: str
    zone: str
    provider: DnsProvider
    records: tuple[MailedRecord, ...]
    sender: str
    to_do: str
    site_name: str
    link: str
    expires: datetime

    @property
    def title(self) -> str:
        return f"DNS records for {self.domain}"

    @property
    def text(self) -> str:
        """Each value is on its own line, so that it can be copied."""
        parts = [self._opening, self._where, *map(_record, range(1, len(self.records) + 1), self.records), self._end]
        return "\n\n".join(parts) + "\n"

    @property
    def _opening(self) -> str:
        return (
            f"{self.sender} asks you to change DNS records of {self.domain}: {self.to_do}.\n\n"
            f"This page shows the records and checks them automatically. It works without an account until "
            f"{self.expires:%-d %B %Y}:\n\n{self.link}"
        )

    @property
    def _where(self) -> str:
        host, page = self.provider, self.provider.page_for(self.zone)
        at = f" at {host.name}" if host.nameservers else ""
        lines = [f"Add them to the zone {self.zone}{at}. Don't change any other records."]
        lines += [f"{host.name}: {page}"] if page else []
        lines += [f"Path: {host.way}"] if host.way else []
        return "\n".join([*lines, *host.traps])

    @property
    def _end(self) -> str:
        return (
            f"{self.site_name} sent this email because {self.sender} requested it. Anyone with the link can view the "
            "page. If you weren't expecting this email, you can ignore it."
        )


def _record(number: int, record: MailedRecord) -> str:
    boxes, need = record.form_values, "" if record.need is Need.REQUIRED else f" ({record.need})"
    rows = [("Type", boxes.type), (boxes.name_label, boxes.name or "(leave blank)")]
    rows.append((boxes.value_label, boxes.value))
    if boxes.priority_label:
        rows.append((boxes.priority_label, boxes.priority))
    rows.append((boxes.ttl_label, boxes.ttl))
    lines = [f"{number}. {record.label}{need}", *(f"   {label}: {text}" for label, text in rows)]
    if record.is_in_place:
        lines.append("   This name already has records. Open the page first to see what to change.")
    lines += [f"   {warning}" for warning in boxes.warnings if warning not in boxes.provider.traps]
    return "\n".join(lines)
