"""Every event, every kind of alert and every verb that the sources name has words for people."""

import re
from pathlib import Path

from audit.core import WORDS
from notifications.alerts.core import KINDS
from notifications.events.core import EVENTS

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "notifications", "tenants", "domains", "receipt_rules", "operations", "public_api")
SOURCES = [path.read_text() for app in APPS for path in (ROOT / app).rglob("*.py")]


def _named(pattern: str) -> set[str]:
    return {found for text in SOURCES for found in re.findall(pattern, text)}


def test_every_event_that_is_told_has_words() -> None:
    told = _named(r'emit\(\s*event="([a-z_0-9.]+)"')
    assert told
    assert told <= set(EVENTS)


def test_every_kind_that_is_observed_has_words() -> None:
    observed = _named(r'observe\([^)]*?kind="([a-z_0-9.]+)"')
    assert {"domain.at_risk", "rule.drift", "quota.80"} <= observed <= set(KINDS)


def test_every_verb_of_alerts_and_webhooks_has_words() -> None:
    verbs = _named(r'(?:record|_record)\(\s*"((?:alert|webhook|notifications)\.[a-z_]+)"')
    assert len(verbs) >= 10
    assert verbs <= set(WORDS)


def test_the_events_of_the_brief_are_there() -> None:
    brief = "domain.verified domain.at_risk record.mismatch record.recovered rule.drift"
    assert set(brief.split()) | {"tenant.paused", "tenant.suspended", "tenant.resumed", "quota.80"} <= set(EVENTS)
