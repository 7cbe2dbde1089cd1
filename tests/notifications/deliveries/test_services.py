"""Webhooks out: to whom an event goes, and what becomes of a delivery, against a real server."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.models.people import Customer, User
from audit.models import Change
from inbound_admin.lib.errors import RateLimited, Refused
from notifications.deliveries.services import OVERDUE_AFTER, attempt
from notifications.jobs import DELIVER
from notifications.models.alerts import Alert
from notifications.models.webhooks import Attempt, Delivery, DeliveryState, Event, WebhookTarget
from notifications.webhooks.core import PAUSES
from notifications.webhooks.services import add_target, change_target, deliver_again, make_new_secret, send_test
from operations.reconciler import services as reconciler_services
from tests.factories import make_customer
from tests.notifications.factories import VERIFIED, Receiver, add_webhook, happen, make_target

pytestmark = pytest.mark.django_db


def _jobs() -> list[str]:
    jobs = ProcrastinateJob.objects.filter(task_name=DELIVER, status="todo").order_by("id")
    return [job.args["delivery_id"] for job in jobs]


def test_an_event_goes_to_staff_and_to_its_own_customer_alone(customer: Customer) -> None:
    ours, theirs = make_target(), make_target(customer_id=customer.id)
    bobs = make_target(customer_id=make_customer().id)
    happen(customer.id)
    assert set(Delivery.objects.values_list("target", flat=True)) == {ours.pk, theirs.pk}
    happen("")
    assert (ours.deliveries.count(), theirs.deliveries.count(), bobs.deliveries.count()) == (2, 1, 0)


def test_what_is_for_staff_alone_goes_to_no_customer(customer: Customer) -> None:
    theirs = make_target(customer_id=customer.id)
    happen(customer.id, for_staff=True)
    assert not theirs.deliveries.exists()


def test_what_was_not_chosen_and_what_is_switched_off_gets_nothing() -> None:
    make_target(events=["rule.drift"])
    make_target(is_on=False)
    happen()
    assert not Delivery.objects.exists()
    assert Event.objects.count() == 1


def test_a_persons_own_webhook_gets_no_events(alice: User) -> None:
    make_target(person=alice)
    happen(alice.customers.get().id)
    assert not Delivery.objects.exists()


def test_an_event_whose_transaction_fails_was_none() -> None:
    make_target()

    def fail() -> None:
        with transaction.atomic():
            happen()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  ours, from above
        fail()
    assert not Event.objects.exists()
    assert not _jobs()


def test_there_is_one_job_for_each_delivery() -> None:
    for _ in range(2):
        make_target()
    happen()
    assert sorted(_jobs()) == sorted(Delivery.objects.values_list("pk", flat=True))


def test_it_arrives_signed_as_the_standard_says(customer: Customer, alice: User, receiver: Receiver) -> None:
    made = add_target(name="Ours", url=receiver.url, form="standard", events=(), actor=alice, customer_id=customer.id)
    happen(customer.id)
    delivery = Delivery.objects.get()
    attempt(delivery_id=delivery.pk)
    (got,) = receiver.received
    assert Webhook(made.secret).verify(got.body, got.headers)["type"] == VERIFIED
    assert got.headers["webhook-id"] == delivery.event_id
    delivery.refresh_from_db()
    made.target.refresh_from_db()
    assert (delivery.state, delivery.attempts_made) == (DeliveryState.DELIVERED, 1)
    assert made.target.last_success_at is not None
    tried = delivery.attempts.get()
    assert (tried.status, tried.answer, tried.problem) == (200, "thanks", "")


def test_the_secret_is_in_no_row_as_it_is(customer: Customer, alice: User) -> None:
    made = add_target(
        name="Ours", url="https://a.example/", form="standard", events=(), actor=alice, customer_id=customer.id
    )
    row = WebhookTarget.objects.values().get()
    assert made.secret.startswith("whsec_")
    assert made.secret not in str(row)
    assert made.secret not in str(list(Change.objects.values()))


def test_for_a_day_both_secrets_sign(customer: Customer, alice: User, receiver: Receiver) -> None:
    made = add_target(name="Ours", url=receiver.url, form="standard", events=(), actor=alice, customer_id=customer.id)
    new = make_new_secret(target=made.target, actor=alice)
    happen(customer.id)
    attempt(delivery_id=Delivery.objects.get().pk)
    (got,) = receiver.received
    for secret in (made.secret, new):
        Webhook(secret).verify(got.body, got.headers)
    WebhookTarget.objects.update(old_secret_until=datetime.now(UTC) - timedelta(seconds=1))
    happen(customer.id)
    attempt(delivery_id=Delivery.objects.get(state="waiting").pk)
    assert len(receiver.received[1].headers["webhook-signature"].split()) == 1
    Webhook(new).verify(receiver.received[1].body, receiver.received[1].headers)


def test_a_secret_that_another_key_sealed_is_said_to_be_unreadable(receiver: Receiver, settings: Settings) -> None:
    make_target(receiver.url)
    happen()
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another one"
    attempt(delivery_id=Delivery.objects.get().pk)
    assert "SEALING_KEY_FALLBACKS" in Attempt.objects.get().problem
    settings.SECRET_KEY_FALLBACKS = [old]
    Delivery.objects.update(next_attempt_at=None)
    attempt(delivery_id=Delivery.objects.get().pk)
    assert Delivery.objects.get().state == DeliveryState.DELIVERED


def test_slack_gets_its_text_without_a_signature(receiver: Receiver) -> None:
    make_target(receiver.url, form="slack", secret="")
    happen()
    attempt(delivery_id=Delivery.objects.get().pk)
    (got,) = receiver.received
    assert got.json == {
        "text": "*shop.example*: A domain is verified: all required records are in place.\nAll is in place."
    }
    assert "webhook-signature" not in got.headers


def test_a_failure_is_tried_again_later_with_the_same_text(receiver: Receiver) -> None:
    make_target(receiver.url)
    happen()
    receiver.status, receiver.answer = 500, "out of order"
    before = datetime.now(UTC)
    attempt(delivery_id=Delivery.objects.get().pk)
    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.WAITING
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at - before >= PAUSES[0]
    tried = delivery.attempts.get()
    assert (tried.status, tried.answer) == (500, "out of order")
    assert "500" in tried.problem
    receiver.status = 200
    attempt(delivery_id=delivery.pk, now=delivery.next_attempt_at)
    first, second = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert WebhookTarget.objects.get().failing_since is None


def test_a_job_that_comes_too_early_sends_nothing(receiver: Receiver) -> None:
    make_target(receiver.url)
    happen()
    Delivery.objects.update(next_attempt_at=datetime.now(UTC) + timedelta(hours=1))
    attempt(delivery_id=Delivery.objects.get().pk)
    assert not receiver.received


def test_what_was_delivered_is_not_sent_again_by_a_job_that_is_repeated(receiver: Receiver) -> None:
    make_target(receiver.url)
    happen()
    for _ in range(2):
        attempt(delivery_id=Delivery.objects.get().pk)
    assert len(receiver.received) == 1


def test_after_the_last_pause_it_is_given_up(receiver: Receiver, settings: Settings) -> None:
    settings.WEBHOOK_OFF_AFTER_DAYS = 100
    make_target(receiver.url)
    happen()
    receiver.status = 503
    for _ in range(len(PAUSES) + 1):
        delivery = Delivery.objects.get()
        assert delivery.state == DeliveryState.WAITING
        attempt(delivery_id=delivery.pk, now=delivery.next_attempt_at)
    assert Delivery.objects.get().state == DeliveryState.GIVEN_UP
    assert len(receiver.received) == len(PAUSES) + 1
    assert WebhookTarget.objects.get().is_on


def test_a_target_that_fails_for_days_is_switched_off_and_its_people_are_told(
    customer: Customer, alice: User, receiver: Receiver
) -> None:
    target = add_webhook(alice, customer, receiver.url)
    receiver.status = 500
    for _ in range(2):
        happen(customer.id)
    WebhookTarget.objects.update(failing_since=datetime.now(UTC) - timedelta(days=6))
    attempt(delivery_id=Delivery.objects.first().pk)  # type: ignore[union-attr]  # there are two
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


def test_a_target_that_answers_gone_is_switched_off_at_once(receiver: Receiver) -> None:
    make_target(receiver.url)
    happen()
    receiver.status = 410
    attempt(delivery_id=Delivery.objects.get().pk)
    assert not WebhookTarget.objects.get().is_on


def test_a_redirect_is_a_failure_with_a_hint(receiver: Receiver) -> None:
    make_target(receiver.url)
    happen()
    receiver.status = 301
    attempt(delivery_id=Delivery.objects.get().pk)
    assert "redirects aren't followed" in Attempt.objects.get().problem


def test_nothing_is_sent_to_a_private_address_unless_the_installation_allows_it(
    receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = False
    make_target(f"https://localhost:{receiver.port}/")
    make_target("https://127.0.0.1/")
    happen()
    for delivery in Delivery.objects.all():
        attempt(delivery_id=delivery.pk)
    assert not receiver.received
    assert all("isn't a public address" in tried.problem for tried in Attempt.objects.all())


def test_killed_between_its_lines_it_is_sent_by_the_next_sweep(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_target(receiver.url)
    happen()
    delivery = Delivery.objects.get()

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr("socket.create_connection", killed)  # the network is where a process waits, and dies
    with pytest.raises(Killed):
        attempt(delivery_id=delivery.pk)
    monkeypatch.undo()
    assert delivery.attempts.get().finished_at is None
    ProcrastinateJob.objects.all().delete()
    reconciler_services.queue_unfinished(now=datetime.now(UTC) + 2 * OVERDUE_AFTER)
    assert _jobs() == [delivery.pk]
    attempt(delivery_id=delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made) == (DeliveryState.DELIVERED, 2)


def test_the_sweep_leaves_alone_what_is_not_late() -> None:
    make_target()
    happen()
    ProcrastinateJob.objects.all().delete()
    reconciler_services.queue_unfinished(now=datetime.now(UTC))
    assert _jobs() == []


def test_delivered_again_it_has_the_same_id_and_a_delivery_of_its_own(
    customer: Customer, alice: User, receiver: Receiver
) -> None:
    add_webhook(alice, customer, receiver.url)
    happen(customer.id)
    first = Delivery.objects.get()
    with pytest.raises(Refused, match="already queued"):
        deliver_again(delivery=first, actor=alice)
    attempt(delivery_id=first.pk)
    again = deliver_again(delivery=Delivery.objects.get(), actor=alice)
    attempt(delivery_id=again.pk)
    one, two = receiver.received
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    assert Delivery.objects.get(pk=again.pk).again_by == alice


def test_a_test_is_told_to_this_target_alone(customer: Customer, alice: User, receiver: Receiver) -> None:
    target, other = add_webhook(alice, customer, receiver.url), make_target(customer_id=customer.id)
    attempt(delivery_id=send_test(target=target, actor=alice).pk)
    assert receiver.received[0].json["type"] == "webhook.test"
    assert not other.deliveries.exists()


def test_tests_are_not_a_way_to_knock_without_an_end(customer: Customer, alice: User) -> None:
    target = add_webhook(alice, customer)
    send_test(target=target, actor=alice)
    with pytest.raises(RateLimited, match="every 10 seconds"):
        send_test(target=target, actor=alice)
    Delivery.objects.update(created_at=datetime.now(UTC) - timedelta(seconds=11))
    send_test(target=target, actor=alice)


def test_what_is_switched_off_is_neither_tried_nor_delivered_again(customer: Customer, alice: User) -> None:
    target = add_webhook(alice, customer)
    happen(customer.id)
    change_target(target=target, name="Ours", url=target.url, events=(), is_on=False, actor=alice)
    assert Delivery.objects.get().state == DeliveryState.CANCELLED
    with pytest.raises(Refused, match="is off"):
        send_test(target=target, actor=alice)
    with pytest.raises(Refused, match="is off"):
        deliver_again(delivery=Delivery.objects.get(), actor=alice)
