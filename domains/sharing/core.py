"""The state of a share link, what its reader must do, what is stored about visitors, and the email with it. Pure.

The email is plain text, in the terms of the DNS host. It never quotes published records, but for the names of
nameservers that a zone moved to: anyone can publish anything, and the email is sent in our name.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domains.providers.core import DnsProvider, FormValues
from domains.records.core import Need, RecordAction

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


def actions_summary(actions: Sequence[RecordAction]) -> str:
    """Return, for example, "2 records to add, 4 to edit and 1 conflict to remove". Unknown ones aren't counted."""
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
    """`action`: what to do about the record; the linked page quotes what is published now."""

    label: str
    need: Need
    action: RecordAction
    form_values: FormValues


@dataclass(frozen=True)
class RecordsLetter:
    """`sender` is a name that is safe to print. `link` opens the page that checks the records, until `expires`.

    `cause`: what is wrong with the zone as a whole, which comes first. There may be no `records` then.
    """

    domain: str
    zone: str
    provider: DnsProvider
    records: tuple[MailedRecord, ...]
    sender: str
    to_do: str
    site_name: str
    link: str
    expires: datetime
    cause: str = ""

    @property
    def title(self) -> str:
        return f"DNS records for {self.domain}" if self.records else f"DNS of {self.domain}"

    @property
    def text(self) -> str:
        """Each value is on its own line, so that it can be copied."""
        records = (self._where, *map(_record, range(1, len(self.records) + 1), self.records)) if self.records else ()
        return "\n\n".join([self._opening, *records, self._end]) + "\n"

    @property
    def _opening(self) -> str:
        what = "change DNS records" if self.records else "correct the DNS"
        first = f"Something else comes first. {self.cause}\n\n" if self.cause else ""
        return (
            f"{self.sender} asks you to {what} of {self.domain}{f': {self.to_do}' * bool(self.to_do)}.\n\n{first}"
            f"This page shows the records and checks them automatically. It works without an account until "
            f"{self.expires:%-d %B %Y}:\n\n{self.link}"
        )

    @property
    def _where(self) -> str:
        host, page = self.provider, self.provider.page_for(self.zone)
        at = f" at {host.name}" if host.nameservers else ""
        is_added = all(record.action is RecordAction.ADD for record in self.records)
        what = "Add them to" if is_added else "Change them in"
        lines = [f"{what} the zone {self.zone}{at}. Don't change any other records."]
        lines += [f"{host.name}: {page}"] if page else []
        lines += [f"Path: {host.way}"] if host.way else []
        return "\n".join([*lines, *host.traps])

    @property
    def _end(self) -> str:
        return (
            f"{self.site_name} sent this email because {self.sender} requested it. Anyone with the link can view the "
            "page. If you weren't expecting this email, you can ignore it."
        )


NO_VALUE = "(no value yet: the page says why)"
_OPEN = "Open the page first to see what to change."
_INSTEAD = {
    RecordAction.EDIT: f"This name already has records. Replace the present one, don't add a second. {_OPEN}",
    RecordAction.REPLACE: f"This name already has records. Replace the present one with this. {_OPEN}",
    RecordAction.REMOVE: f"This name already has records, and one is in the way. {_OPEN}",
    RecordAction.CHECK: "We couldn't check this record. Add it only if your DNS host doesn't list it.",
}


def _record(number: int, record: MailedRecord) -> str:
    boxes, need = record.form_values, "" if record.need is Need.REQUIRED else f" ({record.need})"
    rows = [("Type", boxes.type), (boxes.name_label, boxes.name or "(leave blank)")]
    rows.append((boxes.value_label, boxes.value if boxes.value.strip('"') else NO_VALUE))
    if boxes.priority_label:
        rows.append((boxes.priority_label, boxes.priority))
    rows.append((boxes.ttl_label, boxes.ttl))
    lines = [f"{number}. {record.label}{need}", *(f"   {label}: {text}" for label, text in rows)]
    lines += [f"   {_INSTEAD[record.action]}"] if record.action in _INSTEAD else []
    lines += [f"   {warning}" for warning in boxes.warnings if warning not in boxes.provider.traps]
    return "\n".join(lines)
