"""A webhook is turned off only after failing for days, or if its receiver asks for it."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models.people import Customer, User
from audit.models import Change
from notifications.deliveries.services import attempt
from notifications.models.alerts import Alert
from notifications.models.webhooks import Attempt, Delivery, DeliveryState, WebhookTarget
from notifications.webhooks.services import change_target
from tests.notifications.factories import Receiver, add_webhook, emit_event, make_target

pytestmark = pytest.mark.django_db


def fail_daily(*, days: int, until: timedelta = timedelta(0)) -> None:
    """Store an attempt that failed on each of these days."""
    last = datetime.now(UTC) - until
    for ago in range(days + 1):
        Attempt.objects.create(
            delivery=Delivery.objects.all()[0], started_at=last - timedelta(days=ago), problem="HTTP 500"
        )
    WebhookTarget.objects.update(failing_since=last - timedelta(days=days))


def test_one_failure_after_a_quiet_month_turns_no_webhook_off(
    customer: Customer, alice: User, receiver: Receiver
) -> None:
    add_webhook(alice, customer, receiver.url)
    receiver.status = 500
    emit_event(customer.id)
    fail_daily(days=6, until=timedelta(days=30))
    delivery = Delivery.objects.get()
    attempt(delivery_id=delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, WebhookTarget.objects.get().is_on) == (DeliveryState.WAITING, True)


def test_a_webhook_that_fails_for_days_is_turned_off_and_its_people_notified(
    customer: Customer, alice: User, receiver: Receiver
) -> None:
    target = add_webhook(alice, customer, receiver.url)
    receiver.status = 500
    for _ in range(2):
        emit_event(customer.id)
    fail_daily(days=6)
    attempt(delivery_id=Delivery.objects.first().pk)  # type: ignore[union-attr]  # two exist
    target.refresh_from_db()
    assert not target.is_on
    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
    assert Change.objects.filter(what="webhook.switched_off", actor_kind="worker").count() == 1
    alert = Alert.objects.get()
    assert (alert.kind, alert.state, alert.customer_id) == ("webhook.off", "open", customer.id)
    assert alert.notices.get().person == alice
    change_target(target=target, name="Ours", url=receiver.url, events=(), is_on=True, actor=alice)
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_a_webhook_that_answers_410_is_turned_off_at_once(receiver: Receiver) -> None:
    make_target(receiver.url)
    emit_event()
    receiver.status = 410
    attempt(delivery_id=Delivery.objects.get().pk)
    assert not WebhookTarget.objects.get().is_on
