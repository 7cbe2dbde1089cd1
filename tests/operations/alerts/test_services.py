"""Alerts for staff when SES doesn't answer or differences wait for a decision."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy
from notifications.models.alerts import Alert
from operations.alerts import services as alerts_services
from operations.drift.core import Decision
from operations.models import Difference
from sandbox.process import Sandbox
from tests.test_health import closed_port

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def states() -> dict[str, str]:
    return {alert.kind: alert.state for alert in Alert.objects.all()}


def watch(*, minutes: int = 0) -> None:
    alerts_services.watch(now=NOW + timedelta(minutes=minutes))


def test_an_alert_opens_after_ten_minutes_without_ses_and_recovers(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    reachable, settings.AWS_ENDPOINT_URL = settings.AWS_ENDPOINT_URL, f"http://127.0.0.1:{closed_port()}"
    watch()
    assert states().get("amazon.unreachable") == "suspected"
    watch(minutes=5)
    watch(minutes=11)
    assert states()["amazon.unreachable"] == "open"
    settings.AWS_ENDPOINT_URL = reachable
    watch(minutes=15)
    assert states()["amazon.unreachable"] == "recovered"


def make_difference() -> Difference:
    return Difference.objects.create(
        region="eu-west-1",
        area="tenants",
        kind="unknown",
        key="k",
        subject="acme",
        sentence="SES has acme, but we do not.",
        first_seen_at=NOW,
        last_seen_at=NOW,
    )


def test_drift_is_watched_although_the_check_of_ses_fails_unexpectedly(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_difference()

    def fail() -> str:
        raise KeyError("unforeseen")

    monkeypatch.setattr(aws, "ask_account_id", fail)
    with pytest.raises(KeyError):
        watch()
    assert set(states()) == {"drift.found"}


def test_no_alert_opens_if_ses_answers_and_nothing_differs(sandbox: Sandbox) -> None:
    watch()
    assert states() == {}


def test_a_difference_keeps_its_alert_open_until_it_is_decided(sandbox: Sandbox) -> None:
    row = make_difference()
    watch()
    assert states() == {"drift.found": "open"}
    assert "acme" in Alert.objects.get().why
    Difference.objects.filter(pk=row.pk).update(decision=Decision.IGNORE)
    watch(minutes=5)
    assert states() == {"drift.found": "recovered"}


def test_throttling_is_not_reported_as_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled() -> str:
        raise AwsBusy("SES is throttling.")

    monkeypatch.setattr(aws, "ask_account_id", throttled)
    watch()
    watch(minutes=11)
    assert "amazon.unreachable" not in states()
