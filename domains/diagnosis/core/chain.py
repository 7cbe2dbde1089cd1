"""Diagnoses a domain: which links of the chain hold, which breaks first, and what else is wrong. Pure.

- `zone_causes`: the zone does not exist, its servers do not answer or are lame, or DNSSEC validation fails.
- `links`, `lanes`: the ten links, and the three lanes (DNS host, public resolvers, SES).
- `diagnose`: the whole result. The time is an argument.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domains.checking.core import sentences
from domains.checking.core.judgement import Aspect, SesStatus
from domains.checking.core.nearness import is_close
from domains.diagnosis.core.causes import JudgedRecord, judge, transport_causes
from domains.diagnosis.core.findings import (
    LANES,
    LINKS,
    Case,
    Cause,
    Diagnosis,
    DiagnosisFinding,
    Lane,
    Link,
    LinkState,
    RecordDiagnosis,
    Severity,
    clean_text,
    clean_values,
)
from domains.diagnosis.core.observations import (
    NOTHING_KNOWN,
    Observations,
    RecordHistory,
    SesView,
    has_replied,
    is_authoritative_soa,
    primary_of,
    serial_of,
    server_error,
)
from domains.diagnosis.core.words import finding_of
from domains.dns.core import Answer, LookupStatus, parked_servers, question_for
from domains.identity.core import GONE
from domains.providers.core import DnsProvider, provider_named, provider_of
from domains.records.core import IdentityFacts, Need, is_inbound, with_policy
from inbound_admin.lib.moments import minute_in_utc


def zone_causes(case: Case) -> tuple[Cause, ...]:
    """Return the causes at zone level in chain order. After one that is not a note, record answers mean little."""
    return (*_existence(case), *_nameservers_changed(case), *_servers(case), *_dnssec(case))


def is_unanswered(case: Case) -> bool:
    """Return True if no server answered for the zone, so that no record can be judged."""
    return bool(_existence(case)) or any(cause.code in _UNREADABLE for cause in _servers(case))


_UNREADABLE = ("dns.server.silent", "dns.server.failing")


def silent_servers(case: Case) -> tuple[str, ...]:
    """Return the nameservers without an authoritative answer for the zone."""
    return tuple(soa.resolver for soa in case.seen.soas if not is_authoritative_soa(soa))


def _existence(case: Case) -> tuple[Cause, ...]:
    """The parent's answer counts before the resolvers'. One answer that the domain exists outweighs the others."""
    answers = case.seen.parent or (*case.seen.public_soas, *case.seen.unchecked)
    answered = [answer for answer in answers if answer.status is not LookupStatus.FAILED or answer.cut]
    if answered and all(answer.status is LookupStatus.NO_NAME for answer in answered):
        known = bool(case.history.verified or case.history.nameservers)
        return (Cause("dns.domain.lapsed" if known else "dns.domain.no_such", at=_similar_domain(case)),)
    parked = parked_servers(case.seen.servers)
    return (Cause("dns.domain.lapsed", found=parked),) if parked else ()


def _similar_domain(case: Case) -> str:
    """Return another domain of the customer that differs by one or two letters, "" if there is none."""
    zone = case.domain.zone
    return next((name for name in case.history.sisters if name != zone and is_close(name, zone, 2)), "")


def _nameservers_changed(case: Case) -> tuple[Cause, ...]:
    """Report that all nameservers changed since the records were correct: the new ones lack the missing records."""
    before, now = case.history.nameservers, case.seen.servers
    if not before or not now or set(before) & set(now) or not case.history.verified:
        return ()
    return (Cause("dns.change.nameservers", found=now, at=", ".join(before)),)


def _servers(case: Case) -> tuple[Cause, ...]:
    """If no server can be read, the cause is unknown. Of some, those that replied don't serve the zone."""
    silent, soas = silent_servers(case), case.seen.soas
    if case.seen.by_resolver or not silent:
        return _unreachable(case)
    lost = [soa for soa in soas if not is_authoritative_soa(soa)]
    if len(silent) == len(soas):
        return (Cause(_unreadable(lost), found=_server_errors(lost)),)
    kinds = {"dns.server.lame": True, "dns.server.late": False}
    by_code = {code: [soa for soa in lost if has_replied(soa) is replied] for code, replied in kinds.items()}
    return tuple(
        Cause(code, found=_server_errors(some), at=", ".join(soa.resolver for soa in some))
        for code, some in by_code.items()
        if some
    )


def _unreadable(answers: Sequence[Answer]) -> str:
    return "dns.server.failing" if any(map(has_replied, answers)) else "dns.server.silent"


def _unreachable(case: Case) -> tuple[Cause, ...]:
    """Report that no nameservers are known and the resolvers cannot reach them either."""
    answers = (*case.seen.public_soas, *case.seen.unchecked)
    lost = bool(answers) and not case.seen.soas and all(answer.status is LookupStatus.FAILED for answer in answers)
    return (Cause(_unreadable(answers), found=tuple(answer.error for answer in answers)[:1]),) if lost else ()


def _server_errors(lost: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(f"{soa.resolver}: {server_error(soa)}" for soa in lost)


def _dnssec(case: Case) -> tuple[Cause, ...]:
    """The resolver answers with an error, but not if validation is disabled (the CD bit). A timeout proves nothing."""
    unchecked = {answer.resolver for answer in case.seen.unchecked if answer.status is LookupStatus.FOUND}
    lost = [soa for soa in case.seen.public_soas if soa.status is LookupStatus.FAILED and has_replied(soa)]
    refused = [soa for soa in lost if soa.resolver in unchecked]
    return (Cause("dns.dnssec.broken", found=(refused[0].error,)),) if refused else ()


def serials(case: Case) -> tuple[tuple[str, str], ...]:
    """Return (server, serial) of each server that reported one."""
    return tuple((soa.resolver, serial) for soa in case.seen.soas if (serial := serial_of(soa)))


# Values of VerificationInfo.ErrorType (SESv2 API reference), in our words.
_ERRORS = {
    "HOST_NOT_FOUND": "SES didn't find the name",
    "TYPE_NOT_FOUND": "SES found the name, but no record of that type",
    "INVALID_VALUE": "SES found another value",
    "DNS_SERVER_ERROR": "your nameservers didn't answer SES",
    "SERVICE_ERROR": "SES had a fault",
}
_ASPECTS = {Aspect.IDENTITY: "Ownership", Aspect.DKIM: "DKIM", Aspect.MAIL_FROM: "MAIL FROM domain"}
_STATUSES = {
    SesStatus.SUCCESS: "verified",
    SesStatus.PENDING: "pending",
    SesStatus.FAILED: "failed",
    SesStatus.TEMPORARY_FAILURE: "verified before, not found now",
    SesStatus.NOT_STARTED: "not started",
}
_BEHIND = (
    (SesStatus.FAILED, "amazon.gave_up"),
    (SesStatus.TEMPORARY_FAILURE, "amazon.lost"),
    (SesStatus.UNKNOWN, "amazon.unknown"),
    (SesStatus.PENDING, "amazon.behind"),
    (SesStatus.NOT_STARTED, "amazon.behind"),
)


def links(case: Case, findings: Sequence[DiagnosisFinding]) -> tuple[Link, ...]:
    """Return the links: OK up to the first break, not reached after it."""
    stops = [finding for finding in findings if finding.stops]
    first = min((list(LINKS).index(finding.link) for finding in stops), default=len(LINKS))
    return tuple(_link(case, key, number - first, stops) for number, key in enumerate(LINKS))


def _link(case: Case, key: str, behind: int, stops: Sequence[DiagnosisFinding]) -> Link:
    """`behind` is the number of links after the first break; negative before it."""
    if behind > 0:
        return Link(key, LINKS[key], LinkState.NOT_REACHED, "")
    own = [finding for finding in stops if finding.link == key]
    if own:
        unknown = all(finding.severity is Severity.UNKNOWN for finding in own)
        return Link(key, LINKS[key], LinkState.UNKNOWN if unknown else LinkState.BROKEN, own[0].verdict)
    return _passing_link(case, key)


def _passing_link(case: Case, key: str) -> Link:
    """Return a link that nothing breaks. It is UNKNOWN if we could not verify it ourselves."""
    seen = case.seen
    if key in ("delegated", "agree") and seen.by_resolver:
        return Link(key, LINKS[key], LinkState.UNKNOWN, "Its name servers could not be asked; a resolver answered.")
    if key == "amazon" and not case.amazon.statuses:
        return Link(key, LINKS[key], LinkState.UNKNOWN, "Amazon has not been asked.")
    details = {"delegated": ", ".join(seen.servers), "agree": _serials(case), "exists": case.domain.zone}
    return Link(key, LINKS[key], LinkState.OK, clean_text(details.get(key, "")))


def _serials(case: Case) -> str:
    numbers = {serial for _, serial in serials(case)}
    return f"serial {', '.join(sorted(numbers))}" if numbers else ""


def lanes(case: Case, judged: Sequence[JudgedRecord]) -> tuple[Lane, ...]:
    """Return the lanes host, internet and SES, each with the answers."""
    counted = [each for each in judged if not _is_optional_and_missing(each)]
    soas = [f"{soa.resolver}: {_describe_soa(soa)}" for soa in case.seen.soas]
    host = (*soas, *(line for each in judged for line in _record_lines(each, case.seen.host)))
    internet = tuple(line for each in judged for line in _record_lines(each, case.seen.internet))
    return (
        Lane("host", LANES["host"], _lane_state(case, [each.host for each in counted]), host),
        Lane("internet", LANES["internet"], _lane_state(case, [e.public for e in counted]), internet),
        Lane("amazon", LANES["amazon"], _ses_state(case), _ses_lines(case)),
    )


def _is_optional_and_missing(judged: JudgedRecord) -> bool:
    """Return True if a record that nobody needs is missing, which is no failure of the DNS host or of resolvers."""
    is_missing = any(cause.code in ("dns.absent", "dns.dmarc.own_reports") for cause in judged.causes)
    return judged.record.need is not Need.REQUIRED and is_missing


def record_of(judged: JudgedRecord, findings: Sequence[DiagnosisFinding], case: Case) -> RecordDiagnosis:
    """Return one record with the first problem that was found for it."""
    record = judged.record
    own = [finding for finding in findings if finding.record_key == record.key]
    answers = [a for a in (*case.seen.host, *case.seen.internet) if a.question == question_for(record)]
    return RecordDiagnosis(
        key=record.key,
        title=sentences.subject(record),
        need=record.need,
        type=record.type,
        name=record.name,
        value=record.value,
        priority=record.priority,
        is_right=judged.is_right,
        is_known=not is_unanswered(case) and LinkState.UNKNOWN not in (judged.host, judged.public),
        found=clean_values(judged.values),
        servers=tuple((answer.resolver, _describe(answer)) for answer in answers),
        finding=own[0] if own else None,
    )


def ses_cause(case: Case) -> Cause | None:
    """Return why SES has not confirmed correct DNS; None if it has, or was never asked."""
    if case.amazon.held_elsewhere:
        return Cause("amazon.held_elsewhere")
    if case.amazon.problem:
        return Cause("amazon.gone" if case.amazon.problem == GONE else "amazon.unknown")
    statuses = _statuses(case)
    return next((Cause(code) for status, code in _BEHIND if status in statuses.values()), None)


def _statuses(case: Case) -> dict[Aspect, SesStatus]:
    """Return only the statuses that apply: SES has none for receiving, nor for an unset MAIL FROM domain."""
    is_requested = {
        Aspect.IDENTITY: True,
        Aspect.DKIM: bool(case.facts.dkim_tokens),
        Aspect.MAIL_FROM: bool(case.facts.mail_from),
    }
    return {aspect: status for aspect, status in case.amazon.statuses if is_requested.get(aspect)}


def _lane_state(case: Case, states: Sequence[LinkState]) -> LinkState:
    if is_unanswered(case):
        return LinkState.UNKNOWN
    worst = (LinkState.BROKEN, LinkState.UNKNOWN, LinkState.NOT_REACHED)
    return next((state for state in worst if state in states), LinkState.OK)


def _ses_state(case: Case) -> LinkState:
    statuses = set(_statuses(case).values())
    if case.amazon.held_elsewhere or SesStatus.FAILED in statuses:
        return LinkState.BROKEN
    if case.amazon.problem or not statuses or SesStatus.UNKNOWN in statuses:
        return LinkState.UNKNOWN
    return LinkState.OK if statuses == {SesStatus.SUCCESS} else LinkState.BROKEN


def _describe_soa(soa: Answer) -> str:
    return f"serial {serial_of(soa)}, primary {clean_text(primary_of(soa), 100)}" if serial_of(soa) else _describe(soa)


def _record_lines(judged: JudgedRecord, answers: Sequence[Answer]) -> tuple[str, ...]:
    own = [answer for answer in answers if answer.question == question_for(judged.record)]
    return tuple(f"{answer.resolver}: {judged.record.type} {judged.record.name}: {_describe(answer)}" for answer in own)


def _ses_lines(case: Case) -> tuple[str, ...]:
    lines = [f"{_ASPECTS[aspect]}: {_STATUSES.get(status, 'unknown')}" for aspect, status in _statuses(case).items()]
    amazon = case.amazon
    if amazon.looked_at:
        lines.append(f"Last checked: {minute_in_utc(amazon.looked_at)}")
    if amazon.error_type:
        lines.append(f"Last error: {_ERRORS.get(amazon.error_type, 'unknown to us')} ({amazon.error_type})")
    if amazon.soa:
        lines.append(f"Version of the zone that SES saw (SOA record): {clean_text(amazon.soa, 120)}")
    return (*lines, *([amazon.problem] if amazon.problem else []))


def _describe(answer: Answer) -> str:
    if answer.status is LookupStatus.FAILED:
        return f"could not tell ({clean_text(answer.error, 120)})"
    if answer.status is LookupStatus.FOUND:
        return ", ".join(clean_values(answer.values))
    return "no such name" if answer.status is LookupStatus.NO_NAME else "nothing of this type"


_ORDER = {link: number for number, link in enumerate(LINKS)}


def diagnose(
    facts: IdentityFacts,
    observations: Observations,
    amazon: SesView,
    now: datetime,
    history: RecordHistory = NOTHING_KNOWN,
    provider: DnsProvider | None = None,
) -> Diagnosis:
    """Diagnose a domain. The result is deterministic.

    The steps use the terms of `provider`, or of the DNS host that the nameservers identify.
    """
    facts = replace(facts, policies=facts.policies.updated(observations.policies))
    observations = replace(observations, records=tuple(with_policy(each, facts) for each in observations.records))
    detected = provider_of(observations.servers)
    case = Case(facts, observations, amazon, history, now, provider or provider_named(detected))
    judged = judge(case)
    findings = _sorted_findings(_findings(case, judged))
    first = findings[0] if findings and not findings[0].is_recommendation else None
    right = all(each.is_right for each in judged if each.record.need is Need.REQUIRED) and bool(judged)
    return Diagnosis(
        domain=case.domain.ascii,
        now=now,
        links=links(case, findings),
        lanes=lanes(case, judged),
        finding=first,
        further=findings[1:] if first else findings,
        records=tuple(record_of(each, findings, case) for each in judged),
        is_right=right and not any(finding.stops for finding in findings),
        visible_by=_visible_by(judged),
        nameservers=observations.servers,
        provider=detected,
        zone=case.domain.zone,
        serials=serials(case),
        transcript=observations.transcript,
        asked=observations.asked,
    )


def _findings(case: Case, judged: tuple[JudgedRecord, ...]) -> tuple[DiagnosisFinding, ...]:
    """Omit what follows from another cause: if no nameserver answers, no record counts as missing."""
    zone = zone_causes(case)
    records = () if is_unanswered(case) else tuple(cause for each in judged for cause in each.causes)
    moved = any(cause.code == "dns.change.nameservers" for cause in zone)
    if moved and not any(_is_certainly_gone(cause, case) for cause in records):
        zone = tuple(cause for cause in zone if cause.code != "dns.change.nameservers")
    if any(cause.code == "dns.dnssec.broken" for cause in zone):
        records = tuple(cause for cause in records if cause.code != "dns.lookup_failed")
    by_key = {(cause.code, cause.record): cause for cause in (*zone, *records)}
    found = [finding_of(cause, case) for cause in by_key.values()]
    return (*found, *_ses_findings(case, found), *(finding_of(cause, case) for cause in transport_causes(case)))


def _is_certainly_gone(cause: Cause, case: Case) -> bool:
    """Return True if the record is gone, and no failed lookup could hide it in another place."""
    return (
        cause.code == "dns.change.gone"
        and cause.record is not None
        and case.seen.is_fully_searched(cause.record, case.domain)
    )


def _ses_findings(case: Case, found: Sequence[DiagnosisFinding]) -> tuple[DiagnosisFinding, ...]:
    """SES is reported as the problem only if no DNS cause explains its status."""
    if any(finding.stops for finding in found) and not case.amazon.held_elsewhere:
        return ()
    cause = ses_cause(case)
    return (finding_of(cause, case),) if cause else ()


def _sorted_findings(findings: tuple[DiagnosisFinding, ...]) -> tuple[DiagnosisFinding, ...]:
    """Sort by danger, then required records in chain order, then notes, then missing optional records; otherwise keep
    the order of the records.

    An inbound MX that was never published comes last among the required ones: it is published last.
    """

    def urgency(each: DiagnosisFinding) -> tuple[bool, bool, bool, bool, int]:
        comes_last = is_inbound(each.record_key) and each.code in ("dns.absent", "dns.rival.mx")
        return each.severity is not Severity.RED, not each.stops, each.is_recommendation, comes_last, _ORDER[each.link]

    return tuple(sorted(findings, key=urgency))


def _visible_by(judged: tuple[JudgedRecord, ...]) -> datetime | None:
    waits = [cause.until for each in judged for cause in each.causes if cause.code == "dns.spreading" and cause.until]
    return max(waits, default=None)
