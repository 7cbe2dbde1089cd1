"""Webhooks: who can manage them, what makes one invalid, and their removal."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.models.people import Customer, MemberRole, User
from accounts.roles import Role
from audit.models import Change
from audit.services import Subject
from inbound_admin.lib.errors import NotAllowed, RateLimited, Refused
from notifications.deliveries.services import attempt
from notifications.events.services import emit, was_last_event
from notifications.models.alerts import Alert
from notifications.models.webhooks import Delivery, DeliveryState, Event, WebhookTarget
from notifications.webhooks.services import (
    MOST_TARGETS,
    change_target,
    deliver_again,
    make_new_secret,
    remove_target,
    send_test,
)
from operations.customers.services import delete_customer
from tests.factories import make_customer, make_member, make_staff
from tests.notifications.factories import VERIFIED, Receiver, add_webhook, emit_event, make_target, raise_alert

pytestmark = pytest.mark.django_db


def test_only_owners_manage_a_customers_webhooks_and_operators_ours(customer: Customer, alice: User) -> None:
    theirs, ours = add_webhook(alice, customer), make_target()
    member = make_member(customer, role=MemberRole.MEMBER)
    bob, sam, olga = make_member(), make_staff(Role.SUPPORT), make_staff(Role.OPERATOR)
    for who, target in [(member, theirs), (bob, theirs), (sam, theirs), (olga, theirs), (alice, ours), (sam, ours)]:
        for act in (send_test, make_new_secret, remove_target):
            with pytest.raises(NotAllowed):
                act(target=target, actor=who)
    with pytest.raises(NotAllowed):
        add_webhook(bob, customer)
    with pytest.raises(NotAllowed):
        add_webhook(alice, customer, customer_id="")
    make_new_secret(target=ours, actor=olga)
    assert Change.objects.filter(what="webhook.new_secret", for_staff=True).count() == 1


def test_an_invalid_webhook_is_refused(customer: Customer, alice: User) -> None:
    for wrong in ({"name": " "}, {"url": "ftp://x"}, {"events": ("rule.drift",)}, {"events": ("nonsense",)}):
        with pytest.raises(Refused):
            add_webhook(alice, customer, **wrong)
    assert not WebhookTarget.objects.exists()


def test_a_form_sent_twice_adds_one_webhook(customer: Customer, alice: User) -> None:
    add_webhook(alice, customer, target_id="whk_00000000000000000000")
    with pytest.raises(Refused, match="already"):
        add_webhook(alice, customer, target_id="whk_00000000000000000000")


def test_a_customer_has_a_limited_number_of_webhooks(customer: Customer, alice: User) -> None:
    for _ in range(MOST_TARGETS):
        make_target(customer_id=customer.id)
    with pytest.raises(Refused, match="10 webhooks"):
        add_webhook(alice, customer)


def test_removing_a_webhook_deletes_its_deliveries_and_is_logged(customer: Customer, alice: User) -> None:
    target = add_webhook(alice, customer)
    emit_event(customer.id)
    remove_target(target=target, actor=alice)
    assert not Delivery.objects.exists()
    attempt(delivery_id="dlv_of_nobody")
    assert Change.objects.get(what="webhook.removed").customer_id == customer.id


def test_deleting_a_customer_deletes_its_webhooks_and_alerts(customer: Customer) -> None:
    make_target(customer_id=customer.id)
    other = make_target(customer_id=make_customer().id)
    raise_alert(customer.id)
    delete_customer(customer=customer, actor=make_staff(Role.ADMIN))
    assert list(WebhookTarget.objects.all()) == [other]
    assert not Alert.objects.exists()
    assert not Event.objects.exists()


def test_the_last_event_about_an_object_is_known() -> None:
    about, pair = Subject("record", "dom_1/mx", "shop.example"), ("record.mismatch", "record.recovered")
    assert not was_last_event("record.mismatch", about=about, among=pair)
    emit(event="record.mismatch", about=about)
    emit(event=VERIFIED, about=about)
    assert was_last_event("record.mismatch", about=about, among=pair)
    emit(event="record.recovered", about=about)
    assert not was_last_event("record.mismatch", about=about, among=pair)


@pytest.mark.django_db(transaction=True)
def test_several_at_once_do_not_exceed_the_limit(customer: Customer, alice: User) -> None:
    for _ in range(MOST_TARGETS - 1):
        add_webhook(alice, customer)

    def add(_: int) -> bool:
        try:
            add_webhook(alice, customer)
        except Refused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == [False, False, False, True]
    assert WebhookTarget.objects.count() == MOST_TARGETS


def test_a_test_event_goes_only_to_its_webhook(customer: Customer, alice: User, receiver: Receiver) -> None:
    target, other = add_webhook(alice, customer, receiver.url), make_target(customer_id=customer.id)
    attempt(delivery_id=send_test(target=target, actor=alice).pk)
    assert receiver.received[0].json["type"] == "webhook.test"
    assert not other.deliveries.exists()


def test_events_are_limited_to_one_in_ten_seconds(customer: Customer, alice: User) -> None:
    target = add_webhook(alice, customer)
    send_test(target=target, actor=alice)
    with pytest.raises(RateLimited, match="every 10 seconds"):
        send_test(target=target, actor=alice)
    Delivery.objects.update(created_at=datetime.now(UTC) - timedelta(seconds=11))
    send_test(target=target, actor=alice)


def test_a_webhook_that_is_off_is_neither_tested_nor_redelivered(customer: Customer, alice: User) -> None:
    target = add_webhook(alice, customer)
    emit_event(customer.id)
    change_target(target=target, name="Ours", url=target.url, events=(), is_on=False, actor=alice)
    assert Delivery.objects.get().state == DeliveryState.CANCELLED
    with pytest.raises(Refused, match="is off"):
        send_test(target=target, actor=alice)
    with pytest.raises(Refused, match="is off"):
        deliver_again(delivery=Delivery.objects.get(), actor=alice)


def test_changes_of_two_programs_at_once_are_both_kept(customer: Customer, alice: User) -> None:
    """Each has read the webhook before the other changed it, and changes only what it names."""
    target = add_webhook(alice, customer)
    change_target(target=target, url="https://new.example/hooks", actor=alice)
    change_target(target=target, name="Renamed", actor=alice)
    target.refresh_from_db()
    assert (target.name, target.url, target.is_on) == ("Renamed", "https://new.example/hooks", True)
