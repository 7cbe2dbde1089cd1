"""Rates, findings, risk, charts and SES events, decided without database and network."""

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
from tenants.reputation.core import WORDS, FoundRecommendation, Picture, Reason, Risk, risk_of, words_for

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
def test_a_rate_is_graded_by_its_limits_and_no_data_is_unknown(rate: float | None, expected: Grade) -> None:
    assert grade(rate, LIMITS) is expected


@pytest.mark.parametrize(
    ("policy", "bounce", "complaint"),
    [("standard", 0.15, 0.01), ("strict", 0.10, 0.005), ("none", None, None), ("new-one", None, None)],
)
def test_each_policy_pauses_above_its_own_limits(policy: str, bounce: float | None, complaint: float | None) -> None:
    assert pauses_above(policy, Measure.BOUNCE) == bounce
    assert pauses_above(policy, Measure.COMPLAINT) == complaint


def test_series_are_merged_by_hour_and_missing_values_stay_unknown() -> None:
    found = hours_of(
        [
            RateSeries("a", Measure.BOUNCE, ((NOON, 0.1), (NOON + HOUR, 0.2))),
            RateSeries("a", Measure.COMPLAINT, ((NOON + HOUR, 0.0),)),
        ]
    )
    assert found == (Hour(NOON, bounce=0.1), Hour(NOON + HOUR, bounce=0.2, complaint=0.0))


def test_the_newest_rate_is_not_older_than_requested() -> None:
    hours = (Hour(NOON, bounce=0.1), Hour(NOON + HOUR, complaint=0.5))
    assert newest(hours, Measure.BOUNCE, since=NOON) == 0.1
    assert newest(hours, Measure.BOUNCE, since=NOON + HOUR) is None


# --- risk


def _picture(**fields: object) -> Picture:
    return Picture(**{"policy": "standard", "amazon_status": "ENABLED", "aggregate": "ENABLED", **fields})  # type: ignore[arg-type]


def test_the_order_of_risk_is_the_order_of_urgency() -> None:
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


def test_a_paused_tenant_without_rates_is_not_healthy() -> None:
    assert [each.sentence for each in risk_of(_picture(aggregate="DISABLED")).reasons] == [
        "Paused: it sends nothing, so there are no current rates."
    ]
    suspended = risk_of(_picture(amazon_status="DISABLED", aggregate="DISABLED"))
    assert [each.sentence for each in suspended.reasons] == ["Suspended by AWS."]
    measured = risk_of(_picture(aggregate="DISABLED", bounce=0.02))
    assert [each.sentence[:15] for each in measured.reasons] == ["The bounce rate"]


@pytest.mark.parametrize(
    ("fields", "points", "sentence"),
    [
        ({"amazon_status": "DISABLED"}, 1000, "Suspended by AWS."),
        ({"amazon_status": "UNDER_REVIEW"}, 50, "Unknown SES status: UNDER_REVIEW."),
        ({"aggregate": "REINSTATED"}, 100, "Reinstated: sends although its findings would pause it."),
        ({"aggregate": "DISABLED"}, 100, "Paused: it sends nothing, so there are no current rates."),
        ({"open_high": 1}, 500, "1 open high-impact finding."),
        ({"open_high": 2}, 520, "2 open high-impact findings."),
        ({"open_high": 6}, 600, "6 open high-impact findings."),
        ({"open_high": 7}, 600, "7 open high-impact findings."),
        ({"open_low": 1}, 150, "1 open low-impact finding."),
        ({"open_low": 1, "policy": "tougher"}, 150, "1 open low-impact finding."),
        ({"open_low": 3, "policy": "strict"}, 390, "3 open low-impact findings."),
        ({"bounce": 0.075}, 150, "The bounce rate is 7.50%. The pause limit is 15.0%."),
        ({"bounce": 0.15}, 300, "The bounce rate is 15.00%. The pause limit is 15.0%."),
        ({"bounce": 0.1501}, 300, "The bounce rate is 15.01%, above the pause limit of 15.0%."),
        ({"bounce": 0.05, "policy": "strict"}, 150, "The bounce rate is 5.00%. The pause limit is 10.0%."),
        ({"complaint": 0.001}, 30, "The complaint rate is 0.10%. The pause limit is 1.0%."),
        ({"complaint": 0.02, "policy": "none"}, 300, "The complaint rate is 2.00%, above the pause limit of 1.0%."),
    ],
)
def test_each_reason_has_its_points_and_its_sentence(fields: dict[str, object], points: int, sentence: str) -> None:
    assert risk_of(_picture(**fields)) == Risk(points, (Reason(points, sentence),))


@pytest.mark.parametrize(
    "fields",
    [
        {"amazon_status": ""},
        {"amazon_status": "REINSTATED"},
        {"aggregate": "UNDER_REVIEW"},
        {"aggregate": "CLOSED"},
        {"bounce": 0.0},
    ],
)
def test_an_unread_or_unknown_status_and_a_zero_rate_are_no_reason(fields: dict[str, object]) -> None:
    assert risk_of(_picture(**fields)) == Risk(0, ())


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 9), st.integers(0, 9))
def test_worse_values_never_lower_the_risk(low: float, high: float, few: int, more: int) -> None:
    low, high = sorted((low, high))
    one = risk_of(_picture(bounce=low, complaint=low / 10, open_high=few)).points
    other = risk_of(_picture(bounce=high, complaint=high / 10, open_high=few + more)).points
    assert one <= other


def test_the_reasons_add_up_to_the_risk_and_are_sorted_by_points() -> None:
    risk = risk_of(_picture(open_high=1, open_low=3, bounce=0.2, complaint=0.001, aggregate="REINSTATED"))
    assert risk.points == sum(reason.points for reason in risk.reasons)
    assert [reason.points for reason in risk.reasons] == sorted((r.points for r in risk.reasons), reverse=True)
    assert len(risk.reasons) == 5


# --- findings


def test_every_finding_type_has_a_text_and_an_unknown_one_keeps_its_ses_name() -> None:
    known = set(_types_of_the_model())
    assert known <= set(WORDS)
    unknown = words_for("NOT_YET_INVENTED")
    assert (unknown.kind, unknown.title) == ("NOT_YET_INVENTED", "SES finding NOT_YET_INVENTED")
    assert [words_for(kind) for kind in known] == [WORDS[kind] for kind in known]


def _types_of_the_model() -> list[str]:
    from botocore.session import get_session

    shape = get_session().get_service_model("sesv2").shape_for("RecommendationType")
    return list(shape.enum)  # type: ignore[attr-defined]  # a string shape has it


@pytest.mark.parametrize(
    ("status", "is_open"), [("OPEN", True), ("FIXED", False), ("SNOOZED", True), ("CHECKED", True)]
)
def test_a_finding_is_open_unless_ses_says_fixed(status: str, is_open: bool) -> None:
    assert FoundRecommendation("arn", "BOUNCE", "HIGH", status, "", NOON, None).is_open is is_open


# --- the worst hour of each step


def _window(hours: int = 24, step: timedelta = HOUR) -> Window:
    return Window(NOON - hours * HOUR, NOON, step)


def test_each_step_shows_its_worst_hour_and_the_sum_of_sends() -> None:
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


def _event(**fields: object) -> str:
    import json

    whole = {
        "source": "aws.ses",
        "detail-type": "Sending Status Disabled",
        "region": "eu-west-1",
        "resources": ["arn:aws:ses:eu-west-1:123456789012:tenant/acme/tn-1"],
        "detail": {"data": {"origin": "CUSTOMER_MANAGED"}},
    }
    return json.dumps({**whole, **fields})


def test_an_event_names_its_tenant_even_if_the_arn_lacks_the_account() -> None:
    found = events_core.read_event(_event())
    assert found == events_core.TenantEvent("Sending Status Disabled", "eu-west-1", ("acme",))
    bare = events_core.read_event(_event(resources=["arn:aws:ses:us-east-1::tenant/acme/tn-1"]))
    assert bare is not None
    assert (bare.region, bare.names) == ("us-east-1", ("acme",))


@pytest.mark.parametrize("word", ["Open", "Resolved", "Closed"])
def test_events_about_findings_are_recognised_under_all_their_names(word: str) -> None:
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
def test_any_other_text_is_no_tenant_event(text: str) -> None:
    assert events_core.read_event(text) is None


def test_resources_that_are_no_tenants_are_ignored() -> None:
    found = events_core.read_event(_event(resources=[3, "arn:aws:ses:eu-west-1:1:identity/acme.example"]))
    assert found is not None
    assert found.names == ()
