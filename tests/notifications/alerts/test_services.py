"""From looks to notices: raised once, told once to whom it concerns, recovered once to whom was told."""

from datetime import time, timedelta
from smtplib import SMTPException
from typing import Any

import pytest
import time_machine
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import mail
from pytest_django import Settings

from accounts.models.people import Customer, MemberRole, User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import Refused
from notifications.alerts.core import CustomerPeople, Effect
from notifications.alerts.services import acknowledge, delete_expired, mute, resolve_silently, unmute
from notifications.email.services import MOST_TRIES, send_due
from notifications.models.alerts import Alert, Notice
from notifications.models.preferences import NotificationPreference
from notifications.models.webhooks import Delivery, Event
from notifications.preferences.services import preference_of, set_preference
from tests.factories import make_customer, make_member, make_staff, make_user
from tests.notifications.factories import NOON, domain_subject, make_target, raise_for, see

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR, email="olga@here.example")


def _told() -> list[tuple[str, str]]:
    send_due(now=NOON + HOUR)
    return [(sent.to[0], str(sent.subject)) for sent in mail.outbox]


def _prefer(person: AbstractBaseUser, **given: Any) -> None:
    wishes: dict[str, Any] = {
        "unwanted": (),
        "by_mail": "at_once",
        "digest_at": time(8),
        "quiet_from": None,
        "quiet_until": None,
    }
    set_preference(person=person, **(wishes | given))


def test_the_owner_is_told_once_however_often_it_is_seen(customer: Customer, alice: User) -> None:
    looks: dict[str, Any] = {
        "about": domain_subject(customer.id),
        "kind": "domain.at_risk",
        "audience": CustomerPeople(customer.id),
    }
    effects = [see(at=NOON + minutes * timedelta(minutes=1), **looks) for minutes in range(5)]
    assert effects == [Effect.NOTHING, Effect.RAISED, *[Effect.NOTHING] * 3]
    assert _told() == [("alice@alice.example", "shop.example: A verified domain needs action")]
    assert Alert.objects.get().looks == 5


def test_it_is_over_once_and_who_was_told_hears_of_it(customer: Customer, alice: User) -> None:
    alert = raise_for(customer.id)
    assert len(_told()) == 1
    over: dict[str, Any] = {
        "about": domain_subject(customer.id),
        "kind": alert.kind,
        "audience": CustomerPeople(customer.id),
    }
    assert [see(firing=False, at=NOON + HOUR, **over) for _ in range(3)] == [Effect.RECOVERED, *[Effect.NOTHING] * 2]
    assert _told()[1:] == [("alice@alice.example", "shop.example: The webhook is on again")]


def test_whoever_was_not_told_that_it_began_is_not_told_that_it_is_over(customer: Customer, alice: User) -> None:
    late = make_member(customer, email="late@alice.example")
    _prefer(late, by_mail="digest")
    alert = raise_for(customer.id)
    assert _told() == [("alice@alice.example", "shop.example: " + alert.words)]
    see(
        firing=False,
        at=NOON + HOUR,
        about=domain_subject(customer.id),
        kind=alert.kind,
        audience=CustomerPeople(customer.id),
    )
    send_due(now=NOON + 2 * DAY)
    assert {sent.to[0] for sent in mail.outbox} == {"alice@alice.example"}
    assert not Notice.objects.filter(sent_at=None).exists()


def test_what_comes_back_is_another_alert(customer: Customer) -> None:
    first = raise_for(customer.id)
    see(
        firing=False,
        at=NOON + HOUR,
        about=domain_subject(customer.id),
        kind=first.kind,
        audience=CustomerPeople(customer.id),
    )
    assert raise_for(customer.id, at=NOON + 2 * HOUR).pk != first.pk
    assert Alert.objects.count() == 2


def test_owners_are_told_and_members_strangers_and_those_switched_off_are_not(customer: Customer, alice: User) -> None:
    make_member(customer, role=MemberRole.MEMBER, email="member@alice.example")
    make_member(customer, email="gone@alice.example", is_active=False)
    make_member(email="bob@bob.example")
    make_staff(Role.ADMIN, email="adam@here.example")
    raise_for(customer.id)
    assert [to for to, _ in _told()] == ["alice@alice.example"]


def test_of_staff_those_are_told_who_hold_the_permission(olga: User, alice: User) -> None:
    make_staff(Role.SUPPORT, email="sam@here.example")
    make_user("power@here.example", is_superuser=True)  # is not of our staff, whatever it may do
    see()
    assert [to for to, _ in _told()] == ["olga@here.example"]


def test_a_kind_that_a_person_does_not_want_is_not_told(customer: Customer, alice: User) -> None:
    _prefer(alice, unwanted=["webhook.off"])
    raise_for(customer.id)
    assert not _told()


def test_a_digest_is_one_message_a_day_with_all_of_it(customer: Customer, alice: User) -> None:
    _prefer(alice, by_mail="digest")
    for name in ("shop.example", "pub.example"):
        raise_for(customer.id, name=name)
    assert not _told()
    send_due(now=NOON.replace(hour=8) + DAY)
    (sent,) = mail.outbox
    assert sent.subject == "Inbound Admin: 2 notices"
    assert "shop.example" in sent.body
    assert "pub.example" in sent.body


def test_in_quiet_hours_nothing_is_said(customer: Customer, alice: User) -> None:
    _prefer(alice, quiet_from=time(11), quiet_until=time(14))
    mine = make_target(person=alice)
    raise_for(customer.id)
    assert not _told()
    send_due(now=NOON + 2 * HOUR)
    assert len(mail.outbox) == 1
    assert Delivery.objects.get(target=mine).next_attempt_at == NOON + 2 * HOUR


def test_a_mail_that_cannot_be_sent_waits_and_holds_back_nobody_elses(
    customer: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_member(customer, email="zoe@alice.example")
    raise_for(customer.id)
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


def test_after_many_tries_a_mail_is_given_up(customer: Customer, alice: User) -> None:
    raise_for(customer.id)
    Notice.objects.update(tries=MOST_TRIES)
    assert send_due(now=NOON + DAY) == 0


def test_a_name_with_a_line_break_makes_no_header_of_its_own(customer: Customer, alice: User) -> None:
    raise_for(customer.id, name="shop.example\nBcc: everybody@example.com")
    ((to, subject),) = _told()
    assert (to, "\n" in subject) == ("alice@alice.example", False)


def test_links_are_there_where_the_address_of_the_site_is_known(
    customer: Customer, alice: User, settings: Settings
) -> None:
    settings.SITE_URL = "https://inbound.example/"
    raise_for(customer.id)
    _told()
    assert "https://inbound.example/domains/dom_shop/" in mail.outbox[0].body
    assert "https://inbound.example/alerts/preferences/" in mail.outbox[0].body


def test_muted_it_is_not_told_and_after_the_mute_it_is(customer: Customer, alice: User, noon: Any) -> None:
    alert = raise_for(customer.id)
    mute(alert=alert, until=NOON + DAY, actor=alice)
    over: dict[str, Any] = {
        "about": domain_subject(customer.id),
        "kind": alert.kind,
        "audience": CustomerPeople(customer.id),
    }
    see(firing=False, at=NOON + HOUR, **over)
    see(at=NOON + 2 * HOUR, **over)
    again = Alert.objects.get(state="open")
    assert (again.told_at, again.muted_until) == (None, NOON + DAY)
    assert Notice.objects.filter(alert=again).count() == 0
    see(at=NOON + 2 * DAY, **over)
    see(at=NOON + 3 * DAY, **over)
    assert Notice.objects.filter(alert=again, phase="raised").count() == 1


def test_unmuted_it_is_told_at_the_next_look(customer: Customer, alice: User) -> None:
    alert = raise_for(customer.id)
    mute(alert=alert, until=NOON + DAY, actor=alice)
    unmute(alert=alert, actor=alice)
    alert.refresh_from_db()
    assert alert.muted_until is None
    assert list(Change.objects.order_by("id").values_list("what", flat=True)) == ["alert.muted", "alert.unmuted"]


def test_a_mute_has_an_end_within_90_days(customer: Customer, alice: User) -> None:
    alert = raise_for(customer.id)
    for until in (NOON - HOUR, NOON, NOON + 91 * DAY):
        with pytest.raises(Refused, match="90 days"):
            mute(alert=alert, until=until, actor=alice)


def test_one_acknowledges_it_and_again_changes_nothing(customer: Customer, alice: User) -> None:
    alert = raise_for(customer.id)
    for _ in range(2):
        acknowledge(alert=alert, actor=alice)
    alert.refresh_from_db()
    change = Change.objects.get()
    assert (alert.acknowledged_by, change.what, change.customer_id) == (alice, "alert.acknowledged", customer.id)


def test_what_is_over_cannot_be_acknowledged(customer: Customer, alice: User) -> None:
    alert = raise_for(customer.id)
    resolve_silently(about=domain_subject(customer.id))
    with pytest.raises(Refused, match="already resolved"):
        acknowledge(alert=alert, actor=alice)


def test_nobody_answers_anothers_alert(customer: Customer, olga: User) -> None:
    alert = raise_for(customer.id)
    for stranger in (make_member(), olga):
        with pytest.raises(Refused, match="Only the people"):
            acknowledge(alert=alert, actor=stranger)
        with pytest.raises(Refused, match="Only the people"):
            mute(alert=alert, until=NOON + DAY, actor=stranger)
    assert not Change.objects.exists()


def test_of_what_is_gone_nobody_is_told_and_nothing_stays_open(customer: Customer, alice: User) -> None:
    raise_for(customer.id)
    _told()
    resolve_silently(about=domain_subject(customer.id))
    assert Alert.objects.get().state == "recovered"
    assert len(_told()) == 1


def test_a_domain_that_has_moved_is_no_alert_of_its_former_owner_any_more(customer: Customer, alice: User) -> None:
    other = make_customer()
    former = raise_for(customer.id)
    about = domain_subject(other.id)
    see(kind=former.kind, about=about, audience=CustomerPeople(other.id))
    former.refresh_from_db()
    assert former.state == "recovered"
    assert Alert.objects.get(state="open").customer_id == other.id


def test_an_alert_is_told_to_the_webhooks_of_its_customer_and_of_staff_alone(customer: Customer, alice: User) -> None:
    theirs, ours = make_target(customer_id=customer.id), make_target()
    bobs = make_target(customer_id=make_customer().id)
    raise_for(customer.id)
    assert set(Delivery.objects.values_list("target", flat=True)) == {theirs.pk, ours.pk}
    assert not bobs.deliveries.exists()
    see()  # of the rules of all at once
    assert theirs.deliveries.count() == 1
    assert ours.deliveries.count() == 2


def test_a_persons_own_webhook_gets_what_the_person_is_told_and_its_end(customer: Customer, alice: User) -> None:
    mine = make_target(person=alice)
    alert = raise_for(customer.id)
    see(
        firing=False,
        at=NOON + HOUR,
        about=domain_subject(customer.id),
        kind=alert.kind,
        audience=CustomerPeople(customer.id),
    )
    told = mine.deliveries.order_by("event__at").values_list("event__event", flat=True)
    assert list(told) == ["alert.raised", "alert.recovered"]


def test_an_alert_of_staff_about_a_customers_tenant_is_not_told_to_the_customer(customer: Customer) -> None:
    theirs = make_target(customer_id=customer.id)
    see(about=domain_subject(customer.id))
    assert not theirs.deliveries.exists()
    assert Event.objects.get().for_staff


def test_how_a_person_is_told_has_a_line_in_the_log_only_where_it_changes(alice: User) -> None:
    _prefer(alice)
    assert not Change.objects.exists()
    assert not NotificationPreference.objects.exists()
    for _ in range(2):
        _prefer(alice, quiet_from=time(22), quiet_until=time(7))
    assert Change.objects.get().after == {"quiet hours": "22:00 to 07:00"}
    assert preference_of(alice).schedule.quiet_from == time(22)
    with pytest.raises(Refused, match="both a start and an end"):
        _prefer(alice, quiet_from=time(22))


def test_what_is_over_goes_after_its_time_and_what_is_open_stays(customer: Customer, settings: Settings) -> None:
    raise_for(customer.id)
    over = raise_for(customer.id, name="old.example")
    resolve_silently(about=domain_subject(customer.id, "old.example"))
    delete_expired(now=NOON + timedelta(days=settings.ALERTS_KEPT_DAYS + 1))
    assert [alert.object_name for alert in Alert.objects.all()] == ["shop.example"]
    assert not Alert.objects.filter(pk=over.pk).exists()
    assert not Event.objects.exists()
