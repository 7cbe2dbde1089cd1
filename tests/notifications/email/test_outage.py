"""A mail server that is down loses no notice, and operators and readers of the alert see what isn't sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from smtplib import SMTPException
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import Role
from notifications.alerts import selectors as alerts_selectors
from notifications.alerts.services import announce
from notifications.email import services as email_services
from notifications.models.alerts import Alert, Notice
from operations.alerts import services as operations_alerts
from tests.factories import make_staff
from tests.notifications.factories import domain_subject, prefer, raise_alert

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@contextmanager
def outage() -> Iterator[None]:
    def refuse(*_: Any) -> None:
        raise SMTPException("the relay is down")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mail.get_connection().__class__, "send_messages", refuse)
        yield


def work_until(end: datetime) -> None:
    """Let the worker send what is due, each time that something is."""
    while (due := Notice.objects.filter(sent_at=None, due_at__lte=end).order_by("due_at").first()) is not None:
        with time_machine.travel(max(due.due_at, NOON), tick=False):
            if not email_services.is_due(now=timezone.now()):
                return
            email_services.send_due(now=timezone.now())


@pytest.mark.parametrize("days", [1, 3, 12])
def test_an_outage_of_days_loses_no_notice(customer: Customer, alice: User, days: int) -> None:
    raise_alert(customer.id)
    with outage():
        work_until(NOON + days * DAY)
    assert mail.outbox == []
    work_until(NOON + days * DAY + timedelta(hours=6, minutes=1))
    assert [sent.to for sent in mail.outbox] == [["alice@alice.example"]]


def test_operators_are_alerted_of_email_that_is_not_sent(customer: Customer, alice: User) -> None:
    make_staff(Role.OPERATOR)
    raise_alert(customer.id)
    with outage():
        work_until(NOON + timedelta(minutes=20))
        assert alerts_selectors.failing_sentence(now=NOON + timedelta(minutes=20)) == ""
        work_until(NOON + timedelta(hours=2))
        operations_alerts._email(NOON + timedelta(hours=2))
    alert = Alert.objects.get(kind="email.failing")
    assert (alert.state, alert.severity, alert.permission) == ("open", "high", "receipt_rules.operate_rules")
    assert alert.why == "The mail server doesn't take 1 notice to 1 person. Last error: the relay is down"
    work_until(NOON + DAY)
    operations_alerts._email(NOON + DAY)
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_a_notice_that_was_given_up_is_shown_for_a_week(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    with outage():
        work_until(NOON + 30 * DAY)
    last = Notice.objects.get().due_at
    assert 12 * DAY < last - NOON < 14 * DAY
    assert "We gave up on 1 of them" in alerts_selectors.failing_sentence(now=last)
    assert alerts_selectors.failing_sentence(now=last + 8 * DAY) == ""
    assert not email_services.is_due(now=last + 30 * DAY)
    page = alert_page(alert, alice)
    assert "The email to alice@alice.example couldn’t be sent<" in page.replace("\n", "")
    assert "We gave up." in page
    assert "the relay is down" not in page
    assert "the relay is down" in alert_page(alert, make_staff(Role.OPERATOR))


def test_a_notice_that_is_tried_again_is_shown_on_the_page_of_its_alert(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    with outage():
        work_until(NOON)
    page = alert_page(alert, alice)
    assert "couldn’t be sent yet" in page
    assert "1 attempt failed" in page
    assert "No email sent yet" not in page


def alert_page(alert: Alert, viewer: User) -> str:
    client = Client()
    client.force_login(viewer)
    return client.get(f"/alerts/{alert.pk}/").content.decode()


def test_an_email_is_not_tried_again_in_quiet_hours(customer: Customer, alice: User) -> None:
    prefer(alice, quiet_from=time(12, 1), quiet_until=time(14))
    raise_alert(customer.id)
    with outage():
        assert email_services.send_due(now=NOON) == 0
    assert Notice.objects.get().due_at == NOON + timedelta(hours=2)


def test_what_is_always_sent_is_tried_again_in_quiet_hours(customer: Customer, alice: User) -> None:
    prefer(alice, quiet_from=time(12, 1), quiet_until=time(14))
    raise_alert(customer.id)
    Alert.objects.update(kind="staff.acted")
    with outage():
        email_services.send_due(now=NOON)
    assert Notice.objects.get().due_at == NOON + timedelta(minutes=1)


def test_collected_news_is_not_sent_in_quiet_hours(customer: Customer, alice: User) -> None:
    prefer(alice, quiet_from=time(12, 5), quiet_until=time(14))
    for name, minute in (("shop.example", 0), ("store.example", 3)):
        now = NOON + timedelta(minutes=minute)
        about = domain_subject(customer.id, name)
        announce(kind="domain.verified", about=about, people=[alice], why="All is in place.", now=now)
        email_services.send_due(now=now)
    assert [sent.subject.partition(":")[0] for sent in mail.outbox] == ["shop.example"]
    assert Notice.objects.get(sent_at=None).due_at == NOON + timedelta(hours=2)
