"""Each record by itself: what its DNS host says, whether the internet sees it, and the causes where it is not right."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from domains.core.comparing import Finding as Compared
from domains.core.comparing import Verdict, compare
from domains.core.diagnosis import clock, missing, wrong
from domains.core.diagnosis.causes import Case, Cause
from domains.core.diagnosis.findings import LinkState
from domains.core.observing import Answer, Question, Status, question_for
from domains.core.records import Purpose, Record

_NOTES = frozenset({"dns.value.dmarc_strict"})


@dataclass(frozen=True)
class Judged:
    """`values` is what answers at its place; `is_right` where both the DNS host and the internet have it."""

    record: Record
    host: LinkState
    public: LinkState
    values: tuple[str, ...]
    causes: tuple[Cause, ...]

    @property
    def is_right(self) -> bool:
        stopped = any(cause.code not in _NOTES for cause in self.causes)
        return self.host is LinkState.OK and self.public is LinkState.OK and not stopped


def judge(case: Case) -> tuple[Judged, ...]:
    """In the order of the records."""
    compared = {record.key: _compare(record, case) for record in case.seen.records}
    keys = [record for record in case.seen.records if record.purpose is Purpose.SIGNING]
    signed = bool(keys) and all(_state(compared[record.key]) is LinkState.OK for record in keys)
    return tuple(_judge(record, case, compared[record.key], signed) for record in case.seen.records)


def _judge(record: Record, case: Case, compared: list[tuple[Answer, Compared]], signed: bool) -> Judged:
    host = _state(compared)
    found = _found(compared)
    if host is LinkState.UNKNOWN:
        errors = tuple(dict.fromkeys(answer.error for answer, _ in compared))
        return Judged(record, host, LinkState.NOT_REACHED, (), (Cause("dns.lookup_failed", record, errors),))
    if host is LinkState.BROKEN:
        return Judged(record, host, LinkState.NOT_REACHED, found, (_broken(record, case, compared),))
    beside = tuple(wrong.beside_right(record, case, found, signed))
    public, waiting = _public(record, case)
    return Judged(record, host, public, found, (*beside, *waiting))


def _compare(record: Record, case: Case) -> list[tuple[Answer, Compared]]:
    answers = case.seen.at_host(question_for(record))
    return [(answer, compare(record, answer, _alternative(record, case, answer))) for answer in answers]


def _alternative(record: Record, case: Case, answer: Answer) -> list[Answer]:
    """Amazon takes `amazonses:TOKEN` at the domain itself in place of the ownership record."""
    if record.key != "identity":
        return []
    question = Question(case.domain.ascii, "TXT")
    own = [other for other in case.seen.in_public(question) if other.resolver == answer.resolver]
    told = [other for other in (*own, *case.seen.at_host(question)) if other.status is Status.FOUND]
    return [replace(other, resolver=answer.resolver) for other in told][:1]


def _state(compared: list[tuple[Answer, Compared]]) -> LinkState:
    told = [finding.verdict for _, finding in compared if finding.verdict is not Verdict.UNKNOWN]
    if not told:
        return LinkState.UNKNOWN
    return LinkState.OK if all(verdict is Verdict.RIGHT for verdict in told) else LinkState.BROKEN


def _found(compared: list[tuple[Answer, Compared]]) -> tuple[str, ...]:
    return next((answer.values for answer, _ in compared if answer.values), ())


def _broken(record: Record, case: Case, compared: list[tuple[Answer, Compared]]) -> Cause:
    right = [answer for answer, finding in compared if finding.verdict is Verdict.RIGHT]
    bad = [(a, finding) for a, finding in compared if finding.verdict in (Verdict.ABSENT, Verdict.WRONG)]
    if right:
        count = f"{len(right)} of {len(right) + len(bad)}"
        said = tuple(f"{answer.resolver}: {', '.join(answer.values) or 'nothing'}" for answer, _ in compared)
        return Cause("dns.server.disagree", record, said, at=bad[0][0].resolver, data=(("count", count),))
    _, finding = bad[0]
    if finding.verdict is Verdict.ABSENT:
        other = "" if finding.code == "dns.absent" else finding.code
        return missing.explain(record, case, wrong=other, found=finding.found)
    return wrong.explain(record, case, finding.code, _found(compared) or finding.found)


def _public(record: Record, case: Case) -> tuple[LinkState, tuple[Cause, ...]]:
    """A resolver that has something older is behind, and its answer says for how long yet."""
    answers = case.seen.in_public(question_for(record))
    judged = [(answer, compare(record, answer, _alternative(record, case, answer)).verdict) for answer in answers]
    behind = tuple(_behind(judged))
    if behind:
        until = clock.let_go(behind, case.now, otherwise=clock.absence(case.seen))
        who = tuple(f"{answer.resolver}: {', '.join(answer.values) or 'nothing'}" for answer in behind)
        return LinkState.BROKEN, (Cause("dns.spreading", record, who, until=until),)
    if any(verdict is Verdict.RIGHT for _, verdict in judged):
        return LinkState.OK, ()
    errors = tuple(dict.fromkeys(answer.error for answer in answers))
    return LinkState.UNKNOWN, (Cause("dns.lookup_failed", record, errors),)


def _behind(judged: list[tuple[Answer, Verdict]]) -> Iterator[Answer]:
    for answer, verdict in judged:
        if verdict in (Verdict.ABSENT, Verdict.WRONG):
            yield answer
