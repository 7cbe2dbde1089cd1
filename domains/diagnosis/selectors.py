"""The diagnosis as its page shows it: the first break with what to enter, and similar findings grouped.

It also returns the latest diagnosis of each record, for every page, email and reply that describes the record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from django.core.cache import cache

from domains.checking.core import sentences
from domains.diagnosis.core.codes import CODES
from domains.diagnosis.core.findings import Diagnosis, DiagnosisFinding, Pair, mark_differences
from domains.models.domains import Domain, Stage
from domains.ownership import core as ownership_core
from domains.providers.core import FormValues, form_values
from domains.providers.selectors import DnsHost, dns_host
from domains.records.core import Record
from domains.zone_causes.core import CODES as ZONE_CODES
from domains.zone_causes.core import ZoneCause

SWAPPED = "dns.name.swapped"  # two names: unreadable with marked letters

# By record key: the fingerprint of the check at that time, and the diagnosis's finding.
Explanations = Mapping[str, tuple[str, DiagnosisFinding]]
_NOTHING_BETTER = ("dns.absent", "dns.lookup_failed", "dns.spreading")


def explanations_key(domain: Domain) -> str:
    return f"explanations:{domain.pk}:{domain.customer_id}"


def explanations(domain: Domain) -> Explanations:
    """Return those of the last minutes. Each is valid while checks show the same as at that time."""
    kept: Explanations | None = cache.get(explanations_key(domain))
    return kept or {}


class CheckedRecord(Protocol):
    """A stored check, or the judgement that becomes one."""

    @property
    def key(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def found(self) -> Sequence[str]: ...


def check_fingerprint(check: CheckedRecord) -> str:
    """Return a fingerprint that is equal for two checks with the same result."""
    return repr((str(check.state), list(check.found)))


def diagnosed_reason(check: CheckedRecord, explained: Explanations) -> DiagnosisFinding | None:
    """Return the diagnosed reason; None if the diagnosis knows no more than the check."""
    seen, finding = explained.get(check.key, ("", None))
    is_no_more = finding is None or finding.code in _NOTHING_BETTER
    return None if is_no_more or seen != check_fingerprint(check) else finding


def told(finding: DiagnosisFinding) -> str:
    """Return what is wrong and what to do, each on its own line: a step may end in a value to copy."""
    return "\n".join((finding.verdict, *finding.steps))


def zone_cause_in(found: Diagnosis | None) -> ZoneCause | None:
    """Return what is wrong with the zone as a whole, None if nothing is."""
    named = (finding for finding in (found.findings if found else ()) if finding.code in ZONE_CODES)
    return next((ZoneCause(finding.code, told(finding)) for finding in named), None)


_UNSERVED = (
    *("dns.server.silent", "dns.server.failing", "dns.delegation.ns_record", "dns.delegation.silent"),
    "dns.alias.silent",
)


def nameserver_problem(found: Diagnosis | None) -> tuple[str, ...]:
    """Return what the diagnosis says of nameservers that don't answer, and what to do, () if all do."""
    findings = found.findings if found else ()
    named = (each for each in findings if each.code == "dns.server.lame" or (each.code in _UNSERVED and each.stops))
    return next(((each.verdict, *each.steps) for each in named), ())


@dataclass(frozen=True)
class FindingShown:
    """A finding with what to enter for it, and the same finding of other records."""

    finding: DiagnosisFinding
    subject: str
    form_values: FormValues | None
    marked: Pair | None
    same: tuple["FindingShown", ...] = ()


@dataclass(frozen=True)
class DiagnosisPage:
    """`right` of `total` records are correct; `unknown` could not be checked."""

    host: DnsHost
    first: FindingShown | None
    further: tuple[FindingShown, ...]
    right: int
    unknown: int
    total: int

    @property
    def has_boxes(self) -> bool:
        """Return True if something is to be entered at the DNS host for any finding."""
        return any(each.form_values for each in (self.first, *self.further) if each)


def diagnosis_page(domain: Domain, found: Diagnosis, host: str = "") -> DiagnosisPage:
    """Build the page. `host` is the key of the DNS host that the reader chose."""
    at = dns_host(domain, host)
    records = {record.key: record for record in diagnosed_records(domain)}
    groups: dict[str, list[FindingShown]] = {}
    for finding in found.findings:
        shown = _shown(finding, records.get(finding.record_key), at, found.zone or domain.parsed.zone)
        groups.setdefault(finding.code, []).append(shown)
    folded = [replace(one, same=tuple(others)) for one, *others in groups.values()]
    first, further = (folded[0], folded[1:]) if found.finding else (None, folded)
    right, unknown = sum(each.is_right for each in found.records), sum(not each.is_known for each in found.records)
    return DiagnosisPage(at, first, tuple(further), right, unknown, len(found.records))


def diagnosed_records(domain: Domain) -> tuple[Record, ...]:
    """Return the records that a diagnosis looks up: of a claim, only the ownership challenge."""
    if domain.stage == Stage.CLAIM:
        return (ownership_core.challenge(domain.parsed, domain.claim_token),)
    return domain.records


def _shown(finding: DiagnosisFinding, record: Record | None, host: DnsHost, zone: str) -> FindingShown:
    return FindingShown(
        finding=finding,
        subject=sentences.subject(record) if record else "",
        form_values=_form_values(finding, record, host, zone) if record else None,
        marked=None if finding.code == SWAPPED else mark_differences(finding.looked_for, finding.found, record),
    )


def _form_values(finding: DiagnosisFinding, record: Record, host: DnsHost, zone: str) -> FormValues | None:
    zone = finding.data_value("in_zone") or zone
    is_inside = record.name == zone or record.name.endswith(f".{zone}")
    if merged := finding.data_value("merged"):
        record = replace(record, value=merged)
    elif not CODES[finding.code].is_entered or not record.value:
        return None
    if not is_inside or finding.data_value("occupied"):
        return None
    boxes = form_values(record, host.provider, zone)
    if finding.code != "dns.value.zone_appended" or record.type == "TXT" or boxes.value.endswith("."):
        return boxes
    return replace(boxes, value=f"{boxes.value}.")
