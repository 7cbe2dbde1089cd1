"""Decisions about alerts and webhooks, without a database, a network or a clock."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound_admin.lib.public_url import BadUrl
from notifications.alerts.core import (
    KINDS,
    AlertKind,
    AlertState,
    ConditionState,
    Effect,
    advance,
    kind_named,
    kinds_for,
)
from notifications.email.core import ByMail, EmailSchedule, after_quiet_hours, mail_due
from notifications.events.core import EVENTS, events_for, is_wanted, words_for
from notifications.webhooks.core import PAUSES, Format, WebhookEvent, body, next_attempt, parse_target, should_disable

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TWICE = AlertKind("k", "words", "over", checks_to_raise=2, minimum_age=timedelta(minutes=1), checks_to_resolve=2)
MINUTE = timedelta(minutes=1)


def _effects_of(kind: AlertKind, results: list[bool]) -> list[Effect]:
    watch, effects = None, []
    for at, firing in enumerate(results):
        watch, effect = advance(watch, firing=firing, kind=kind, now=NOON + at * MINUTE)
        effects.append(effect)
    return effects


def test_a_condition_is_raised_at_the_second_observation() -> None:
    assert _effects_of(TWICE, [True, True]) == [Effect.NOTHING, Effect.RAISED]


def test_a_suspicion_not_confirmed_by_the_next_observation_is_forgotten() -> None:
    assert _effects_of(TWICE, [True, False, True, False]) == [Effect.NOTHING, Effect.FORGOTTEN] * 2


def test_observations_within_the_minimum_age_do_not_raise() -> None:
    watch, _ = advance(None, firing=True, kind=TWICE, now=NOON)
    for _ in range(5):
        watch, effect = advance(watch, firing=True, kind=TWICE, now=NOON + timedelta(seconds=5))
        assert effect is Effect.NOTHING
    assert advance(watch, firing=True, kind=TWICE, now=NOON + MINUTE)[1] is Effect.RAISED


def test_an_alert_recovers_after_the_required_clear_observations() -> None:
    assert _effects_of(TWICE, [True, True, False, True, False, False]) == [
        Effect.NOTHING,
        Effect.RAISED,
        Effect.NOTHING,
        Effect.NOTHING,
        Effect.NOTHING,
        Effect.RECOVERED,
    ]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 4), st.integers(1, 4))
def test_raised_and_recovered_alternate_however_it_flaps(results: list[bool], needed: int, clear: int) -> None:
    """Episodes follow each other: a problem after a recovery starts a new one."""
    kind = AlertKind("k", "words", "over", checks_to_raise=needed, checks_to_resolve=clear)
    effects, watch = [], None
    for at, firing in enumerate(results):
        watch, effect = advance(watch, firing=firing, kind=kind, now=NOON + at * MINUTE)
        if effect in (Effect.RAISED, Effect.RECOVERED):
            effects.append(effect)
        if watch is not None and watch.state is AlertState.RECOVERED:
            watch = None
    assert all(effect is (Effect.RAISED, Effect.RECOVERED)[at % 2] for at, effect in enumerate(effects))


def test_an_open_alert_stays_open_while_it_is_observed() -> None:
    watch = ConditionState(AlertState.OPEN, NOON, looks=3, clear=1)
    assert advance(watch, firing=True, kind=TWICE, now=NOON) == (
        ConditionState(AlertState.OPEN, NOON, 4, 0),
        Effect.NOTHING,
    )


def test_an_unknown_kind_is_raised_at_once_and_shown_by_its_name() -> None:
    kind = kind_named("moon.full")
    assert (kind.checks_to_raise, kind.words) == (1, "moon.full")


def test_customers_choose_from_fewer_kinds_and_events_than_staff() -> None:
    assert (
        {kind.name for kind in kinds_for(staff=False)}
        < {kind.name for kind in kinds_for(staff=True)}
        == {name for name, kind in KINDS.items() if kind.optional}
    )
    assert set(events_for(staff=False)) < set(events_for(staff=True)) == set(EVENTS)


def test_an_at_risk_domain_is_checked_twice_before_its_owner_is_notified() -> None:
    assert KINDS["domain.at_risk"].checks_to_raise == 2
    assert KINDS["domain.at_risk"].minimum_age > timedelta(0)


def test_a_webhook_without_chosen_events_receives_all() -> None:
    assert is_wanted("domain.verified", ())
    assert is_wanted("domain.verified", ("domain.verified",))
    assert not is_wanted("domain.verified", ("rule.drift",))
    assert words_for("moon.full") == "moon.full"


@pytest.mark.parametrize(
    ("typed", "host", "port", "path", "header"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        (" https://Example.COM:8443/a?b=c#d ", "example.com", 8443, "/a?b=c", "example.com:8443"),
        ("https://bücher.example/x", "xn--bcher-kva.example", 443, "/x", "xn--bcher-kva.example"),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443, "/", "[2606:4700::1111]"),
        ("https://example.com./", "example.com", 443, "/", "example.com"),
    ],
)
def test_a_url_is_parsed_as_typed(typed: str, host: str, port: int, path: str, header: str) -> None:
    target = parse_target(typed)
    assert (target.host, target.port, target.path, target.host_header) == (host, port, path, header)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "example.com",
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://example.com/\r\nX-Evil: 1",
        "https://example.com/\x00",
        "https://exa\tmple.com/",
        "https://[::1",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://example.com/é",
        "https://" + "a" * 2000,
        "https://\u202e.example/",
    ],
)
def test_an_invalid_url_is_refused(typed: str) -> None:
    with pytest.raises(BadUrl):
        parse_target(typed)


def test_the_refusal_of_a_url_says_what_to_enter() -> None:
    with pytest.raises(BadUrl, match="^Enter an https:// URL without a user name, such as https://example"):
        parse_target("example.com")


def test_http_and_private_addresses_need_permission() -> None:
    assert parse_target("http://127.0.0.1:8000/x", may_be_private=True).host == "127.0.0.1"


def test_attempts_continue_for_about_three_days() -> None:
    moment = NOON
    for attempts in range(1, len(PAUSES) + 1):
        due = next_attempt(attempts, now=moment)
        assert due is not None
        assert due > moment
        moment = due
    assert timedelta(days=3) <= moment - NOON <= timedelta(days=3, hours=12)
    assert next_attempt(len(PAUSES) + 1, now=moment) is None


def test_each_attempt_waits_as_the_standard_recommends() -> None:
    waits = [(next_attempt(attempts, now=NOON) or NOON) - NOON for attempts in range(1, 10)]
    assert waits[0] == timedelta(seconds=5)
    assert [wait / MINUTE for wait in waits[1:]] == [5, 30, 120, 300, 600, 840, 1200, 1440]
    assert next_attempt(0, now=NOON) == next_attempt(1, now=NOON)
    assert next_attempt(10, now=NOON) is None


@pytest.mark.parametrize(("jitter", "later"), [(-1.0, 0), (0.0, 0), (0.5, 6), (1.0, 12), (2.0, 12)])
def test_jitter_delays_by_at_most_a_tenth(jitter: float, later: int) -> None:
    assert next_attempt(4, now=NOON, jitter=jitter) == NOON + timedelta(hours=2, minutes=later)


def _is_disabled(failing_for: timedelta | None, *, tried_hours_ago: Iterable[int], days: int = 5) -> bool:
    since = None if failing_for is None else NOON - failing_for
    tried = [NOON - timedelta(hours=hours) for hours in tried_hours_ago]
    return should_disable(failing_since=since, tried=tried, now=NOON, days=days)


def test_a_webhook_is_turned_off_after_days_without_success() -> None:
    steadily = range(0, 120, 24)
    assert not _is_disabled(None, tried_hours_ago=steadily)
    assert not _is_disabled(timedelta(days=4, hours=23), tried_hours_ago=steadily)
    assert _is_disabled(timedelta(days=5), tried_hours_ago=steadily)
    assert _is_disabled(timedelta(days=6), tried_hours_ago=steadily)


def test_a_webhook_is_not_turned_off_for_failures_of_long_ago() -> None:
    month = timedelta(days=33)
    assert not _is_disabled(month, tried_hours_ago=[0])  # a quiet month, then one refused connection
    assert not _is_disabled(month, tried_hours_ago=[0, 1, 2, 3])
    assert not _is_disabled(month, tried_hours_ago=[0, 90, 100, 110])
    assert not _is_disabled(timedelta(days=1), tried_hours_ago=[0], days=1)


def test_a_webhook_is_never_turned_off_for_failures_with_zero_days() -> None:
    assert not _is_disabled(timedelta(days=400), tried_hours_ago=range(120), days=0)


@pytest.mark.parametrize(
    ("start", "end", "at", "expected"),
    [
        (22, 7, 23, (5, 7)),
        (22, 7, 3, (4, 7)),
        (22, 7, 12, (4, 12)),
        (22, 7, 7, (4, 7)),
        (12, 14, 13, (4, 14)),
        (12, 14, 14, (4, 14)),
        (9, 9, 9, (4, 9)),
    ],
)
def test_quiet_hours_delay_an_email_to_their_end(start: int, end: int, at: int, expected: tuple[int, int]) -> None:
    schedule = EmailSchedule(quiet_from=time(start), quiet_until=time(end))
    moment = after_quiet_hours(schedule, datetime(2026, 5, 4, at, tzinfo=UTC))
    assert (moment.day, moment.hour) == expected


def test_a_digest_is_due_at_its_time_after_quiet_hours() -> None:
    digest = EmailSchedule(by_mail=ByMail.DIGEST, digest_at=time(8))
    assert mail_due(digest, now=NOON) == datetime(2026, 5, 5, 8, tzinfo=UTC)
    late = EmailSchedule(ByMail.DIGEST, time(6), quiet_from=time(22), quiet_until=time(7))
    assert mail_due(late, now=NOON) == datetime(2026, 5, 5, 7, tzinfo=UTC)


def test_email_turned_off_is_never_due() -> None:
    assert mail_due(EmailSchedule(by_mail=ByMail.OFF), now=NOON) is None
    assert mail_due(EmailSchedule(), now=NOON) == NOON


def _event(name: str = "shop.example") -> WebhookEvent:
    return WebhookEvent("domain.at_risk", NOON, "domain", "dom_1", name, "cus_1", {"why": "The MX is <gone> & away."})


def test_the_standard_format_has_type_timestamp_and_data() -> None:
    payload = json.loads(body(_event(), Format.STANDARD))
    assert (payload["type"], payload["timestamp"]) == ("domain.at_risk", "2026-05-04T12:00:00Z")
    assert payload["data"]["object"] == {
        "type": "domain",
        "id": "dom_1",
        "name": "shop.example",
        "customerId": "cus_1",
    }
    assert payload["data"]["why"] == "The MX is <gone> & away."


def test_the_standard_format_is_compact_and_has_nulls() -> None:
    of_ours = WebhookEvent("rule.drift", NOON, "rule", "r1", "bücher", "", {})
    assert body(of_ours, Format.STANDARD) == (
        '{"type":"rule.drift","timestamp":"2026-05-04T12:00:00Z","data":{"object":{"type":"rule","id":"r1",'
        '"name":"bücher","customerId":null},"link":null}}'
    )
    linked = replace(of_ours, link="https://panel.example/r1")
    assert json.loads(body(linked, Format.STANDARD))["data"]["link"] == "https://panel.example/r1"


def test_a_time_in_another_time_zone_is_sent_in_utc() -> None:
    there = replace(_event(), at=datetime(2026, 5, 4, 14, 0, tzinfo=timezone(timedelta(hours=2))))
    assert json.loads(body(there, Format.STANDARD))["timestamp"] == "2026-05-04T12:00:00Z"


def test_slack_gets_words_reason_and_link_if_present() -> None:
    bare = replace(_event("bücher"), data={})
    assert body(bare, Format.SLACK) == f'{{"text": "*bücher*: {words_for("domain.at_risk")}."}}'
    event = replace(bare, data={"words": "Is fine", "why": "Again"}, link="https://panel.example/d")
    expected = "*bücher*: Is fine.\nAgain\n<https://panel.example/d|View>"
    assert json.loads(body(event, Format.SLACK)) == {"text": expected}


def test_slack_text_escapes_names() -> None:
    payload = json.loads(body(_event("<!channel>"), Format.SLACK))
    assert list(payload) == ["text"]
    assert "<!channel>" not in payload["text"]
    assert "The MX is &lt;gone&gt; &amp; away." in payload["text"]
