"""Mail that reached the function while staff had stopped its customer's receiving is delivered after the resume."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from domains.models.domains import Domain
from inbound_admin.lib.errors import AwsProblem
from receipt_rules import tasks
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import ReceivingStop
from receipt_rules.received_mail.selectors import RETRIED
from receipt_rules.received_mail.services import deliver_again, deliver_resumed, record_deliveries
from receipt_rules.route_lookup.selectors import possible_stores, route_lookup
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_report, make_verified
from tests.receipt_rules.received_mail.conftest import TO

pytestmark = pytest.mark.django_db


def store(*, message: str = "m", outcome: str = "unrouted", endpoint: Endpoint | None = None) -> None:
    report = make_report(TO, outcome=outcome, message=message, endpoint=endpoint)
    record_deliveries(reports=[report], now=timezone.now())


@pytest.fixture
def stop(shop: Domain, alices: Customer, sandbox: Sandbox) -> ReceivingStop:
    """A stop, and a message that SES accepted before its rules had it."""
    asked_at = timezone.now() - timedelta(hours=1)
    stop = ReceivingStop.objects.create(customer=alices, is_stopped=True, asked_at=asked_at)
    store()
    assert ReceivedMail.objects.get().problem == "Our team has turned off inbound mail."
    return stop


def resume(stop: ReceivingStop) -> None:
    stop.is_stopped, stop.asked_at = False, timezone.now()
    stop.save()


def asked() -> list[tuple[str, str]]:
    wanted = [job.event["inboundAdmin"]["deliver"] for job in WORLD.mail.jobs]
    return [(each["messageId"], each["request"]) for each in wanted]


def test_it_is_delivered_once_by_the_next_watch(stop: ReceivingStop, desk: Endpoint) -> None:
    tasks.watch_deliveries(0)
    assert asked() == [], "while it is stopped"
    resume(stop)
    tasks.watch_deliveries(0)
    tasks.watch_deliveries(0)
    assert len(asked()) == 1
    store(outcome="delivered", endpoint=desk)
    assert deliver_resumed(now=timezone.now()) == 0


def test_it_is_asked_for_again_only_after_the_function_has_given_up(stop: ReceivingStop) -> None:
    """Lambda and its retry queue repeat an event for a day. Many copies of it would run at once after a throttle."""
    resume(stop)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert deliver_resumed(now=timezone.now()) == 1
        clock.shift(RETRIED - timedelta(minutes=1))
        assert deliver_resumed(now=timezone.now()) == 0
        clock.shift(timedelta(minutes=2))
        assert deliver_resumed(now=timezone.now()) == 1
    (first, second) = asked()
    assert first == second, "a repeated request, which the function carries out once"


def test_what_the_function_could_not_be_asked_for_is_asked_for_next_time(
    stop: ReceivingStop, settings: Settings
) -> None:
    store(message="later")
    resume(stop)
    there, settings.RECEIVING_FUNCTION = settings.RECEIVING_FUNCTION, "missing"
    with pytest.raises(AwsProblem):
        deliver_resumed(now=timezone.now())
    settings.RECEIVING_FUNCTION = there
    assert deliver_resumed(now=timezone.now()) == 2


def test_what_a_person_has_delivered_again_is_not_asked_for_too(stop: ReceivingStop) -> None:
    resume(stop)
    deliver_again(mail=ReceivedMail.objects.get(), actor=make_operator(), because="asked by phone")
    assert (len(asked()), deliver_resumed(now=timezone.now())) == (1, 0)


def test_messages_that_are_never_reported_hold_up_no_others(stop: ReceivingStop) -> None:
    store(message="later")
    resume(stop)
    assert [deliver_resumed(now=timezone.now(), limit=1) for _ in range(3)] == [1, 1, 0]
    assert [message for message, _ in asked()] == ["m", "later"]


def test_mail_that_was_looked_up_before_the_resume_and_reported_after_it_is_delivered(stop: ReceivingStop) -> None:
    """The report says only that the message is stored, and by then the address has an endpoint again."""
    ReceivedMail.objects.all().delete()
    came = timezone.now()
    resume(stop)
    record_deliveries(reports=[make_report(TO, outcome="unrouted", message="slow", received_at=came)], now=came)
    assert ReceivedMail.objects.get().problem == ""
    assert (deliver_resumed(now=timezone.now()), deliver_resumed(now=timezone.now())) == (1, 0)


def test_a_message_that_only_another_customers_rule_stored_is_found(
    stop: ReceivingStop, alices: Customer, bobs: Customer, settings: Settings
) -> None:
    """Alice's rules don't store mail during the stop, but Bob's subdomain catch-all above does, at his place."""
    settings.RECEIVING_BUCKET, settings.RECEIVING_PREFIX = "mail", "in/"
    above = make_verified("northwind.com", customer=bobs)
    below = make_verified("shop.northwind.com", customer=alices)
    make_address("a@shop.northwind.com", below, endpoint=make_endpoint(alices))
    CatchAll.objects.create(domain=above, subdomains=True, endpoint=make_endpoint(bobs, s3_prefix="bob/"))
    CatchAll.objects.create(domain=above, endpoint=make_endpoint(bobs, s3_prefix="bob/names/"))
    (route,) = route_lookup(["a@shop.northwind.com"])
    assert (route.customer, route.has_shared_name) == (alices.pk, True)
    assert [store.prefix for store in possible_stores(route, ())] == ["in/", "bob/"]


def test_a_message_that_has_no_endpoint_after_the_resume_says_so(stop: ReceivingStop, shop: Domain) -> None:
    resume(stop)
    assert deliver_resumed(now=timezone.now()) == 1
    Address.objects.filter(domain=shop).update(endpoint=None)
    store()
    assert ReceivedMail.objects.get().problem == ""
    assert deliver_resumed(now=timezone.now()) == 0


def test_other_stored_mail_stays_stored(shop: Domain, alices: Customer, sandbox: Sandbox) -> None:
    ReceivingStop.objects.create(customer=alices, is_stopped=False, asked_at=timezone.now())
    Address.objects.filter(domain=shop).update(endpoint=None)
    store(message="without an endpoint")
    assert deliver_resumed(now=timezone.now()) == 0


def test_mail_from_before_an_old_resume_waits_for_a_person(stop: ReceivingStop) -> None:
    """A year-old message would surprise; and what the function never reports isn't asked for without an end."""
    stop.is_stopped, stop.asked_at = False, timezone.now() - timedelta(days=8)
    stop.save()
    assert deliver_resumed(now=timezone.now()) == 0


def test_the_oldest_are_delivered_first_if_there_are_many(stop: ReceivingStop) -> None:
    store(message="later")
    resume(stop)
    assert deliver_resumed(now=timezone.now(), limit=1) == 1
    assert [message for message, _ in asked()] == ["m"]
