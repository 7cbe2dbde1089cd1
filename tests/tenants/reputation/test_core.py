"""What is decided about rates, findings, risk, plots and Amazon's events, without a database or a network."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound_admin.lib.plots import Window
from tenants.events import core as events_core
from tenants.metrics.core import (
    HOUR,
    Grade,
    Hour,
    Measure,
    RateLimits,
    RateSeries,
    grade,
    hours_of,
    newest,
    pauses_above,
    worst_of_each,
)
from tenants.reputation.core import WORDS, FoundRecommendation, Picture, risk_of, words_for

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = RateLimits(0.10, 0.15)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (None, Grade.UNKNOWN),
        (0.0, Grade.HEALTHY),
        (0.10, Grade.HEALTHY),
        (0.11, Grade.LOW),
        (0.15, Grade.LOW),
        (0.1501, Grade.HIGH),
    ],
)
def test_a_rate_is_graded_by_being_above_a_limit_and_no_data_is_no_grade(rate: float | None, expected: Grade) -> None:
    assert grade(rate, LIMITS) is expected


@pytest.mark.parametrize(
    ("policy", "bounce", "complaint"),
    [("standard", 0.15, 0.01), ("strict", 0.10, 0.005), ("none", None, None), ("new-one", None, None)],
)
def test_each_policy_pauses_above_its_own_limits(policy: str, bounce: float | None, complaint: float | None) -> None:
    assert pauses_above(policy, Measure.BOUNCE) == bounce
    assert pauses_above(policy, Measure.COMPLAINT) == complaint


def test_series_are_put_side_by_side_and_what_is_missing_stays_unknown() -> None:
    found = hours_of(
        [
            RateSeries("a", Measure.BOUNCE, ((NOON, 0.1), (NOON + HOUR, 0.2))),
            RateSeries("a", Measure.COMPLAINT, ((NOON + HOUR, 0.0),)),
        ]
    )
    assert found == (Hour(NOON, bounce=0.1), Hour(NOON + HOUR, bounce=0.2, complaint=0.0))


def test_the_newest_rate_is_not_older_than_asked_for() -> None:
    hours = (Hour(NOON, bounce=0.1), Hour(NOON + HOUR, complaint=0.5))
    assert newest(hours, Measure.BOUNCE, since=NOON) == 0.1
    assert newest(hours, Measure.BOUNCE, since=NOON + HOUR) is None


# --- risk


def _picture(**said: object) -> Picture:
    return Picture(**{"policy": "standard", "amazon_status": "ENABLED", "aggregate": "ENABLED", **said})  # type: ignore[arg-type]


def test_the_order_of_risk_is_the_order_in_which_somebody_must_look() -> None:
    worst_first = [
        _picture(amazon_status="DISABLED", open_high=1, bounce=0.3),
        _picture(amazon_status="DISABLED"),
        _picture(open_high=2),
        _picture(open_high=1),
        _picture(policy="strict", open_low=1),
        _picture(bounce=0.14),
        _picture(open_low=1),
        _picture(aggregate="DISABLED"),
        _picture(bounce=0.02),
        _picture(),
    ]
    points = [risk_of(each).points for each in worst_first]
    assert points == sorted(points, reverse=True)
    assert len(set(points)) == len(points)
    assert points[-1] == 0


def test_a_paused_tenant_that_sends_nothing_is_no_healthy_one() -> None:
    assert [each.sentence for each in risk_of(_picture(aggregate="DISABLED")).reasons] == [
        "Paused: it sends nothing, so there are no current rates."
    ]
    suspended = risk_of(_picture(amazon_status="DISABLED", aggregate="DISABLED"))
    assert [each.sentence for each in suspended.reasons] == ["Suspended by AWS."]
    measured = risk_of(_picture(aggregate="DISABLED", bounce=0.02))
    assert [each.sentence[:15] for each in measured.reasons] == ["The bounce rate"]


def test_a_status_that_we_do_not_know_is_a_reason_and_names_it() -> None:
    risk = risk_of(_picture(amazon_status="UNDER_REVIEW"))
    assert risk.points
    assert "UNDER_REVIEW" in risk.reasons[0].sentence


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 9), st.integers(0, 9))
def test_more_of_anything_bad_is_never_less_risk(low: float, high: float, few: int, more: int) -> None:
    low, high = sorted((low, high))
    one = risk_of(_picture(bounce=low, complaint=low / 10, open_high=few)).points
    other = risk_of(_picture(bounce=high, complaint=high / 10, open_high=few + more)).points
    assert one <= other


def test_the_reasons_add_up_to_the_points_and_the_weightiest_is_first() -> None:
    risk = risk_of(_picture(open_high=1, open_low=3, bounce=0.2, complaint=0.001, aggregate="REINSTATED"))
    assert risk.points == sum(reason.points for reason in risk.reasons)
    assert [reason.points for reason in risk.reasons] == sorted((r.points for r in risk.reasons), reverse=True)
    assert len(risk.reasons) == 5


# --- findings


def test_every_kind_that_sess_model_knows_has_words_and_any_other_keeps_amazons_name() -> None:
    known = set(_types_of_the_model())
    assert known <= set(WORDS)
    assert "NOT_YET_INVENTED" in words_for("NOT_YET_INVENTED").title


def _types_of_the_model() -> list[str]:
    from botocore.session import get_session

    shape = get_session().get_service_model("sesv2").shape_for("RecommendationType")
    return list(shape.enum)  # type: ignore[attr-defined]  # a string shape has it


@pytest.mark.parametrize(("status", "is_open"), [("OPEN", True), ("FIXED", False), ("SNOOZED", True)])
def test_a_finding_is_open_unless_amazon_says_fixed(status: str, is_open: bool) -> None:
    assert FoundRecommendation("arn", "BOUNCE", "HIGH", status, "", NOON, None).is_open is is_open


# --- the worst of each step


def _window(hours: int = 24, step: timedelta = HOUR) -> Window:
    return Window(NOON - hours * HOUR, NOON, step)


def test_each_step_shows_its_worst_hour_and_all_that_was_sent() -> None:
    window = _window(24, 6 * HOUR)
    hours = (
        Hour(window.start, bounce=0.1, sent=10),
        Hour(window.start + HOUR, bounce=0.3, complaint=0.01, sent=5),
        Hour(window.start + 7 * HOUR, sent=1),
        Hour(window.end, bounce=1.0),
    )
    assert worst_of_each(hours, window) == (
        Hour(window.start, bounce=0.3, complaint=0.01, sent=15),
        Hour(window.start + 6 * HOUR, sent=1),
    )


# --- EventBridge


def _event(**said: object) -> str:
    import json

    whole = {
        "source": "aws.ses",
        "detail-type": "Sending Status Disabled",
        "region": "eu-west-1",
        "resources": ["arn:aws:ses:eu-west-1:123456789012:tenant/acme/tn-1"],
        "detail": {"data": {"origin": "CUSTOMER_MANAGED"}},
    }
    return json.dumps({**whole, **said})


def test_an_event_names_its_tenant_also_without_the_account_as_in_amazons_own_sample() -> None:
    found = events_core.read_event(_event())
    assert found == events_core.TenantEvent("Sending Status Disabled", "eu-west-1", ("acme",))
    bare = events_core.read_event(_event(resources=["arn:aws:ses:us-east-1::tenant/acme/tn-1"]))
    assert bare is not None
    assert (bare.region, bare.names) == ("us-east-1", ("acme",))


@pytest.mark.parametrize("word", ["Open", "Resolved", "Closed"])
def test_events_of_findings_are_known_under_all_of_amazons_names(word: str) -> None:
    found = events_core.read_event(_event(**{"detail-type": f"Advisor Recommendation Status {word}"}))
    assert found is not None
    assert found.is_of_findings


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        _event(source="aws.ec2"),
        _event(**{"detail-type": "Email Sent"}),
        _event(**{"detail-type": ["Sending Status Disabled"]}),
        _event(resources="arn"),
        _event(resources=None),
    ],
)
def test_what_is_no_event_of_a_tenants_standing_is_none_whatever_it_is(text: str) -> None:
    assert events_core.read_event(text) is None


def test_resources_that_are_no_tenants_are_left_out() -> None:
    found = events_core.read_event(_event(resources=[3, "arn:aws:ses:eu-west-1:1:identity/acme.example"]))
    assert found is not None
    assert found.names == ()
