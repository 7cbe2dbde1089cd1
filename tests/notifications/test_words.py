"""Every event, kind of alert and logged change named in the source has a text."""

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


def test_every_emitted_event_has_a_text() -> None:
    emitted = _named(r'emit\(\s*event="([a-z_0-9.]+)"')
    assert emitted
    assert emitted <= set(EVENTS)


def test_every_observed_kind_has_a_text() -> None:
    observed = _named(r'observe\([^)]*?kind="([a-z_0-9.]+)"')
    assert {"domain.at_risk", "rule.drift", "quota.80"} <= observed <= set(KINDS)


def test_every_logged_change_of_alerts_and_webhooks_has_a_text() -> None:
    verbs = _named(r'(?:record|_record)\(\s*"((?:alert|webhook|notifications)\.[a-z_]+)"')
    assert len(verbs) >= 10
    assert verbs <= set(WORDS)


def test_the_events_of_the_specification_exist() -> None:
    brief = "domain.verified domain.at_risk record.mismatch record.recovered rule.drift"
    assert set(brief.split()) | {"tenant.paused", "tenant.suspended", "tenant.resumed", "quota.80"} <= set(EVENTS)
