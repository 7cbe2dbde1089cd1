"""The texts of the change log."""

import re
from pathlib import Path

from audit.core import STATES, WORDS, details, words_for
from domains.checking.core.judgement import State
from notifications.alerts.core import KINDS
from notifications.events.core import EVENTS

ROOT = Path(__file__).resolve().parents[2]


def test_every_logged_change_has_a_text() -> None:
    sources = [
        path.read_text()
        for app in ("accounts", "domains", "operations", "receipt_rules", "tenants")
        for path in (ROOT / app).rglob("*services.py")
    ]
    verb = re.compile(
        r'"((?:domain|tenant|customer|member|invitation|person|address|catch_all|endpoint|expectation|rules|migration|drift|receiving)\.[a-z_]+)"'
    )
    written = {found for text in sources for found in verb.findall(text)}
    assert len(written) > 20
    assert written - set(EVENTS) - set(KINDS) <= set(WORDS)


def test_a_change_without_a_text_is_shown_by_its_name() -> None:
    assert words_for("moon.landed") == "moon.landed"


def test_a_detail_has_the_old_and_new_value() -> None:
    (detail,) = details({"mail_from": "bounce.shop.com"}, {"mail_from": "return.shop.com"})
    assert (detail.old, detail.new) == ("bounce.shop.com", "return.shop.com")


def test_a_new_field_has_no_old_value() -> None:
    (detail,) = details({}, {"held": True})
    assert (detail.old, detail.new) == (None, "yes")


def test_an_id_keeps_its_underscore_and_a_state_is_shown_in_words() -> None:
    found = details({"state": "not_checked"}, {"state": "at_risk", "run": "run_adv5w08wj6jg"})
    assert [(detail.old, detail.new) for detail in found] == [("not checked", "at risk"), (None, "run_adv5w08wj6jg")]


def test_two_empty_values_are_no_detail() -> None:
    assert details({"note": None, "prefix": ""}, {"note": "", "prefix": ""}) == ()


def test_a_domain_status_has_the_word_of_its_pages() -> None:
    (detail,) = details({"state": "waiting"}, {"state": "wrong"}, "domain.state")
    assert (detail.name, detail.old, detail.new) == ("status", "Action needed", "Needs fixing")
    assert {state.value: state.label for state in State} == STATES
