"""Finds problems with the SPF and DMARC of a domain whose records are syntactically correct. Pure."""

from collections.abc import Callable, Iterator, Mapping

from domains.checking.core import sentences
from domains.diagnosis.core.findings import Case, Cause
from domains.dmarc import core as dmarc_core
from domains.policies import core as policies_core
from domains.records.core import SPF_KEYS, Record
from domains.spf.core import grammar
from domains.spf.core.evaluation import NO_NAMES, SpfNames, broken_includes, count_lookups, count_voids

_Data = tuple[tuple[str, str], ...]


def _of_include(line: str, names: SpfNames) -> _Data:
    broken = broken_includes(line, names)[0]
    return ("term", broken.term), ("reason", broken.reason)


def _of_lookups(line: str, names: SpfNames) -> _Data:
    counted = count_lookups(line, names)
    term, costs = counted.costliest
    return ("lookups", str(counted.total)), ("costliest", term), ("costs", str(costs))


def _of_voids(line: str, names: SpfNames) -> _Data:
    return (("lookups", str(count_voids(line, names))),)


def ignored_data(line: str, names: SpfNames = NO_NAMES) -> _Data:
    """Return the first term that receivers ignore, and how to correct it; () if there is none."""
    place = sentences.ignored_in((line,))
    return (("place", place[0]), ("reason", place[1])) if place else ()


INSIDE_SPF: Mapping[str, Callable[[str, SpfNames], _Data]] = {
    "dns.value.spf_include": _of_include,
    "dns.value.spf_lookups": _of_lookups,
    "dns.value.spf_voids": _of_voids,
    "dns.value.spf_equals": ignored_data,
}


def strict_policy(record: Record, case: Case, signed: bool) -> Iterator[Cause]:
    """Yield a cause if the applied policy, own or inherited, rejects unsigned mail and the domain has no DKIM."""
    try:
        policy = policies_core.applied_policy(case.facts.domain, case.facts.policies)
    except ValueError:
        return  # a lookup failed
    if policy and policy.policy != "none" and not signed:
        data = (("policy", policy.policy), ("policy_at", policies_core.dmarc_name(policy.name)))
        yield Cause("dns.value.dmarc_strict", record, (policy.text,), data=data)


def unwelcome_reports(record: Record, case: Case, found: tuple[str, ...]) -> Iterator[Cause]:
    for address in dmarc_core.reports_elsewhere(filter(dmarc_core.is_dmarc, found), case.domain.ascii):
        name = dmarc_core.consent_name(case.domain.ascii, address)
        if dict(case.seen.consents).get(name) is False:
            yield Cause("dns.value.dmarc_consent", record, found, at=name, data=(("address", address),))
            return


def ignored_terms(record: Record, found: tuple[str, ...]) -> Iterator[Cause]:
    """Yield a cause for terms that were meant as senders and that receivers ignore."""
    lines = grammar.spf_records(found) if record.key in SPF_KEYS else ()
    data = ignored_data(lines[0]) if lines else ()
    if data:
        yield Cause("dns.spf.ignored", record, lines, data=data)
