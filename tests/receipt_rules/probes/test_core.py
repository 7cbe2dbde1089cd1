"""The stages of a test message, each with its time or with the reason why it stopped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receipt_rules.probes.core import REPORT_TIMEOUT, ProbeFacts, is_over, probe_status, stages

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=20)
SENT = ProbeFacts(asked_at=NOW, mx_leads_here=True, mx_seen_at=NOW - timedelta(minutes=5), sent_at=NOW)
ARRIVED = replace(SENT, received_at=NOW + timedelta(seconds=1), handled_at=SOON, outcome="delivered")
LATE = NOW + REPORT_TIMEOUT + timedelta(seconds=1)
NAMES = ["MX seen", "Accepted", "Rule", "Stored", "Handler", "Delivered"]


def states(facts: ProbeFacts, now: datetime = SOON) -> str:
    """One letter for each stage: done, waiting, stopped, unknown, not reached."""
    assert [stage.name for stage in stages(facts, now)] == NAMES
    return "".join(stage.state[0] for stage in stages(facts, now))


@pytest.mark.parametrize(
    ("facts", "now", "expected"),
    [
        (SENT, SOON, "dwwwww"),
        (ARRIVED, SOON, "dddddd"),
        (replace(ARRIVED, mx_leads_here=False), SOON, "dddddd"),
        (replace(ARRIVED, outcome="failed", problem="It answered 500."), SOON, "ddddds"),
        (replace(SENT, mx_leads_here=False), SOON, "swwwww"),
        (replace(SENT, mx_leads_here=None), SOON, "uwwwww"),
        (replace(SENT, send_problem="550 5.1.1"), SOON, "dsnnnn"),
        (replace(SENT, mx_leads_here=False, send_problem="550 5.1.1"), SOON, "snnnnn"),
        (replace(SENT, mx_leads_here=False), NOW + REPORT_TIMEOUT + timedelta(seconds=1), "snnnnn"),
        (SENT, NOW + REPORT_TIMEOUT + timedelta(seconds=1), "duuusn"),
        (replace(SENT, predicted_problem="bounced by rule x", predicted_stage="Rule"), LATE, "dusnnn"),
        (replace(SENT, predicted_problem="rejected by SES", predicted_stage="Accepted"), LATE, "dsnnnn"),
        (replace(SENT, predicted_problem="bounced by rule x", predicted_stage="Rule"), SOON, "dwwwww"),
        (replace(ARRIVED, predicted_problem="bounced by rule x", predicted_stage="Rule"), LATE, "dddddd"),
        (replace(SENT, sent_at=None), LATE, "dsnnnn"),
    ],
)
def test_each_stage_is_done_waiting_stopped_or_unknown(facts: ProbeFacts, now: datetime, expected: str) -> None:
    assert states(facts, now) == expected


def test_stage_times_come_from_the_report() -> None:
    mx, accepted, rule, stored, handler, delivered = (stage.at for stage in stages(ARRIVED, SOON))
    assert mx == ARRIVED.received_at
    assert accepted == rule == stored == ARRIVED.received_at
    assert handler == delivered == SOON


def test_the_page_stops_polling_once_nothing_can_change() -> None:
    assert is_over(ARRIVED, SOON)
    assert is_over(replace(SENT, send_problem="550"), SOON)
    assert is_over(SENT, NOW + REPORT_TIMEOUT + timedelta(seconds=1))
    assert not is_over(SENT, SOON)
    assert not is_over(replace(ARRIVED, outcome="failed"), SOON)


def test_no_stage_is_dated_before_the_request() -> None:
    early = NOW - timedelta(minutes=21)
    for facts in (replace(SENT, mx_seen_at=early), replace(ARRIVED, mx_seen_at=early, received_at=early)):
        assert all(stage.at is None or stage.at >= facts.asked_at for stage in stages(facts, SOON))
    assert "at our last DNS check" in stages(replace(SENT, mx_seen_at=early), SOON)[0].sentence


@pytest.mark.parametrize(
    ("facts", "now", "word", "sentence"),
    [
        (SENT, SOON, "Pending", ""),
        (SENT, LATE, "Not received", "Not received within 5 minutes."),
        (
            replace(SENT, predicted_problem="stopped by rule x", predicted_stage="Rule"),
            LATE,
            "Not received",
            "Not received within 5 minutes: stopped by rule x.",
        ),
        (
            replace(SENT, report_timeout=timedelta(minutes=1)),
            NOW + timedelta(seconds=61),
            "Not received",
            "within 1 minute.",
        ),
        (
            replace(SENT, predicted_problem="stopped by rule x", predicted_stage="Rule"),
            SOON,
            "Pending",
            "stopped by rule x.",
        ),
        (replace(SENT, sent_at=None), LATE, "Not sent", "It hasn't been sent yet."),
        (replace(SENT, sent_at=LATE), LATE, "Pending", ""),
        (ARRIVED, LATE, "Delivered", ""),
        (replace(ARRIVED, outcome="failed"), LATE, "Not delivered", ""),
        (replace(SENT, send_problem="550"), SOON, "Rejected", ""),
    ],
)
def test_each_test_message_has_a_verdict_after_a_time_limit(
    facts: ProbeFacts, now: datetime, word: str, sentence: str
) -> None:
    found = probe_status(facts, now)
    assert found.word == word
    assert found.sentence.endswith(sentence) if sentence else not found.sentence
