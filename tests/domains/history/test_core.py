"""Answers over time: the timeline of a record, the changes, and the comparison of two moments."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domains.dns.core import LookupStatus, Question
from domains.history.core import TIMELINE_WIDTH, AnswerState, Span, differences, events, serial_of, state_at, timeline
from domains.records.core import Need, Purpose, Record

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RECORD = Record("dkim-1", Purpose.SIGNING, Need.REQUIRED, "CNAME", "a._domainkey.x.com", "a.dkim.amazonses.com")
QUESTION = Question(RECORD.name, RECORD.type)
RIGHT, OTHER = (RECORD.value,), ("elsewhere.example",)


def span(since: float, until: float | None, values: tuple[str, ...] = RIGHT, who: str = "one", **more: object) -> Span:
    """Return an answer from `since` hours after noon until `until`; absent without values."""
    return Span(
        more.pop("question", QUESTION),  # type: ignore[arg-type]  # a Question
        who,
        LookupStatus.FOUND if values else LookupStatus.NO_NAME,
        values,
        NOON + since * HOUR,
        None if until is None else NOON + until * HOUR,
        **more,  # type: ignore[arg-type]  # fields of a span
    )


def segments_of(spans: list[Span], hours: int = 10) -> list[tuple[AnswerState, float]]:
    found = timeline(RECORD, spans, start=NOON, end=NOON + hours * HOUR)
    return [(segment.state, segment.width) for segment in found]


def test_a_record_that_came_and_went_has_one_segment_per_state() -> None:
    spans = [span(1, 3, ()), span(3, 8), span(8, None, OTHER)]
    assert segments_of(spans) == [
        (AnswerState.UNSEEN, 100),
        (AnswerState.ABSENT, 200),
        (AnswerState.CORRECT, 500),
        (AnswerState.WRONG, 200),
    ]


def test_an_answer_from_before_the_timeline_fills_it_from_the_start() -> None:
    assert segments_of([span(-50, None)]) == [(AnswerState.CORRECT, TIMELINE_WIDTH)]


def test_disagreeing_resolvers_give_some() -> None:
    both = [span(0, None), span(0, 5, (), "two"), span(5, None, RIGHT, "two")]
    assert segments_of(both) == [(AnswerState.SOME, 500), (AnswerState.CORRECT, 500)]


def test_wrong_at_one_resolver_and_absent_at_another_is_wrong() -> None:
    assert state_at(RECORD, [span(0, None, OTHER), span(0, None, (), "two")], NOON) is AnswerState.WRONG


def test_answers_about_other_names_are_ignored() -> None:
    other = span(0, None, question=Question("b._domainkey.x.com", "CNAME"))
    assert segments_of([other]) == [(AnswerState.UNSEEN, TIMELINE_WIDTH)]


@given(st.lists(st.tuples(st.integers(-5, 15), st.sampled_from([RIGHT, OTHER, ()])), max_size=8))
def test_a_timeline_has_no_gap_and_neighbours_differ(starts: list[tuple[int, tuple[str, ...]]]) -> None:
    hours = sorted({hour for hour, _ in starts})
    ends = [*hours[1:], None]
    values = [value for _, value in starts]
    spans = [span(since, until, value) for since, until, value in zip(hours, ends, values, strict=False)]
    found = timeline(RECORD, spans, start=NOON, end=NOON + 10 * HOUR)
    assert (found[0].start, found[-1].end) == (NOON, NOON + 10 * HOUR)
    for one, other in pairwise(found):
        assert one.end == other.start
        assert one.state is not other.state
    assert abs(sum(segment.width for segment in found) - TIMELINE_WIDTH) < 0.01


def test_a_change_has_both_values_and_the_resolvers_that_saw_it() -> None:
    spans = [
        *(span(0, 5, RIGHT, who, last_seen=NOON + 4 * HOUR, serial=7) for who in ("one", "two")),
        *(span(5, None, OTHER, who, serial=8) for who in ("one", "two")),
    ]
    latest, first = events(spans)
    assert (latest.before, latest.now, latest.resolvers) == (RIGHT, OTHER, ("one", "two"))
    assert (latest.after, latest.at) == (NOON + 4 * HOUR, NOON + 5 * HOUR)
    assert (latest.serial_before, latest.serial) == (7, 8)
    assert first.before is None
    assert not latest.with_zone


def test_changed_nameservers_in_the_same_check_mark_the_change() -> None:
    zone = Question("x.com", "NS")
    spans = [
        span(0, 5),
        span(5, None, ()),
        span(0, 5, ("ns1.old.net",), question=zone),
        span(5, None, ("ns1.new.net",), question=zone),
    ]
    changed = {event.question: event for event in events(spans) if event.before is not None}
    assert changed[QUESTION].with_zone
    assert not changed[zone].with_zone


def test_nameservers_seen_for_the_first_time_do_not_mark_a_change() -> None:
    spans = [span(0, 5), span(5, None, ()), span(5, None, ("ns1.new.net",), question=Question("x.com", "NS"))]
    assert not any(event.with_zone for event in events(spans))


def test_a_comparison_lists_the_differences_first() -> None:
    same = Question("b._domainkey.x.com", "CNAME")
    spans = [span(0, None, question=same), span(0, 5), span(5, None, OTHER), span(6, None, RIGHT, "late")]
    found = differences(spans, NOON + 4 * HOUR, NOON + 7 * HOUR)
    assert [(d.question.name, d.resolver, d.before, d.after) for d in found] == [
        (RECORD.name, "late", None, RIGHT),
        (RECORD.name, "one", RIGHT, OTHER),
        (same.name, "one", RIGHT, RIGHT),
    ]
    assert [d.differs for d in found] == [True, True, False]


def test_the_serial_is_the_third_field_of_the_soa_record() -> None:
    assert serial_of("ns1.x.com. admin.x.com. 2026050301 3600 600 86400 60") == 2026050301
    assert serial_of("nonsense") is None
