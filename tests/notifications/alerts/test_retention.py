"""How long alerts and events are kept."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from pytest_django import Settings

from accounts.models.people import Customer, User
from notifications.alerts.services import delete_expired, mute, resolve_silently
from notifications.models.alerts import Alert
from notifications.models.webhooks import Event
from tests.notifications.factories import NOON, domain_subject, raise_alert

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def test_old_resolved_alerts_are_deleted_and_open_ones_kept(customer: Customer, settings: Settings) -> None:
    raise_alert(customer.id)
    recovery = raise_alert(customer.id, name="old.example")
    resolve_silently(about=domain_subject(customer.id, "old.example"))
    delete_expired(now=NOON + timedelta(days=settings.ALERTS_KEPT_DAYS + 1))
    assert [alert.object_name for alert in Alert.objects.all()] == ["shop.example"]
    assert not Alert.objects.filter(pk=recovery.pk).exists()
    assert not Event.objects.exists()


def test_resolved_alerts_and_events_are_kept_for_ever_with_zero_days(customer: Customer, settings: Settings) -> None:
    settings.ALERTS_KEPT_DAYS = 0
    alert = raise_alert(customer.id)
    resolve_silently(about=domain_subject(customer.id))
    delete_expired(now=NOON + timedelta(days=4000))
    assert Alert.objects.get() == alert
    assert Event.objects.exists()


def test_a_resolved_alert_is_kept_while_it_is_muted(customer: Customer, alice: User, settings: Settings) -> None:
    settings.ALERTS_KEPT_DAYS = 7
    alert = raise_alert(customer.id)
    mute(alert=alert, until=NOON + 30 * DAY, actor=alice)
    resolve_silently(about=domain_subject(customer.id))
    delete_expired(now=NOON + 29 * DAY)
    assert Alert.objects.exists()
    delete_expired(now=NOON + 31 * DAY)
    assert not Alert.objects.exists()
