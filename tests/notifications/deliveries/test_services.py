"""Outgoing webhooks: who receives an event, and how a delivery ends, against a real server."""

import socket
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.models.people import Customer, User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import Refused
from notifications.deliveries.services import OVERDUE_AFTER, attempt
from notifications.jobs import DELIVER
from notifications.models.webhooks import Attempt, Delivery, DeliveryState, Event, WebhookTarget
from notifications.webhooks import gateway as webhooks_gateway
from notifications.webhooks import services as webhooks_services
from notifications.webhooks.core import PAUSES
from notifications.webhooks.selectors import deliveries_for
from notifications.webhooks.services import add_target, deliver_again, make_new_secret
from operations.reconciler import services as reconciler_services
from tests.factories import make_customer, make_staff
from tests.notifications.factories import (
    VERIFIED,
    Receiver,
    add_webhook,
    emit_event,
    make_target,
    observe_condition,
)

pytestmark = pytest.mark.django_db


def _jobs() -> list[str]:
    jobs = ProcrastinateJob.objects.filter(task_name=DELIVER, status="todo").order_by("id")
    return [job.args["delivery_id"] for job in jobs]


def test_an_event_goes_only_to_staff_and_its_own_customer(customer: Customer) -> None:
    ours, theirs = make_target(), make_target(customer_id=customer.id)
    bobs = make_target(customer_id=make_customer().id)
    emit_event(customer.id)
    assert set(Delivery.objects.values_list("target", flat=True)) == {ours.pk, theirs.pk}
    emit_event("")
    assert (ours.deliveries.count(), theirs.deliveries.count(), bobs.deliveries.count()) == (2, 1, 0)


def test_a_staff_event_goes_to_no_customer(customer: Customer) -> None:
    theirs = make_target(customer_id=customer.id)
    emit_event(customer.id, for_staff=True)
    assert not theirs.deliveries.exists()


def test_a_webhook_that_is_off_or_chose_other_events_receives_nothing() -> None:
    make_target(events=["rule.drift"])
    make_target(is_on=False)
    emit_event()
    assert not Delivery.objects.exists()
    assert Event.objects.count() == 1


def test_an_answer_that_is_no_http_is_a_failed_attempt_that_waits_longer_each_time(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x00\x01garbage\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        settings.WEBHOOKS_MAY_BE_PRIVATE = True
        make_target(url=f"http://127.0.0.1:{listener.getsockname()[1]}/")
        emit_event()
        delivery = Delivery.objects.get()
        attempt(delivery_id=delivery.pk)
        thread.join()
    made = delivery.attempts.get()
    delivery.refresh_from_db()
    assert r"\000\001garbage" in made.problem
    assert made.finished_at is not None
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at > made.finished_at


def test_an_attempt_that_fails_unexpectedly_is_a_failed_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    make_target()
    emit_event()
    delivery = Delivery.objects.get()

    def fails(*_: object, **__: object) -> None:
        raise UnicodeError

    monkeypatch.setattr(webhooks_services, "post", fails)
    attempt(delivery_id=delivery.pk)
    made = delivery.attempts.get()
    delivery.refresh_from_db()
    assert made.problem == "The request failed unexpectedly: UnicodeError."
    assert delivery.next_attempt_at is not None
    assert made.finished_at is not None
    assert delivery.next_attempt_at > made.finished_at


def test_a_personal_webhook_receives_no_events(alice: User) -> None:
    make_target(person=alice)
    emit_event(alice.customers.get().id)
    assert not Delivery.objects.exists()


def test_an_event_is_rolled_back_with_its_transaction() -> None:
    make_target()

    def fail() -> None:
        with transaction.atomic():
            emit_event()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  ours, from above
        fail()
    assert not Event.objects.exists()
    assert not _jobs()


def test_each_delivery_has_one_job() -> None:
    for _ in range(2):
        make_target()
    emit_event()
    assert sorted(_jobs()) == sorted(Delivery.objects.values_list("pk", flat=True))


def test_a_delivery_is_signed_according_to_the_standard(customer: Customer, alice: User, receiver: Receiver) -> None:
    made = add_target(name="Ours", url=receiver.url, form="standard", events=(), actor=alice, customer_id=customer.id)
    emit_event(customer.id)
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


def test_no_row_contains_the_plain_secret(customer: Customer, alice: User) -> None:
    made = add_target(
        name="Ours", url="https://a.example/", form="standard", events=(), actor=alice, customer_id=customer.id
    )
    row = WebhookTarget.objects.values().get()
    assert made.secret.startswith("whsec_")
    assert made.secret not in str(row)
    assert made.secret not in str(list(Change.objects.values()))


def test_both_secrets_sign_for_a_day_after_rotation(customer: Customer, alice: User, receiver: Receiver) -> None:
    made = add_target(name="Ours", url=receiver.url, form="standard", events=(), actor=alice, customer_id=customer.id)
    new = make_new_secret(target=made.target, actor=alice)
    emit_event(customer.id)
    attempt(delivery_id=Delivery.objects.get().pk)
    (got,) = receiver.received
    for secret in (made.secret, new):
        Webhook(secret).verify(got.body, got.headers)
    WebhookTarget.objects.update(old_secret_until=datetime.now(UTC) - timedelta(seconds=1))
    emit_event(customer.id)
    attempt(delivery_id=Delivery.objects.get(state="waiting").pk)
    assert len(receiver.received[1].headers["webhook-signature"].split()) == 1
    Webhook(new).verify(receiver.received[1].body, receiver.received[1].headers)


def test_a_secret_sealed_with_an_unknown_key_is_reported(receiver: Receiver, settings: Settings) -> None:
    make_target(receiver.url)
    emit_event()
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another one"
    attempt(delivery_id=Delivery.objects.get().pk)
    assert "SEALING_KEY_FALLBACKS" in Attempt.objects.get().problem
    settings.SECRET_KEY_FALLBACKS = [old]
    Delivery.objects.update(next_attempt_at=None)
    attempt(delivery_id=Delivery.objects.get().pk)
    assert Delivery.objects.get().state == DeliveryState.DELIVERED


def test_slack_receives_its_text_without_a_signature(receiver: Receiver) -> None:
    make_target(receiver.url, form="slack", secret="")
    emit_event()
    attempt(delivery_id=Delivery.objects.get().pk)
    (got,) = receiver.received
    assert got.json == {
        "text": "*shop.example*: A domain is verified: all required records are in place.\nAll is in place."
    }
    assert "webhook-signature" not in got.headers


def test_a_failed_delivery_is_retried_later_with_the_same_body(receiver: Receiver) -> None:
    make_target(receiver.url)
    emit_event()
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


def test_a_job_that_runs_too_early_sends_nothing(receiver: Receiver) -> None:
    make_target(receiver.url)
    emit_event()
    Delivery.objects.update(next_attempt_at=datetime.now(UTC) + timedelta(hours=1))
    attempt(delivery_id=Delivery.objects.get().pk)
    assert not receiver.received


def test_a_repeated_job_does_not_send_again(receiver: Receiver) -> None:
    make_target(receiver.url)
    emit_event()
    for _ in range(2):
        attempt(delivery_id=Delivery.objects.get().pk)
    assert len(receiver.received) == 1


def test_a_delivery_is_given_up_after_the_last_attempt(receiver: Receiver, settings: Settings) -> None:
    settings.WEBHOOK_OFF_AFTER_DAYS = 100
    make_target(receiver.url)
    emit_event()
    receiver.status = 503
    for _ in range(len(PAUSES) + 1):
        delivery = Delivery.objects.get()
        assert delivery.state == DeliveryState.WAITING
        attempt(delivery_id=delivery.pk, now=delivery.next_attempt_at)
    assert Delivery.objects.get().state == DeliveryState.GIVEN_UP
    assert len(receiver.received) == len(PAUSES) + 1
    assert WebhookTarget.objects.get().is_on


def test_a_redirect_is_a_failure_with_a_hint(receiver: Receiver) -> None:
    make_target(receiver.url)
    emit_event()
    receiver.status = 301
    attempt(delivery_id=Delivery.objects.get().pk)
    assert "redirects aren't followed" in Attempt.objects.get().problem


def test_nothing_is_sent_to_a_private_address_unless_allowed(receiver: Receiver, settings: Settings) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = False
    make_target(f"https://localhost:{receiver.port}/")
    make_target("https://127.0.0.1/")
    emit_event()
    for delivery in Delivery.objects.all():
        attempt(delivery_id=delivery.pk)
    assert not receiver.received
    assert all("isn't a public address" in tried.problem for tried in Attempt.objects.all())


def test_a_delivery_killed_midway_is_sent_by_the_next_sweep(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_target(receiver.url)
    emit_event()
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


def test_the_sweep_does_not_queue_a_delivery_that_is_not_late() -> None:
    make_target()
    emit_event()
    ProcrastinateJob.objects.all().delete()
    reconciler_services.queue_unfinished(now=datetime.now(UTC))
    assert _jobs() == []


def test_a_repeated_delivery_has_the_same_event_id_and_its_own_row(
    customer: Customer, alice: User, receiver: Receiver
) -> None:
    add_webhook(alice, customer, receiver.url)
    emit_event(customer.id)
    first = Delivery.objects.get()
    with pytest.raises(Refused, match="already queued"):
        deliver_again(delivery=first, actor=alice)
    attempt(delivery_id=first.pk)
    again = deliver_again(delivery=Delivery.objects.get(), actor=alice)
    attempt(delivery_id=again.pk)
    one, two = receiver.received
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    assert Delivery.objects.get(pk=again.pk).again_by == alice


def test_a_webhook_that_is_removed_during_an_attempt_takes_its_log_along(
    customer: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = add_webhook(alice, customer)
    emit_event(customer.id)

    def answer(*_: object, **__: object) -> webhooks_gateway.Reply:
        webhooks_services.remove_target(target=target, actor=alice)
        return webhooks_gateway.Reply(500, "")

    monkeypatch.setattr(webhooks_gateway, "post", answer)
    attempt(delivery_id=Delivery.objects.get().pk)
    assert not Attempt.objects.exists()


def test_the_outcome_of_an_attempt_and_a_removal_lock_the_webhook_first(
    customer: Customer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise one of two at the same moment would be ended by PostgreSQL as a deadlock."""
    target = add_webhook(alice, customer)
    emit_event(customer.id)
    monkeypatch.setattr(webhooks_gateway, "post", lambda *_, **__: webhooks_gateway.Reply(500, ""))
    with CaptureQueriesContext(connection) as queries:
        attempt(delivery_id=Delivery.objects.get().pk)
    locks = [each["sql"] for each in queries if " FOR UPDATE" in each["sql"] or each["sql"].startswith("UPDATE")]
    stored = next(number for number, sql in enumerate(locks) if '"finished_at" =' in sql)
    assert f"'{target.pk}'" in locks[stored - 1]
    assert "FOR UPDATE" in locks[stored - 1]


def test_a_staff_alert_reaches_no_webhook_of_a_person_who_lost_the_permission(receiver: Receiver) -> None:
    """Neither what waits nor what is delivered again, and neither log of deliveries shows it."""
    nora = make_staff(Role.OPERATOR)
    target = make_target(receiver.url, person=nora)
    observe_condition()
    (delivery,) = Delivery.objects.filter(target=target)
    attempt(delivery_id=delivery.pk)
    assert len(receiver.received) == 1
    assert deliveries_for(nora).count() == 1
    nora.is_staff = False
    nora.save()
    nora.groups.clear()
    nora = User.objects.get(pk=nora.pk)
    assert deliveries_for(nora).count() == 0
    client = Client()
    client.force_login(nora)
    log = client.get(reverse("notifications:webhook", args=[target.pk])).text
    assert "No deliveries yet" in log
    assert "inbound-mail" not in log
    Delivery.objects.filter(pk=delivery.pk).update(state=DeliveryState.WAITING)
    attempt(delivery_id=delivery.pk)
    assert len(receiver.received) == 1
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.CANCELLED
