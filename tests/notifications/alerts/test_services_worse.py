"""An alert that gets worse while somebody has muted it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail

from accounts.models.people import Customer, User
from notifications.alerts.core import CustomerPeople
from notifications.alerts.services import mute, notify_unmuted
from notifications.email.services import send_due
from notifications.events.core import RAISED, RECOVERED
from notifications.models.alerts import Alert
from notifications.models.webhooks import Delivery
from tests.notifications.factories import (
    NOON,
    domain_subject,
    make_target,
    observe_condition,
    prefer,
    sent_mails,
)

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.mark.parametrize("by_mail", ["at_once", "off"])
def test_who_was_notified_is_told_of_the_end_of_an_alert_that_got_worse_while_muted(
    customer: Customer, alice: User, by_mail: str
) -> None:
    prefer(alice, by_mail=by_mail)
    target = make_target(customer_id=customer.pk)
    about: dict[str, Any] = {"about": domain_subject(customer.id), "kind": "webhook.off"}
    about["audience"] = CustomerPeople(customer.id)
    observe_condition(harmed=1, **about)
    alert = Alert.objects.get()
    sent_mails()
    mute(alert=alert, until=NOON + DAY, actor=alice)
    mail.outbox.clear()
    observe_condition(harmed=2, at=NOON + HOUR, **about)
    assert Delivery.objects.filter(target=target).count() == 1
    observe_condition(firing=False, at=NOON + HOUR, **about)
    assert [to for to, _ in sent_mails()] == ["alice@alice.example"] * (by_mail == "at_once")
    sent = Delivery.objects.filter(target=target).values_list("event__event", flat=True)
    assert sorted(sent) == sorted([RAISED, RECOVERED])


def test_an_alert_that_got_worse_while_muted_is_sent_again_once_when_the_mute_ends(
    customer: Customer, alice: User
) -> None:
    about: dict[str, Any] = {"about": domain_subject(customer.id), "kind": "webhook.off"}
    about["audience"] = CustomerPeople(customer.id)
    observe_condition(harmed=1, **about)
    sent_mails()
    mute(alert=Alert.objects.get(), until=NOON + DAY, actor=alice)
    mail.outbox.clear()
    observe_condition(harmed=2, at=NOON + HOUR, **about)
    assert sent_mails() == []
    assert [notify_unmuted(now=NOON + moment) for moment in (4 * HOUR, 2 * DAY, 2 * DAY)] == [0, 1, 0]
    send_due(now=NOON + 2 * DAY)
    assert [sent.to for sent in mail.outbox] == [["alice@alice.example"]]
