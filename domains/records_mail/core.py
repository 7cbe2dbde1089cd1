"""The email with the records for the person who edits the DNS: plain text, in the terms of their DNS host. Pure.

It never quotes published records: anyone can publish anything, and the email is sent in our name.
"""

from dataclasses import dataclass
from datetime import datetime

from domains.providers.core import DnsProvider, FormValues
from domains.records.core import Need


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
