"""The DNS answers of a domain over time, for pages and exports."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from domains.dns.core import LookupStatus, Question
from domains.history.core import AnswerDifference, AnswerState, DnsEvent, Segment, Span, differences, events, timeline
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from domains.records.selectors import records_page
from inbound_admin.lib.exports import moment
from inbound_admin.lib.freshness import oldest_kept
from inbound_admin.lib.lists import exactly

MOST_EVENTS = 100
SHORTEST = timedelta(minutes=1)  # shortest period that the timelines show
WORDS = {
    AnswerState.CORRECT: "correct",
    AnswerState.SOME: "partly visible",
    AnswerState.WRONG: "wrong value",
    AnswerState.ABSENT: "missing",
    AnswerState.UNSEEN: "no data",
}


@dataclass(frozen=True)
class Timeline:
    label: str
    question: Question
    segments: tuple[Segment, ...]

    @property
    def now(self) -> AnswerState:
        return self.segments[-1].state

    @property
    def description(self) -> str:
        """Return the timeline as text for screen readers, latest first."""
        return "; ".join(f"{WORDS[s.state]} from {s.start:%-d %B %H:%M}" for s in reversed(self.segments[-6:]))


@dataclass(frozen=True)
class DnsHistory:
    """`compared` is None if no two moments were chosen."""

    start: datetime
    end: datetime
    timelines: tuple[Timeline, ...]
    events: tuple[DnsEvent, ...]
    more_events: int
    resolvers: tuple[str, ...]
    compared: tuple[AnswerDifference, ...] | None = None


def history_of(domain: Domain, *, now: datetime, moments: tuple[datetime, datetime] | None = None) -> DnsHistory:
    """Return the history from the first answer, over at most DNS_HISTORY_DAYS. The viewer must be allowed to see the
    domain (`domain_list.selectors.domains_for`).
    """
    oldest = oldest_kept(settings.DNS_HISTORY_DAYS, now=now)
    spans = spans_of(domain, since=oldest)
    start = min(max(oldest, min((span.since for span in spans), default=now)), now - SHORTEST)
    found = events(span for span in spans if span.since >= start)
    return DnsHistory(
        start=start,
        end=now,
        timelines=_timelines(domain, spans, start, now),
        events=found[:MOST_EVENTS],
        more_events=max(0, len(found) - MOST_EVENTS),
        resolvers=tuple(sorted({span.resolver for span in spans})),
        compared=differences(spans, *moments) if moments else None,
    )


def spans_of(domain: Domain, *, since: datetime) -> list[Span]:
    """Return the answers that were valid at any time since then."""
    rows = _of_holder(domain).filter(Q(until=None) | Q(until__gt=since)).order_by("since", "pk")
    return [_span(as_held(row, domain)) for row in rows]


def _of_holder(domain: Domain) -> QuerySet[ObservedAnswer]:
    """Return the answers of the present customer's time: after a transfer, earlier ones are the former customer's."""
    held = domain.held_since
    return domain.observed_answers.filter(Q(until=None) | Q(until__gt=held)) if held else domain.observed_answers.all()


def as_held(row: ObservedAnswer, domain: Domain) -> ObservedAnswer:
    """Return the row, as if its answer began with the present customer's time."""
    if held := domain.held_since:
        row.since = max(row.since, held)
        row.last_seen = row.last_seen if row.last_seen and row.last_seen >= held else None
    return row


def answers_of(domain: Domain, *, name: str = "", kind: str = "") -> QuerySet[ObservedAnswer]:
    """Return the answers, newest first, optionally of one name or type. The viewer must be allowed
    to see the domain.
    """
    rows = _of_holder(domain).order_by("-since", "-pk")
    return rows.filter(exactly(name=name.lower().rstrip(".") or None, type=kind.upper() or None))


def export_rows(domain: Domain) -> Iterator[dict[str, str]]:
    """Yield one row per answer with its period, as evidence to pass on."""
    for row in _of_holder(domain).order_by("name", "type", "resolver", "since"):
        fields = answer_fields(row, domain)
        numbers = {name: "" if fields[name] is None else str(fields[name]) for name in ("ttl", "zone_serial")}
        moments = {name: moment(fields[name]) for name in ("since", "last_seen", "until")}
        yield fields | numbers | moments | {"values": "\n".join(row.values)}


def answer_fields(row: ObservedAnswer, domain: Domain) -> dict[str, Any]:
    """Return an answer as the API names its parts, of the present customer's time."""
    row = as_held(row, domain)
    return {
        "name": row.name,
        "type": row.type,
        "answered_by": row.resolver,
        "answer": str(row.status),
        "values": list(row.values),
        "ttl": row.ttl,
        "zone_serial": row.serial,
        "since": row.since,
        "last_seen": row.last_seen,
        "until": row.until,
    }


def _timelines(domain: Domain, spans: list[Span], start: datetime, end: datetime) -> tuple[Timeline, ...]:
    page = records_page(domain, can_check_in=0)
    return tuple(
        Timeline(
            row.label, Question(row.record.name, row.record.type), timeline(row.record, spans, start=start, end=end)
        )
        for group in page.groups
        for row in group.rows
    )


def _span(row: ObservedAnswer) -> Span:
    return Span(
        Question(row.name, row.type),
        row.resolver,
        LookupStatus(row.status),
        tuple(row.values),
        row.since,
        row.until,
        row.last_seen,
        row.ttl,
        row.serial,
    )
