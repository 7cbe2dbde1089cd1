"""The chain of ten links and the three lanes, shown apart: what the DNS host says, the internet sees, Amazon sees."""

from collections.abc import Sequence
from datetime import UTC

from domains.core import sentences
from domains.core.checking import Aspect, SesStatus
from domains.core.diagnosis import clean, zones
from domains.core.diagnosis.causes import Case, Cause
from domains.core.diagnosis.findings import LANES, LINKS, Finding, Lane, Link, LinkState, RecordDiagnosis, Severity
from domains.core.diagnosis.judging import Judged
from domains.core.diagnosis.observations import primary_of, serial_of
from domains.core.observing import Answer, Status, question_for

# What SES says in VerificationInfo.ErrorType (SESv2 API reference), in our words.
_ERRORS = {
    "HOST_NOT_FOUND": "it did not find the name",
    "TYPE_NOT_FOUND": "it found the name, but no record of that type",
    "INVALID_VALUE": "it found another value",
    "DNS_SERVER_ERROR": "your name servers did not answer it",
    "SERVICE_ERROR": "it had a fault of its own",
}
_ASPECTS = {Aspect.IDENTITY: "Ownership", Aspect.DKIM: "Signing keys", Aspect.MAIL_FROM: "Return address"}
_BEHIND = (
    (SesStatus.FAILED, "amazon.gave_up"),
    (SesStatus.TEMPORARY_FAILURE, "amazon.lost"),
    (SesStatus.UNKNOWN, "amazon.unknown"),
    (SesStatus.PENDING, "amazon.behind"),
    (SesStatus.NOT_STARTED, "amazon.behind"),
)


def links(case: Case, judged: Sequence[Judged], findings: Sequence[Finding]) -> tuple[Link, ...]:
    """Green up to the first break; what lies behind it is not reached."""
    stops = [finding for finding in findings if finding.stops]
    first = min((list(LINKS).index(finding.link) for finding in stops), default=len(LINKS))
    return tuple(_link(case, key, number - first, stops) for number, key in enumerate(LINKS))


def _link(case: Case, key: str, behind: int, stops: Sequence[Finding]) -> Link:
    """`behind` is how many links it comes after the first break; negative before it."""
    if behind > 0:
        return Link(key, LINKS[key], LinkState.NOT_REACHED, "")
    own = [finding for finding in stops if finding.link == key]
    if own:
        unknown = all(finding.severity is Severity.UNKNOWN for finding in own)
        return Link(key, LINKS[key], LinkState.UNKNOWN if unknown else LinkState.BROKEN, own[0].verdict)
    return _whole(case, key)


def _whole(case: Case, key: str) -> Link:
    """A link that nothing breaks; what we could not see ourselves is not called green."""
    seen = case.seen
    if key in ("delegated", "agree") and seen.by_resolver:
        return Link(key, LINKS[key], LinkState.UNKNOWN, "Its name servers could not be asked; a resolver answered.")
    if key == "amazon" and not case.amazon.statuses:
        return Link(key, LINKS[key], LinkState.UNKNOWN, "Amazon has not been asked.")
    said = {"delegated": ", ".join(seen.servers), "agree": _serials(case), "exists": case.domain.zone}
    return Link(key, LINKS[key], LinkState.OK, clean.text(said.get(key, "")))


def _serials(case: Case) -> str:
    told = {serial for _, serial in zones.serials(case)}
    return f"serial {', '.join(sorted(told))}" if told else ""


def lanes(case: Case, judged: Sequence[Judged]) -> tuple[Lane, ...]:
    """Host, internet and Amazon, each with who said what."""
    host = (*_host_lines(case), *(line for each in judged for line in _record_lines(each, case.seen.host)))
    return (
        Lane("host", LANES["host"], _lane_state(case, [each.host for each in judged]), host),
        Lane("internet", LANES["internet"], _lane_state(case, [e.public for e in judged]), _internet(case, judged)),
        Lane("amazon", LANES["amazon"], _amazon_state(case), _amazon_lines(case)),
    )


def record_of(judged: Judged, findings: Sequence[Finding], case: Case) -> RecordDiagnosis:
    """One record with the first thing that is wrong with it."""
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
        is_known=not zones.is_lost(case) and LinkState.UNKNOWN not in (judged.host, judged.public),
        found=clean.values(judged.values),
        servers=tuple((answer.resolver, _says(answer)) for answer in answers),
        finding=own[0] if own else None,
    )


def amazon_cause(case: Case, judged: Sequence[Judged]) -> Cause | None:
    """Why Amazon has not confirmed what is right in DNS; None where it has, or was never asked."""
    if case.amazon.held_elsewhere:
        return Cause("amazon.held_elsewhere")
    if case.amazon.problem:
        return Cause("amazon.unknown")
    statuses = _statuses(case)
    return next((Cause(code) for status, code in _BEHIND if status in statuses.values()), None)


def _statuses(case: Case) -> dict[Aspect, SesStatus]:
    """Of what the domain has; SES knows no status for receiving, nor for a return address that is not set."""
    asked = {
        Aspect.IDENTITY: True,
        Aspect.DKIM: bool(case.facts.dkim_tokens),
        Aspect.MAIL_FROM: bool(case.facts.mail_from),
    }
    return {aspect: status for aspect, status in case.amazon.statuses if asked.get(aspect)}


def _lane_state(case: Case, states: Sequence[LinkState]) -> LinkState:
    if zones.is_lost(case):
        return LinkState.UNKNOWN
    worst = (LinkState.BROKEN, LinkState.UNKNOWN, LinkState.NOT_REACHED)
    return next((state for state in worst if state in states), LinkState.OK)


def _amazon_state(case: Case) -> LinkState:
    statuses = set(_statuses(case).values())
    if case.amazon.held_elsewhere or SesStatus.FAILED in statuses:
        return LinkState.BROKEN
    if case.amazon.problem or not statuses or SesStatus.UNKNOWN in statuses:
        return LinkState.UNKNOWN
    return LinkState.OK if statuses == {SesStatus.SUCCESS} else LinkState.BROKEN


def _host_lines(case: Case) -> tuple[str, ...]:
    return tuple(f"{soa.resolver}: {_soa_says(soa)}" for soa in case.seen.soas)


def _soa_says(soa: Answer) -> str:
    return f"serial {serial_of(soa)}, primary {clean.text(primary_of(soa), 100)}" if serial_of(soa) else _says(soa)


def _record_lines(judged: Judged, answers: Sequence[Answer]) -> tuple[str, ...]:
    own = [answer for answer in answers if answer.question == question_for(judged.record)]
    return tuple(f"{answer.resolver}: {judged.record.type} {judged.record.name}: {_says(answer)}" for answer in own)


def _internet(case: Case, judged: Sequence[Judged]) -> tuple[str, ...]:
    return tuple(line for each in judged for line in _record_lines(each, case.seen.internet))


def _amazon_lines(case: Case) -> tuple[str, ...]:
    lines = [f"{_ASPECTS[aspect]}: {status or 'unknown'}" for aspect, status in _statuses(case).items()]
    amazon = case.amazon
    if amazon.looked_at:
        lines.append(f"Last looked at {amazon.looked_at.astimezone(UTC):%-d %B %Y, %H:%M} UTC")
    if amazon.error_type:
        lines.append(f"{amazon.error_type}: {_ERRORS.get(amazon.error_type, 'a reason that we do not know')}")
    if amazon.soa:
        lines.append(f"It saw the zone of {clean.text(amazon.soa, 120)}")
    return (*lines, *([amazon.problem] if amazon.problem else []))


def _says(answer: Answer) -> str:
    if answer.status is Status.FAILED:
        return f"could not tell ({clean.text(answer.error, 120)})"
    if answer.status is Status.FOUND:
        return ", ".join(clean.values(answer.values))
    return "no such name" if answer.status is Status.NO_NAME else "nothing of this type"
