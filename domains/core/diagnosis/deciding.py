"""The diagnosis: which links of the chain hold, what breaks first, what else is wrong. Pure: the time is given."""

from datetime import datetime

from domains.core.diagnosis import lanes, zones
from domains.core.diagnosis.causes import Case
from domains.core.diagnosis.findings import LINKS, Diagnosis, Finding, Severity
from domains.core.diagnosis.judging import Judged, judge
from domains.core.diagnosis.observations import NOTHING_KNOWN, Amazon, History, Observations
from domains.core.diagnosis.wording import finding_of
from domains.core.providers import Provider, named, provider_of
from domains.core.records import Facts, Need

_ORDER = {link: number for number, link in enumerate(LINKS)}


def diagnose(
    facts: Facts,
    observations: Observations,
    amazon: Amazon,
    now: datetime,
    history: History = NOTHING_KNOWN,
    provider: Provider | None = None,
) -> Diagnosis:
    """What is wrong first, and why; the same input always gives the same findings.

    The steps are in the words of `provider`, or of the DNS host that the name servers tell.
    """
    detected = provider_of(observations.servers)
    case = Case(facts, observations, amazon, history, now, provider or named(detected))
    judged = judge(case)
    findings = _in_order(_findings(case, judged))
    right = all(each.is_right for each in judged if each.record.need is Need.REQUIRED) and bool(judged)
    return Diagnosis(
        domain=case.domain.ascii,
        now=now,
        links=lanes.links(case, judged, findings),
        lanes=lanes.lanes(case, judged),
        finding=findings[0] if findings else None,
        further=findings[1:],
        records=tuple(lanes.record_of(each, findings, case) for each in judged),
        is_right=right and not any(finding.stops for finding in findings),
        visible_by=_visible_by(judged),
        nameservers=observations.servers,
        provider=detected,
        zone=case.domain.zone,
        serials=zones.serials(case),
        transcript=observations.transcript,
        asked=observations.asked,
    )


def _findings(case: Case, judged: tuple[Judged, ...]) -> tuple[Finding, ...]:
    """What follows from another is left out: behind silent servers no record is missing."""
    zone = zones.zone_causes(case)
    records = () if zones.is_lost(case) else tuple(cause for each in judged for cause in each.causes)
    moved = any(cause.code == "dns.change.nameservers" for cause in zone)
    if moved and not any(cause.code == "dns.change.gone" for cause in records):
        zone = tuple(cause for cause in zone if cause.code != "dns.change.nameservers")
    if any(cause.code == "dns.dnssec.broken" for cause in zone):
        records = tuple(cause for cause in records if cause.code != "dns.lookup_failed")
    told = {(cause.code, cause.record): cause for cause in (*zone, *records)}
    found = [finding_of(cause, case) for cause in told.values()]
    return (*found, *_of_amazon(case, judged, found))


def _of_amazon(case: Case, judged: tuple[Judged, ...], found: list[Finding]) -> tuple[Finding, ...]:
    """Amazon is behind only where nothing of ours explains that it has not confirmed."""
    if any(finding.stops for finding in found) and not case.amazon.held_elsewhere:
        return ()
    cause = lanes.amazon_cause(case, judged)
    return (finding_of(cause, case),) if cause else ()


def _in_order(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Danger first, then what stops something by the order of the chain, then notes; the rest as the records stand."""
    return tuple(
        sorted(findings, key=lambda each: (each.severity is not Severity.RED, not each.stops, _ORDER[each.link]))
    )


def _visible_by(judged: tuple[Judged, ...]) -> datetime | None:
    waits = [cause.until for each in judged for cause in each.causes if cause.code == "dns.spreading" and cause.until]
    return max(waits, default=None)
