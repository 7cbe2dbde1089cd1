"""Emails that strangers can cause: each recipient gets a limited number per day."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from pytest_django import Settings

from accounts.models.people import User
from accounts.roles import Role
from notifications.email import services as email_services
from notifications.models.alerts import Alert, Notice
from tests.factories import make_staff
from tests.notifications.factories import NOON, observe_condition

pytestmark = pytest.mark.django_db
ALICE = "alice@alice.example"


@pytest.fixture(autouse=True)
def two_a_day(settings: Settings) -> None:
    settings.UNSOLICITED_MAILS_PER_DAY = 2


def send(*to: str) -> tuple[str, ...]:
    return email_services.send_unsolicited(title="Join us", text="Please", to=to)


def test_a_recipient_gets_the_configured_number_from_all_senders() -> None:
    assert [send(ALICE), send(ALICE), send(ALICE)] == [(ALICE,), (ALICE,), ()]
    assert len(mail.outbox) == 2


def test_another_recipient_of_the_same_email_is_not_affected() -> None:
    send(ALICE)
    send(ALICE)
    assert send(ALICE, "carol@alice.example") == ("carol@alice.example",)
    assert mail.outbox[-1].to == ["carol@alice.example"]


@pytest.mark.parametrize("spelling", ["ALICE@alice.example", " alice+7@Alice.Example "])
def test_another_spelling_of_a_mailbox_counts_as_the_same_recipient(spelling: str) -> None:
    send(ALICE)
    send(spelling)
    assert send(ALICE, spelling) == ()


def test_the_limit_resets_after_a_day() -> None:
    with time_machine.travel(datetime(2026, 5, 4, 12, tzinfo=UTC), tick=False) as clock:
        send(ALICE)
        send(ALICE)
        clock.shift(86_399)
        assert send(ALICE) == ()
        clock.shift(2)
        assert send(ALICE) == (ALICE,)


def test_an_email_that_cannot_be_made_is_tried_later_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [make_staff(Role.OPERATOR, email=f"{name}@ops.example") for name in ("a", "b")]
    observe_condition()
    right = email_services._receivable

    def receivable(person: User, notices: Sequence[Notice]) -> tuple[Sequence[Notice], list[int]]:
        if person == people[0]:
            raise ValueError
        return right(person, notices)

    monkeypatch.setattr(email_services, "_receivable", receivable)
    now = NOON + timedelta(days=1)
    assert email_services.send_due(now=now) == 1
    assert [each.to for each in mail.outbox] == [["b@ops.example"]]
    notice = Notice.objects.get(person=people[0])
    assert (notice.tries, notice.sent_at) == (1, None)
    assert notice.due_at > now


def test_a_title_stays_on_one_line() -> None:
    email_services.send_unsolicited(title="Join\nBcc: x@y.example", text="Please", to=[ALICE])
    assert mail.outbox[0].subject == "Join Bcc: x@y.example"


def test_an_email_that_is_sent_after_the_problem_was_solved_asks_for_nothing() -> None:
    make_staff(Role.OPERATOR, email="a@ops.example")
    observe_condition()
    Alert.objects.update(state="recovered", recovered_at=NOON, why="Publish the record.")
    email_services.send_due(now=NOON + timedelta(days=1))
    assert "Before it was resolved: Publish the record." in mail.outbox[0].body


def test_news_are_not_marked_as_past() -> None:
    news = Alert(kind="domain.verified", state="recovered", recovered_at=NOON, why="All required records are verified.")
    assert news.told == news.why
