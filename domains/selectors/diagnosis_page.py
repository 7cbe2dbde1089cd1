"""The diagnosis as its page shows it: the first break with what to type, alike findings folded, the rest in groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domains.core import claims, sentences
from domains.core.diagnosis.findings import Diagnosis, Finding
from domains.core.diagnosis.marks import Pair, side_by_side
from domains.core.providers import Typed, typed
from domains.core.records import Record
from domains.models import Domain, Stage
from domains.selectors.dns_hosts import DnsHost, dns_host

# After these the record is to be exactly as we show it; for all others its boxes would be the wrong advice.
_RETYPED = frozenset(
    (
        *("dns.absent", "dns.change.gone", "dns.host.elsewhere", "dns.delegation.sub_zone", "dns.rival.wildcard"),
        *("dns.name.doubled_zone", "dns.name.apex", "dns.name.apex_mx", "dns.name.wrong_parent", "dns.name.swapped"),
        *("dns.name.spf_at_apex", "dns.name.dmarc", "dns.value.wrong_type", "dns.value.zone_appended"),
        *("dns.value.dot", "dns.value.quoted", "dns.value.cut", "dns.value.typo", "dns.value.case"),
        *("dns.value.priority_inside", "dns.value.spaces", "dns.value.other_region", "dns.value.old_key"),
        *("dns.value.other_token", "dns.value.ip", "dns.value.mx_alias", "dns.value.prefixed", "dns.value.differs"),
        *("dns.value.dmarc_policy", "dns.rival.null_mx", "dns.rival.forwarding", "dns.rival.mail_from_mx"),
    )
)
_MERGED = frozenset(("dns.rival.spf", "dns.value.spf_without_amazon", "dns.value.spf_order"))


@dataclass(frozen=True)
class Shown:
    """A finding with what to type for it, and those that say the same of other records."""

    finding: Finding
    subject: str
    typed: Typed | None
    marked: Pair | None
    same: tuple["Shown", ...] = ()


@dataclass(frozen=True)
class DiagnosisPage:
    """`right` of `total` records are right."""

    host: DnsHost
    first: Shown | None
    further: tuple[Shown, ...]
    right: int
    total: int

    @property
    def has_boxes(self) -> bool:
        shown = (*((self.first,) if self.first else ()), *self.further)
        return any(each.typed for each in shown)


def diagnosis_page(domain: Domain, found: Diagnosis, host: str = "") -> DiagnosisPage:
    """`host` is the key of the DNS host that the reader chose."""
    at = dns_host(domain, host)
    records = {record.key: record for record in _records(domain)}
    groups: dict[str, list[Shown]] = {}
    for finding in found.findings:
        shown = _shown(finding, records.get(finding.record_key), at, found.zone or domain.parsed.zone)
        groups.setdefault(finding.code, []).append(shown)
    folded = [_folded(alike) for alike in groups.values()]
    first, further = (folded[0], folded[1:]) if found.finding else (None, folded)
    right = sum(record.is_right for record in found.records)
    return DiagnosisPage(at, first, tuple(further), right, len(found.records))


def _records(domain: Domain) -> Sequence[Record]:
    if domain.stage == Stage.CLAIM:
        return [claims.challenge(domain.parsed, domain.claim_token)]
    return domain.records


def _shown(finding: Finding, record: Record | None, host: DnsHost, zone: str) -> Shown:
    return Shown(
        finding=finding,
        subject=sentences.subject(record) if record else "",
        typed=_typed(finding, record, host, zone) if record else None,
        marked=side_by_side(finding.looked_for, finding.found[0]) if len(finding.found) == 1 else None,
    )


def _typed(finding: Finding, record: Record, host: DnsHost, zone: str) -> Typed | None:
    is_inside = record.name == zone or record.name.endswith(f".{zone}")
    if finding.code in _MERGED and finding.of("merged"):
        record = replace(record, value=finding.of("merged"))
    elif finding.code not in _RETYPED:
        return None
    return typed(record, host.provider, zone) if is_inside else None


def _folded(alike: Sequence[Shown]) -> Shown:
    return replace(alike[0], same=tuple(alike[1:]))
