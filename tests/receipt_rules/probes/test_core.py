"""How far a test message has come: each stage with its time, or with where it stopped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receipt_rules.probes.core import GIVEN_UP, ProbeFacts, is_over, stages

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=20)
SENT = ProbeFacts(asked_at=NOW, mx_leads_here=True, mx_seen_at=NOW - timedelta(minutes=5), sent_at=NOW)
ARRIVED = replace(SENT, received_at=NOW + timedelta(seconds=1), handled_at=SOON, outcome="delivered")
NAMES = ["MX seen", "Accepted", "Rule", "Stored", "Handler", "Delivered"]


def states(facts: ProbeFacts, now: datetime = SOON) -> str:
    """One letter for each stage: done, waiting, stopped, unknown, not reached."""
    assert [stage.name for stage in stages(facts, now)] == NAMES
    return "".join(stage.state[0] for stage in stages(facts, now))


@pytest.mark.parametrize(
    ("facts", "now", "wanted"),
    [
        (SENT, SOON, "dwwwww"),
        (ARRIVED, SOON, "dddddd"),
        (replace(ARRIVED, mx_leads_here=False), SOON, "dddddd"),
        (replace(ARRIVED, outcome="failed", problem="It answered 500."), SOON, "ddddds"),
        (replace(SENT, mx_leads_here=False), SOON, "swwwww"),
        (replace(SENT, mx_leads_here=None), SOON, "uwwwww"),
        (replace(SENT, send_problem="550 5.1.1"), SOON, "dsnnnn"),
        (replace(SENT, mx_leads_here=False, send_problem="550 5.1.1"), SOON, "snnnnn"),
        (replace(SENT, mx_leads_here=False), NOW + GIVEN_UP + timedelta(seconds=1), "snnnnn"),
        (SENT, NOW + GIVEN_UP + timedelta(seconds=1), "duuusn"),
    ],
)
def test_each_stage_is_done_waiting_stopped_or_unknown(facts: ProbeFacts, now: datetime, wanted: str) -> None:
    assert states(facts, now) == wanted


def test_times_are_those_of_the_report() -> None:
    mx, accepted, rule, stored, handler, delivered = (stage.at for stage in stages(ARRIVED, SOON))
    assert mx == SENT.mx_seen_at
    assert accepted == rule == stored == ARRIVED.received_at
    assert handler == delivered == SOON


def test_the_page_stops_looking_when_nothing_new_comes() -> None:
    assert is_over(ARRIVED, SOON)
    assert is_over(replace(SENT, send_problem="550"), SOON)
    assert is_over(SENT, NOW + GIVEN_UP + timedelta(seconds=1))
    assert not is_over(SENT, SOON)
    assert not is_over(replace(ARRIVED, outcome="failed"), SOON)
