"""What to publish in place of a policy record that is there but not correct, judged before it is offered. Pure."""

from dataclasses import dataclass

from domains.diagnosis.core.findings import Case, Cause
from domains.diagnosis.core.observations import Observations
from domains.dmarc import core as dmarc_core
from domains.records.core import Record
from domains.spf.core import grammar, merger
from domains.spf.core.evaluation import SpfNames

_SPF = ("mail-from-spf", "apex-spf")
_DMARC = ("dns.value.dmarc_policy", "dns.value.dmarc_syntax", "dns.value.dmarc_reports")
_UNMENDED = ("dns.value.spf_open", "dns.value.spf_lookups", "dns.value.spf_include", "dns.value.spf_voids")


@dataclass(frozen=True)
class Remedy:
    """The `value` to publish, "" where none is offered for the reason in `withheld`."""

    value: str
    withheld: str = ""


def spf_names(seen: Observations) -> SpfNames:
    """What the look found behind the names in SPF records."""
    return SpfNames(dict(seen.spf), frozenset(seen.spf_absent))


def remedy_of(cause: Cause, case: Case) -> Remedy | None:
    """None where the record is to be as it is shown."""
    record = cause.record
    if record is None:
        return None
    if record.key in _SPF and (lines := grammar.spf_among(cause.found)) and _is_own(cause, record):
        return _spf(cause, lines, case)
    if record.key == "dmarc" and cause.code in _DMARC:
        lines = tuple(filter(dmarc_core.is_dmarc, cause.found)) or cause.found
        return Remedy(dmarc_core.mended(lines[0], case.facts.dmarc_reports_to))
    return Remedy("", record.withheld) if record.withheld else None


def _is_own(cause: Cause, record: Record) -> bool:
    """Whether what was found is the customer's own at the record's name, and not ours spoilt or misplaced."""
    return cause.code.startswith(("dns.value.spf_", "dns.rival.spf")) or (record.key == "apex-spf" and not cause.at)


def _spf(cause: Cause, lines: tuple[str, ...], case: Case) -> Remedy:
    if cause.code in _UNMENDED:
        return Remedy("", "Change what is marked in the record that is there.")
    names = spf_names(case.seen)
    result = merger.merge(lines[0], names=names) if len(lines) == 1 else merger.merged(lines, names)
    return Remedy(result.value, result.withheld)
