"""The verdict of a scheduled test message, and when the next one is due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receipt_rules.probes.core import (
    HOUR,
    REPORT_TIMEOUT,
    ProbeFacts,
    ProbePace,
    ProbeVerdict,
    evaluate_probe,
    next_time,
)

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SENT = ProbeFacts(asked_at=NOW, mx_leads_here=True, sent_at=NOW)
LATE = NOW + REPORT_TIMEOUT + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("facts", "at", "verdict", "part"),
    [
        (SENT, NOW + REPORT_TIMEOUT, ProbeVerdict.WAITING, ""),
        (SENT, LATE, ProbeVerdict.MISSING, "stopped at “Handler”"),
        (replace(SENT, mx_leads_here=False), LATE, ProbeVerdict.MISSING, "stopped at “MX seen”"),
        (replace(SENT, mx_leads_here=None), LATE, ProbeVerdict.MISSING, "stopped at “Handler”"),
        (replace(SENT, handled_at=NOW, outcome="failed"), NOW, ProbeVerdict.WAITING, ""),
        (replace(SENT, handled_at=NOW, outcome="failed"), LATE, ProbeVerdict.MISSING, "stopped at “Delivered”"),
        (replace(SENT, handled_at=NOW, outcome="delivered"), NOW, ProbeVerdict.ARRIVED, ""),
        (replace(SENT, handled_at=LATE, outcome="delivered"), LATE, ProbeVerdict.ARRIVED, ""),
        (replace(SENT, send_problem="It is down."), NOW, ProbeVerdict.COULD_NOT_TELL, "couldn't send"),
        (replace(SENT, send_problem="It is down."), LATE, ProbeVerdict.COULD_NOT_TELL, "It is down."),
        (replace(SENT, sent_at=None), NOW + REPORT_TIMEOUT, ProbeVerdict.WAITING, ""),
        (replace(SENT, sent_at=None), LATE, ProbeVerdict.COULD_NOT_TELL, "hasn't been sent yet"),
        (replace(SENT, sent_at=NOW + REPORT_TIMEOUT), LATE, ProbeVerdict.WAITING, ""),
    ],
)
def test_each_state_has_its_verdict(facts: ProbeFacts, at: datetime, verdict: ProbeVerdict, part: str) -> None:
    found = evaluate_probe(facts, "a@shop.com", at)
    assert found.verdict is verdict
    assert part in found.sentence
    assert bool(part) == bool(found.sentence)


@pytest.mark.parametrize("pace", ProbePace)
def test_a_domain_keeps_its_own_offset_within_the_interval(pace: ProbePace) -> None:
    times = {next_time(f"dom_{number}", pace.every, after=NOW) for number in range(200)}
    assert all(NOW < time <= NOW + pace.every for time in times)
    assert len(times) > 150
    first = next_time("dom_1", pace.every, after=NOW)
    assert next_time("dom_1", pace.every, after=first) == first + pace.every


def test_test_messages_spread_over_the_whole_hour() -> None:
    minutes = {next_time(f"dom_{number}", HOUR, after=NOW).minute for number in range(2000)}
    assert len(minutes) == 60
