"""From observations to notices: an alert is raised and recovers once, and each person concerned is notified once."""

from datetime import time, timedelta
from smtplib import SMTPException
from typing import Any

import pytest
import time_machine
from django.core import mail
from pytest_django import Settings

from accounts.models.people import Customer, MemberRole, User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import Refused
from notifications.alerts.core import CustomerPeople, Effect
from notifications.alerts.services import acknowledge, mute, notify_unmuted, resolve_silently, unmute
from notifications.email.core import MOST_TRIES
from notifications.email.services import preference_of, send_due
from notifications.models.alerts import Alert, Notice, NotificationPreference
from notifications.models.webhooks import Delivery, Event
from tests.factories import make_customer, make_member, make_staff, make_user
from tests.notifications.factories import (
    NOON,
    domain_subject,
    make_target,
    observe_condition,
    prefer,
    raise_alert,
    sent_mails,
)

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR, email="olga@here.example")


def test_the_owner_is_notified_once_for_repeated_observations(customer: Customer, alice: User) -> None:
    observation: dict[str, Any] = {
        "about": domain_subject(customer.id),
        "kind": "domain.at_risk",
        "audience": CustomerPeople(customer.id),
    }
    effects = [observe_condition(at=NOON + minutes * timedelta(minutes=1), **observation) for minutes in range(5)]
    assert effects == [Effect.NOTHING, Effect.RAISED, *[Effect.NOTHING] * 3]
    assert sent_mails() == [("alice@alice.example", "shop.example: A verified domain needs action")]
    assert Alert.objects.get().looks == 5


def test_an_alert_recovers_once_and_notified_people_are_notified(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    assert len(sent_mails()) == 1
    recovery: dict[str, Any] = {
        "about": domain_subject(customer.id),
        "kind": alert.kind,
        "audience": CustomerPeople(customer.id),
    }
    assert [observe_condition(firing=False, at=NOON + HOUR, **recovery) for _ in range(3)] == [
        Effect.RECOVERED,
        *[Effect.NOTHING] * 2,
    ]
    assert sent_mails()[1:] == [("alice@alice.example", "shop.example: The webhook is on again")]


def test_only_people_notified_of_the_start_are_notified_of_the_end(customer: Customer, alice: User) -> None:
    late = make_member(customer, email="late@alice.example")
    prefer(late, by_mail="digest")
    alert = raise_alert(customer.id)
    assert sent_mails() == [("alice@alice.example", "shop.example: " + alert.words)]
    observe_condition(
        firing=False,
        at=NOON + HOUR,
        about=domain_subject(customer.id),
        kind=alert.kind,
        audience=CustomerPeople(customer.id),
    )
    send_due(now=NOON + 2 * DAY)
    assert {sent.to[0] for sent in mail.outbox} == {"alice@alice.example"}
    assert not Notice.objects.filter(sent_at=None).exists()


def test_a_returning_problem_is_a_new_alert(customer: Customer) -> None:
    first = raise_alert(customer.id)
    observe_condition(
        firing=False,
        at=NOON + HOUR,
        about=domain_subject(customer.id),
        kind=first.kind,
        audience=CustomerPeople(customer.id),
    )
    assert raise_alert(customer.id, at=NOON + 2 * HOUR).pk != first.pk
    assert Alert.objects.count() == 2


def test_only_active_owners_are_notified(customer: Customer, alice: User) -> None:
    make_member(customer, role=MemberRole.MEMBER, email="member@alice.example")
    make_member(customer, email="gone@alice.example", is_active=False)
    make_member(email="bob@bob.example")
    make_staff(Role.ADMIN, email="adam@here.example")
    raise_alert(customer.id)
    assert [to for to, _ in sent_mails()] == ["alice@alice.example"]


def test_only_staff_with_the_permission_are_notified(olga: User, alice: User) -> None:
    make_staff(Role.SUPPORT, email="sam@here.example")
    make_user("power@here.example", is_superuser=True)  # is not in a staff role
    observe_condition()
    assert [to for to, _ in sent_mails()] == ["olga@here.example"]


def test_an_unwanted_kind_is_not_notified(customer: Customer, alice: User) -> None:
    prefer(alice, unwanted=["webhook.off"])
    raise_alert(customer.id)
    assert not sent_mails()


def test_a_digest_is_one_email_a_day_with_all_notices(customer: Customer, alice: User) -> None:
    prefer(alice, by_mail="digest")
    for name in ("shop.example", "pub.example"):
        raise_alert(customer.id, name=name)
    assert not sent_mails()
    send_due(now=NOON.replace(hour=8) + DAY)
    (sent,) = mail.outbox
    assert sent.subject == "Inbound Admin: 2 notices"
    assert "shop.example" in sent.body
    assert "pub.example" in sent.body


def test_nothing_is_sent_in_quiet_hours(customer: Customer, alice: User) -> None:
    prefer(alice, quiet_from=time(11), quiet_until=time(14))
    mine = make_target(person=alice)
    raise_alert(customer.id)
    assert not sent_mails()
    send_due(now=NOON + 2 * HOUR)
    assert len(mail.outbox) == 1
    assert Delivery.objects.get(target=mine).next_attempt_at == NOON + 2 * HOUR


def test_a_failed_email_is_retried_and_does_not_block_others(
    customer: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_member(customer, email="zoe@alice.example")
    raise_alert(customer.id)
    real = mail.get_connection().__class__.send_messages

    def refuses_alice(self: Any, messages: list[Any]) -> Any:
        if messages[0].to == ["alice@alice.example"]:
            raise SMTPException("mailbox full")
        return real(self, messages)

    monkeypatch.setattr(mail.get_connection().__class__, "send_messages", refuses_alice)
    assert send_due(now=NOON) == 1
    waits = Notice.objects.get(sent_at=None)
    assert (waits.person_id, waits.tries, waits.problem) == (alice.pk, 1, "mailbox full")
    assert waits.due_at > NOON
    monkeypatch.undo()
    assert send_due(now=NOON + HOUR) == 1


def test_an_email_is_given_up_after_many_attempts(customer: Customer, alice: User) -> None:
    raise_alert(customer.id)
    Notice.objects.update(tries=MOST_TRIES)
    assert send_due(now=NOON + DAY) == 0


def test_a_line_break_in_a_name_adds_no_email_header(customer: Customer, alice: User) -> None:
    raise_alert(customer.id, name="shop.example\nBcc: everybody@example.com")
    ((to, subject),) = sent_mails()
    assert (to, "\n" in subject) == ("alice@alice.example", False)


def test_an_email_has_links_if_the_site_url_is_set(customer: Customer, alice: User, settings: Settings) -> None:
    settings.SITE_URL = "https://inbound.example/"
    raise_alert(customer.id)
    sent_mails()
    assert "https://inbound.example/domains/dom_shop/" in mail.outbox[0].body
    assert "https://inbound.example/alerts/preferences/" in mail.outbox[0].body


def test_a_muted_alert_is_not_notified_until_the_mute_ends(customer: Customer, alice: User, noon: Any) -> None:
    alert = raise_alert(customer.id)
    mute(alert=alert, until=NOON + DAY, actor=alice)
    recovery: dict[str, Any] = {
        "about": domain_subject(customer.id),
        "kind": alert.kind,
        "audience": CustomerPeople(customer.id),
    }
    observe_condition(firing=False, at=NOON + HOUR, **recovery)
    observe_condition(at=NOON + 2 * HOUR, **recovery)
    again = Alert.objects.get(state="open")
    assert (again.told_at, again.muted_until) == (None, NOON + DAY)
    assert Notice.objects.filter(alert=again).count() == 0
    observe_condition(at=NOON + 2 * DAY, **recovery)
    observe_condition(at=NOON + 3 * DAY, **recovery)
    assert Notice.objects.filter(alert=again, phase="raised").count() == 1


def test_unmuting_ends_the_mute_and_is_logged(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    mute(alert=alert, until=NOON + DAY, actor=alice)
    unmute(alert=alert, actor=alice)
    alert.refresh_from_db()
    assert alert.muted_until is None
    assert list(Change.objects.order_by("id").values_list("what", flat=True)) == ["alert.muted", "alert.unmuted"]


def test_a_mute_must_end_within_90_days(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    wrong = {NOON - HOUR: "in the future", NOON: "in the future", NOON + 91 * DAY: "at most 90 days"}
    for until, said in wrong.items():
        with pytest.raises(Refused, match=said):
            mute(alert=alert, until=until, actor=alice)


def test_acknowledging_twice_logs_one_change(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    for _ in range(2):
        acknowledge(alert=alert, actor=alice)
    alert.refresh_from_db()
    change = Change.objects.get()
    assert (alert.acknowledged_by, change.what, change.customer_id) == (alice, "alert.acknowledged", customer.id)


def test_a_resolved_alert_cannot_be_acknowledged(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    resolve_silently(about=domain_subject(customer.id))
    with pytest.raises(Refused, match="already resolved"):
        acknowledge(alert=alert, actor=alice)


def test_another_customers_alert_cannot_be_acknowledged_or_muted(customer: Customer, olga: User) -> None:
    alert = raise_alert(customer.id)
    for stranger in (make_member(), olga):
        with pytest.raises(Refused, match="Only the people"):
            acknowledge(alert=alert, actor=stranger)
        with pytest.raises(Refused, match="Only the people"):
            mute(alert=alert, until=NOON + DAY, actor=stranger)
    assert not Change.objects.exists()


def test_a_silently_resolved_alert_sends_no_email(customer: Customer, alice: User) -> None:
    raise_alert(customer.id)
    sent_mails()
    resolve_silently(about=domain_subject(customer.id))
    assert Alert.objects.get().state == "recovered"
    assert len(sent_mails()) == 1


def test_a_transferred_domain_closes_the_former_customers_alert(customer: Customer, alice: User) -> None:
    other = make_customer()
    former = raise_alert(customer.id)
    about = domain_subject(other.id)
    observe_condition(kind=former.kind, about=about, audience=CustomerPeople(other.id))
    former.refresh_from_db()
    assert former.state == "recovered"
    assert Alert.objects.get(state="open").customer_id == other.id


def test_an_alert_goes_only_to_webhooks_of_its_customer_and_of_staff(customer: Customer, alice: User) -> None:
    theirs, ours = make_target(customer_id=customer.id), make_target()
    bobs = make_target(customer_id=make_customer().id)
    raise_alert(customer.id)
    assert set(Delivery.objects.values_list("target", flat=True)) == {theirs.pk, ours.pk}
    assert not bobs.deliveries.exists()
    observe_condition()  # an alert about all receipt rules
    assert theirs.deliveries.count() == 1
    assert ours.deliveries.count() == 2


def test_a_personal_webhook_receives_the_start_and_the_end(customer: Customer, alice: User) -> None:
    mine = make_target(person=alice)
    alert = raise_alert(customer.id)
    observe_condition(
        firing=False,
        at=NOON + HOUR,
        about=domain_subject(customer.id),
        kind=alert.kind,
        audience=CustomerPeople(customer.id),
    )
    events = mine.deliveries.order_by("event__at").values_list("event__event", flat=True)
    assert list(events) == ["alert.raised", "alert.recovered"]


def test_a_staff_alert_is_not_sent_to_the_customers_webhook(customer: Customer) -> None:
    theirs = make_target(customer_id=customer.id)
    observe_condition(about=domain_subject(customer.id))
    assert not theirs.deliveries.exists()
    assert Event.objects.get().for_staff


def test_changed_preferences_are_logged_once_and_unchanged_ones_not(alice: User) -> None:
    prefer(alice)
    assert not Change.objects.exists()
    assert not NotificationPreference.objects.exists()
    for _ in range(2):
        prefer(alice, quiet_from=time(22), quiet_until=time(7))
    assert Change.objects.get().after == {"quiet hours": "22:00 to 07:00"}
    assert preference_of(alice).schedule.quiet_from == time(22)
    with pytest.raises(Refused, match="both a start and an end"):
        prefer(alice, quiet_from=time(22))


def test_who_was_notified_is_told_of_the_end_although_somebody_muted_the_alert(customer: Customer, alice: User) -> None:
    alert = raise_alert(customer.id)
    sent_mails()
    mute(alert=alert, until=NOON + DAY, actor=alice)
    mail.outbox.clear()
    about: dict[str, Any] = {"about": domain_subject(customer.id), "kind": alert.kind}
    observe_condition(firing=False, at=NOON + HOUR, audience=CustomerPeople(customer.id), **about)
    assert [to for to, _ in sent_mails()] == ["alice@alice.example"]


def test_an_alert_that_opened_while_muted_is_notified_when_the_mute_ends(customer: Customer, alice: User) -> None:
    """Nothing observes it again: some conditions are only observed when they change."""
    alert = raise_alert(customer.id)
    mute(alert=alert, until=NOON + DAY, actor=alice)
    about: dict[str, Any] = {"about": domain_subject(customer.id), "kind": alert.kind}
    observe_condition(firing=False, at=NOON + HOUR, audience=CustomerPeople(customer.id), **about)
    observe_condition(at=NOON + 2 * HOUR, audience=CustomerPeople(customer.id), **about)
    observe_condition(at=NOON + 3 * HOUR, audience=CustomerPeople(customer.id), **about)
    again = Alert.objects.get(state="open")
    assert [notify_unmuted(now=NOON + moment) for moment in (4 * HOUR, 2 * DAY, 2 * DAY)] == [0, 1, 0]
    assert Notice.objects.filter(alert=again, phase="raised").count() == 1


def test_an_ended_mute_does_not_come_back_with_the_next_alert(customer: Customer, alice: User) -> None:
    first = raise_alert(customer.id)
    mute(alert=first, until=NOON + 9 * DAY, actor=alice)
    about: dict[str, Any] = {"about": domain_subject(customer.id), "kind": first.kind}
    observe_condition(firing=False, at=NOON + HOUR, audience=CustomerPeople(customer.id), **about)
    for moment in (2, 3):
        observe_condition(at=NOON + moment * HOUR, audience=CustomerPeople(customer.id), **about)
    second = Alert.objects.get(state="open")
    unmute(alert=second, actor=alice)
    observe_condition(firing=False, at=NOON + 4 * HOUR, audience=CustomerPeople(customer.id), **about)
    for moment in (5, 6):
        observe_condition(at=NOON + moment * HOUR, audience=CustomerPeople(customer.id), **about)
    third = Alert.objects.get(state="open")
    assert (third.muted_until, third.told_at is not None) == (None, True)


@pytest.mark.parametrize("wish", [{"by_mail": "off"}, {"unwanted": ["webhook.off"]}])
def test_a_person_who_wants_no_email_gets_none_that_is_queued(
    customer: Customer, alice: User, wish: dict[str, Any]
) -> None:
    prefer(alice, by_mail="digest", digest_at=time(12, 30))
    raise_alert(customer.id)
    assert Notice.objects.filter(person=alice, sent_at=None).count() == 1
    prefer(alice, **wish)
    assert sent_mails() == []


def test_queued_email_moves_to_the_new_time(customer: Customer, alice: User) -> None:
    prefer(alice, by_mail="digest", digest_at=time(8))
    raise_alert(customer.id)
    assert sent_mails() == []
    prefer(alice, by_mail="digest", digest_at=time(12, 30))
    assert [to for to, _ in sent_mails()] == ["alice@alice.example"]


def test_settings_neither_delay_nor_stop_what_owners_are_told_of_our_staff(customer: Customer, alice: User) -> None:
    """It goes out whatever the settings, also if it waits because the mail server didn't accept it."""
    Notice.objects.create(alert=_staff_act(customer), person=alice, phase="raised", due_at=NOON)
    raise_alert(customer.id, name="other.example")
    prefer(alice, by_mail="digest")
    assert Notice.objects.get(person=alice, alert__kind="staff.acted").due_at == NOON
    prefer(alice, by_mail="off")
    assert [(each.alert.kind, each.due_at) for each in Notice.objects.filter(person=alice)] == [("staff.acted", NOON)]


def _staff_act(customer: Customer) -> Alert:
    about = domain_subject(customer.id)
    observe_condition(kind="staff.acted", about=about, audience=CustomerPeople("nobody"), why="Sam: Changed the note.")
    return Alert.objects.get(kind="staff.acted")
