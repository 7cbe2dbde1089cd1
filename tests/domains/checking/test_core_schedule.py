"""When a domain is checked next."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.checking.core.judgement import State
from domains.checking.core.schedule import MOST_JITTER, jitter_for, next_check

NOW = datetime(2026, 5, 3, 9, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PENDING = [State.NOT_CHECKED, State.WAITING, State.SPREADING, State.WRONG]


@pytest.mark.parametrize("state", PENDING)
@pytest.mark.parametrize(
    ("age", "pause"),
    [(-HOUR, MINUTE), (0 * HOUR, MINUTE), (30 * MINUTE, 5 * MINUTE), (2 * HOUR, HOUR), (2 * DAY, 6 * HOUR)],
)
def test_pending_domains_are_checked_less_often_with_age(state: State, age: timedelta, pause: timedelta) -> None:
    assert next_check(state, changed_at=NOW - age, now=NOW) == NOW + pause


def test_verified_domains_are_checked_daily_and_at_risk_ones_hourly() -> None:
    assert next_check(State.VERIFIED, changed_at=NOW, now=NOW) == NOW + DAY
    assert next_check(State.AT_RISK, changed_at=NOW - 90 * DAY, now=NOW) == NOW + HOUR


@pytest.mark.parametrize("state", [State.AT_RISK, State.WRONG])
def test_a_newly_lost_domain_is_checked_in_five_minutes_then_as_usual(state: State) -> None:
    old = NOW - 90 * DAY
    usual = next_check(state, changed_at=old, now=NOW)
    assert next_check(state, changed_at=old, now=NOW, lost_at=NOW) == NOW + 5 * MINUTE < usual
    assert next_check(state, changed_at=old, now=NOW, lost_at=NOW - 5 * MINUTE) == usual


@pytest.mark.parametrize(("failures", "minutes"), [(0, 5), (1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (10**6, 60)])
def test_a_failed_check_is_retried_soon_and_then_hourly(failures: int, minutes: int) -> None:
    when = next_check(State.COULD_NOT_CHECK, changed_at=NOW - 90 * DAY, now=NOW, failures=failures)
    assert when == NOW + minutes * MINUTE


@given(st.sampled_from(State), st.timedeltas(-DAY, 400 * DAY), st.integers(0, 100), st.floats(-1, 2, allow_nan=False))
def test_the_next_check_is_always_later_and_jitter_stays_within_its_limit(
    state: State, age: timedelta, failures: int, jitter: float
) -> None:
    plain = next_check(state, changed_at=NOW - age, now=NOW, failures=failures)
    shifted = next_check(state, changed_at=NOW - age, now=NOW, failures=failures, jitter=jitter)
    assert NOW < plain <= shifted <= plain + (plain - NOW) * MOST_JITTER + timedelta(microseconds=1)


def test_jitter_is_stable_for_a_name_and_spreads_names() -> None:
    shares = [jitter_for(f"shop{number}.example.com") for number in range(1000)]
    assert shares == [jitter_for(f"shop{number}.example.com") for number in range(1000)]
    assert all(0 <= share < 1 for share in shares)
    assert 0.4 < sum(shares) / len(shares) < 0.6
