"""Reports are stored once with their owner, failures open alerts, and the function delivers again on request."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from domains.overrides.services import transfer
from inbound_admin.lib.errors import RateLimited, Refused
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from receipt_rules.mail_path.core import HopState
from receipt_rules.mail_path.selectors import path_of_address
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.received_mail.core import Report
from receipt_rules.received_mail.selectors import delivery_counts, endpoint_health, received_counts
from receipt_rules.received_mail.services import delete_expired, deliver_again, record_deliveries
from receipt_rules.route_lookup.selectors import route_lookup
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_report, make_verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


def report(*reports: Report) -> None:
    record_deliveries(reports=reports, now=timezone.now())


def outcomes() -> dict[str, tuple[str, int]]:
    return {row.recipient: (row.outcome, row.tries) for row in ReceivedMail.objects.all()}


def test_a_repeated_report_is_one_row_and_an_older_one_is_ignored(alices: Customer) -> None:
    endpoint = make_endpoint(alices)
    now = timezone.now()
    failed = make_report("a@shop.com", endpoint=endpoint, message="m", outcome="failed", problem="500", at=now)
    delivered = make_report("a@shop.com", endpoint=endpoint, message="m", at=now + timedelta(minutes=5))
    report(failed)
    report(failed)
    assert outcomes() == {"a@shop.com": ("failed", 1)}
    report(delivered)
    report(failed, delivered)
    assert outcomes() == {"a@shop.com": ("delivered", 2)}
    assert ReceivedMail.objects.get().problem == ""


def test_what_was_delivered_before_is_no_attempt_and_no_sign_that_the_endpoint_works(alices: Customer) -> None:
    endpoint, now = make_endpoint(alices), timezone.now()
    report(make_report("a@shop.com", endpoint=endpoint, message="m", at=now - timedelta(hours=1)))
    for minute in range(3):
        at = now + timedelta(minutes=minute)
        report(make_report("b@shop.com", endpoint=endpoint, outcome="failed", problem="500", at=at))
    report(make_report("a@shop.com", endpoint=endpoint, message="m", size=None, at=now + timedelta(minutes=9)))
    assert outcomes()["a@shop.com"] == ("delivered", 1)
    assert Alert.objects.get(state=AlertState.OPEN).kind == "endpoint.failing"
    assert endpoint_health(endpoint.pk, now=now).is_failing
    report(make_report("a@shop.com", endpoint=endpoint, message="m", at=now + timedelta(minutes=10)))
    assert outcomes()["a@shop.com"] == ("delivered", 2), "a person had it delivered again"
    assert not Alert.objects.filter(state=AlertState.OPEN).exists()


def test_a_delivery_whose_first_report_was_lost_counts(alices: Customer) -> None:
    endpoint, now = make_endpoint(alices), timezone.now()
    report(make_report("a@shop.com", endpoint=endpoint, message="m", outcome="failed", at=now))
    report(make_report("a@shop.com", endpoint=endpoint, message="m", size=None, at=now + timedelta(minutes=1)))
    report(make_report("b@shop.com", endpoint=endpoint, message="n", size=None, at=now))
    assert outcomes() == {"a@shop.com": ("delivered", 2), "b@shop.com": ("delivered", 1)}


def test_a_delivered_message_stays_so_when_the_storage_fails_at_a_retry(alices: Customer) -> None:
    endpoint, now = make_endpoint(alices), timezone.now()
    report(make_report("a@shop.com", endpoint=endpoint, message="m", at=now))
    unread: dict[str, Any] = {
        "outcome": "failed",
        "problem": "It couldn't be read.",
        "storage_problem": "SlowDown",
        "size": None,
    }
    report(make_report("a@shop.com", "b@shop.com", message="m", at=now + timedelta(minutes=1), **unread))
    assert outcomes() == {"a@shop.com": ("delivered", 1), "b@shop.com": ("failed", 1)}


def test_one_batch_may_report_a_message_twice(alices: Customer) -> None:
    endpoint, now = make_endpoint(alices), timezone.now()
    first = make_report("A@shop.com", endpoint=endpoint, message="m", outcome="failed", at=now)
    report(make_report("a@shop.com", endpoint=endpoint, message="m", at=now + timedelta(seconds=1)), first)
    assert outcomes() == {"a@shop.com": ("delivered", 1)}


def test_mail_belongs_to_the_customer_who_owned_the_domain_when_it_arrived(alices: Customer) -> None:
    bobs, shop = make_customer("Bob Ltd"), make_verified("shop.com", customer=alices)
    make_address("a@shop.com", shop)
    came = timezone.now()
    report(make_report("a@shop.com", outcome="unrouted", received_at=came))
    shop.refresh_from_db()
    transfer(domain=shop, to=bobs, because="sold", actor=make_operator())
    report(make_report("a@shop.com", outcome="unrouted", received_at=came - timedelta(seconds=1)))
    report(make_report("a@shop.com", outcome="unrouted", received_at=came + timedelta(minutes=1)))
    owners = [row.customer_id for row in ReceivedMail.objects.order_by("reported_at")]
    assert owners == [alices.pk, None, bobs.pk]


def test_mail_from_before_a_transfer_is_not_routed_to_the_new_owners_endpoint(alices: Customer) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    bobs, shop = make_customer("Bob Ltd"), make_verified("shop.com", customer=alices, proven_at=long_ago)
    came = timezone.now() - timedelta(minutes=1)
    transfer(domain=shop, to=bobs, because="sold", actor=make_operator())
    shop.refresh_from_db()
    make_address("a@shop.com", shop, endpoint=make_endpoint(bobs))
    (late,), (now,) = route_lookup(["a@shop.com"], received_at=came), route_lookup(["a@shop.com"])
    assert (late.endpoint, late.customer, late.because) == (None, alices.pk, "former")
    assert now.endpoint is not None


def test_three_failures_in_a_row_open_an_alert_and_a_success_ends_it(alices: Customer) -> None:
    endpoint = make_endpoint(alices)
    for _ in range(2):
        report(make_report("a@shop.com", endpoint=endpoint, outcome="failed", problem="It answered 500."))
    assert not Alert.objects.filter(state=AlertState.OPEN).exists()
    report(make_report("a@shop.com", endpoint=endpoint, outcome="failed", problem="It answered 500."))
    alert = Alert.objects.get(state=AlertState.OPEN)
    assert (alert.kind, alert.customer_id, alert.why) == ("endpoint.failing", alices.pk, "It answered 500.")
    report(make_report("a@shop.com", endpoint=endpoint))
    assert not Alert.objects.filter(state=AlertState.OPEN).exists()


def test_storage_that_cannot_be_read_alerts_operators_and_blames_no_endpoint(alices: Customer) -> None:
    olga, owner, endpoint = make_operator(), make_member(alices), make_endpoint(alices)
    domain = make_verified(
        "shop.com", customer=alices, mail_rules={"shop.com": "carried"}, mx_facts={"shop.com": "here"}
    )
    address = make_address("a@shop.com", domain, endpoint=endpoint, rules="carried")
    unread: dict[str, Any] = {
        "storage_problem": "NoSuchBucket: inbound-mail",
        "size": None,
        "problem": "We couldn't read the message.",
    }
    for _ in range(3):
        report(make_report("a@shop.com", outcome="failed", **unread))
    alert = Alert.objects.get(state=AlertState.OPEN)
    assert (alert.kind, alert.severity) == ("storage.unreadable", "high")
    assert alert.why.endswith("nothing is delivered: NoSuchBucket: inbound-mail")
    assert [notice.person for notice in alert.notices.all()] == [olga]
    hops = {hop.key: hop.state for hop in path_of_address(address)}
    assert (hops["store"], hops["end"]) == (HopState.STOPPED, HopState.NONE)
    client = Client()
    client.force_login(owner)
    page = client.get(reverse("receipt_rules:domain", args=[domain.pk])).text
    assert "NoSuchBucket" not in page
    assert "Stored mail can&#x27;t be read now. Our team has been notified." in page
    report(make_report("a@shop.com", endpoint=endpoint))
    assert not Alert.objects.filter(state=AlertState.OPEN).exists()
    assert {hop.key: hop.state for hop in path_of_address(address)}["store"] is HopState.OK


def test_deliveries_are_counted_for_each_endpoint_and_domain(alices: Customer) -> None:
    shop, endpoint = make_verified("shop.com", customer=alices), make_endpoint(alices)
    make_address("a@shop.com", shop, endpoint=endpoint)
    make_address("b@shop.com", shop, endpoint=endpoint)
    now = timezone.now()
    report(make_report("a@shop.com", "b@shop.com", endpoint=endpoint, message="one"))
    report(make_report("a@shop.com", endpoint=endpoint, outcome="failed", received_at=now - timedelta(days=2)))
    report(make_report("a@shop.com", endpoint=endpoint, outcome="held", received_at=now - timedelta(days=20)))
    counts = delivery_counts([endpoint.pk])[endpoint.pk]
    assert (counts.total, counts.successful, counts.failed) == (4, 2, 2)
    assert received_counts(shop.pk, customer_id=alices.pk, now=timezone.now()) == (2, 3, 4)
    assert received_counts(shop.pk, customer_id=make_customer().pk, now=timezone.now()) == (0, 0, 0)
    assert endpoint_health(endpoint.pk, now=timezone.now()).counts.total == 3


def test_deliver_again_invokes_the_function_for_that_message_only(alices: Customer, sandbox: Sandbox) -> None:
    shop = make_verified("shop.com", customer=alices)
    make_address("a@shop.com", shop, endpoint=make_endpoint(alices))
    report(make_report("a@shop.com", "b@shop.com", message="m", outcome="failed"))
    alice, mail = make_member(alices), ReceivedMail.objects.get(recipient="a@shop.com")
    deliver_again(mail=mail, actor=alice)
    event = WORLD.mail.jobs[0].event
    assert event["inboundAdmin"]["deliver"]["messageId"] == "m"
    assert event["inboundAdmin"]["deliver"]["recipients"] == ["a@shop.com"]
    with pytest.raises(RateLimited):
        deliver_again(mail=mail, actor=alice)
    cache.clear()
    deliver_again(mail=mail, actor=alice)
    assert len({job.event["inboundAdmin"]["deliver"]["request"] for job in WORLD.mail.jobs}) == 2, "each is carried out"
    cache.clear()
    with pytest.raises(Refused, match="no active endpoint"):
        deliver_again(mail=ReceivedMail.objects.get(recipient="b@shop.com"), actor=alice)
    ReceivedMail.objects.filter(pk=mail.pk).update(customer=make_customer("Bob Ltd"))
    mail.refresh_from_db()
    with pytest.raises(Refused, match="another customer's when SES received"):
        deliver_again(mail=mail, actor=make_operator(), because="asked")
    assert len(WORLD.mail.jobs) == 2


def test_expired_rows_are_deleted_and_zero_days_keep_all(alices: Customer, settings: Settings) -> None:
    old = timezone.now() - timedelta(days=91)
    report(make_report("a@shop.com", received_at=old), make_report("b@shop.com"))
    settings.RECEIVED_MAIL_DAYS = 0
    assert delete_expired(now=timezone.now()) == 0
    settings.RECEIVED_MAIL_DAYS = 90
    assert delete_expired(now=timezone.now()) == 1
    assert set(outcomes()) == {"b@shop.com"}
