"""DNS answers over time: the timeline of a record, the changes, and the comparison of two moments. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from domains.checking.core import comparison
from domains.checking.core.comparison import Verdict
from domains.dns.core import Answer, LookupStatus, Question
from domains.records.core import Record

ZONE_TYPES = ("NS", "SOA")
TIMELINE_WIDTH = 1000  # width of a timeline, in drawing units


@dataclass(frozen=True)
class Span:
    """An answer and its period. It was last seen at `last_seen`, and `until` is the check that found it changed."""

    question: Question
    resolver: str
    status: LookupStatus
    values: tuple[str, ...]
    since: datetime
    until: datetime | None = None
    last_seen: datetime | None = None
    ttl: int | None = None
    serial: int | None = None

    def is_current_at(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)

    @property
    def answer(self) -> Answer:
        return Answer(self.question, self.resolver, self.status, self.values, self.ttl)


class AnswerState(StrEnum):
    """The state of a record in a period. SOME: the servers disagreed. UNSEEN: not checked, or already deleted."""

    CORRECT = "right"
    SOME = "some"
    WRONG = "wrong"
    ABSENT = "absent"
    UNSEEN = "unseen"


_OF_VERDICT = {
    Verdict.CORRECT: AnswerState.CORRECT,
    Verdict.WRONG: AnswerState.WRONG,
    Verdict.ABSENT: AnswerState.ABSENT,
    Verdict.UNKNOWN: AnswerState.UNSEEN,
}


@dataclass(frozen=True)
class Segment:
    """`left` and `width` in units of TIMELINE_WIDTH."""

    start: datetime
    end: datetime
    state: AnswerState
    left: float
    width: float


@dataclass(frozen=True)
class DnsEvent:
    """An answer changed between `after` (the last check with the old one) and `at`. `before` is None for the first
    check.

    `with_zone`: the nameservers changed in the same check.
    """

    at: datetime
    after: datetime | None
    question: Question
    resolvers: tuple[str, ...]
    before: tuple[str, ...] | None
    now: tuple[str, ...]
    ttl: int | None
    serial_before: int | None
    serial: int | None
    with_zone: bool = False


@dataclass(frozen=True)
class AnswerDifference:
    """`before` and `after` are None if there was no check."""

    question: Question
    resolver: str
    before: tuple[str, ...] | None
    after: tuple[str, ...] | None

    @property
    def differs(self) -> bool:
        return self.before != self.after


def state_at(record: Record, spans: Iterable[Span], moment: datetime) -> AnswerState:
    """Combine all answers at a moment. `spans` are the record's own."""
    found = {
        _OF_VERDICT[comparison.compare(record, span.answer).verdict] for span in spans if span.is_current_at(moment)
    }
    if not found:
        return AnswerState.UNSEEN
    if len(found) == 1:
        return found.pop()
    return AnswerState.SOME if AnswerState.CORRECT in found else AnswerState.WRONG


def timeline(record: Record, spans: Sequence[Span], *, start: datetime, end: datetime) -> tuple[Segment, ...]:
    """Return adjacent segments from start to end, each different from the next. `spans` may include other questions."""
    own = [span for span in spans if (span.question.name, span.question.type) == (record.name, record.type)]
    edges = {start, *(edge for span in own for edge in (span.since, span.until) if edge and start < edge < end)}
    segments: list[tuple[datetime, AnswerState]] = []
    for edge in sorted(edges):
        state = state_at(record, own, edge)
        if not segments or segments[-1][1] is not state:
            segments.append((edge, state))
    ends = [*(edge for edge, _ in segments[1:]), end]
    return tuple(
        Segment(since, until, state, _share(since - start, end - start), _share(until - since, end - start))
        for (since, state), until in zip(segments, ends, strict=True)
    )


def events(spans: Iterable[Span]) -> tuple[DnsEvent, ...]:
    """Return the changes, newest first. Servers with the same change in the same check are combined."""
    ordered = sorted(spans, key=lambda span: (span.question.name, span.question.type, span.resolver, span.since))
    changed = [
        (span, before)
        for _, own in groupby(ordered, key=lambda span: (span.question, span.resolver))
        for before, span in _pairs(list(own))
        if before is None or before.values != span.values
    ]
    moved = {span.since for span, before in changed if span.question.type == "NS" and before}
    together: dict[object, list[tuple[Span, Span | None]]] = {}
    for span, before in changed:
        key = (span.since, span.question, before.values if before else None, span.values)
        together.setdefault(key, []).append((span, before))
    found = [_event(own, with_zone=own[0][0].since in moved) for own in together.values()]
    return tuple(sorted(found, key=lambda event: (event.at, event.question.name, event.question.type), reverse=True))


def differences(spans: Sequence[Span], one: datetime, other: datetime) -> tuple[AnswerDifference, ...]:
    """Return the answers at both moments, changed ones first."""
    before, after = _values_at(spans, one), _values_at(spans, other)
    keys = sorted({*before, *after}, key=lambda key: (key[0].name, key[0].type, key[1]))
    found = [
        AnswerDifference(question, who, before.get((question, who)), after.get((question, who)))
        for question, who in keys
    ]
    return tuple(sorted(found, key=lambda difference: not difference.differs))


def serial_of(soa: str) -> int | None:
    """Return the serial of an SOA value; None if it is not a number."""
    words = soa.split()
    return int(words[2]) if len(words) > 2 and words[2].isdecimal() else None


def _values_at(spans: Iterable[Span], moment: datetime) -> dict[tuple[Question, str], tuple[str, ...]]:
    return {(span.question, span.resolver): span.values for span in spans if span.is_current_at(moment)}


def _pairs(own: Sequence[Span]) -> Iterable[tuple[Span | None, Span]]:
    return zip([None, *own[:-1]], own, strict=True)


def _event(seen: Sequence[tuple[Span, Span | None]], *, with_zone: bool) -> DnsEvent:
    span, before = seen[0]
    return DnsEvent(
        at=span.since,
        after=before.last_seen if before else None,
        question=span.question,
        resolvers=tuple(other.resolver for other, _ in seen),
        before=before.values if before else None,
        now=span.values,
        ttl=span.ttl,
        serial_before=before.serial if before else None,
        serial=span.serial,
        with_zone=with_zone and span.question.type not in ZONE_TYPES,
    )


def _share(length: timedelta, of: timedelta) -> float:
    return round(TIMELINE_WIDTH * (length / of), 3)
