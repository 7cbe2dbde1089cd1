"""Mail that reached the function while staff had stopped its customer's receiving is delivered after the resume."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models.people import Customer
from domains.models.domains import Domain
from receipt_rules import tasks
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import ReceivingStop
from receipt_rules.received_mail.services import deliver_resumed, record_deliveries
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_report
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
    (first, second) = asked()
    assert first == second, "until its report arrives: a repeated request, which the function carries out once"
    store(outcome="delivered", endpoint=desk)
    assert deliver_resumed(now=timezone.now()) == 0


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
