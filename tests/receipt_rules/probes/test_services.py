"""Test messages are sent to the customer's own addresses only, and a report must carry the token."""

import smtplib
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from domains.receiving.core import MxFact
from inbound_admin.lib.errors import RateLimited, Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live import services as live_services
from receipt_rules.models.probes import MailProbe
from receipt_rules.probes.core import HEADER
from receipt_rules.probes.selectors import facts_of_probe
from receipt_rules.probes.services import delete_old_probes, request_probe, send_probe
from receipt_rules.received_mail.services import record_deliveries
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_probe, make_report, make_unmanaged_rule, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


def test_a_test_message_is_sent_once_by_our_mail_server_with_its_token(alices: Customer) -> None:
    make_verified("shop.com", customer=alices, mx_facts={"shop.com": MxFact.HERE.value})
    probe = request_probe(recipient="Test@Shop.com", actor=make_member(alices))
    assert (probe.recipient, probe.mx_leads_here, mail.outbox) == ("test@shop.com", True, [])
    send_probe(probe_id=probe.pk)
    send_probe(probe_id=probe.pk)
    (sent,) = mail.outbox
    assert (sent.to, sent.extra_headers[HEADER]) == (["test@shop.com"], probe.token)
    probe.refresh_from_db()
    assert probe.sent_at is not None


def test_a_test_message_to_another_customers_address_is_refused(alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    bob = make_member(make_customer("Bob Ltd"))
    for recipient in ("a@shop.com", "a@nobodys.example", "shop.com", "not an address"):
        with pytest.raises(Refused):
            request_probe(recipient=recipient, actor=bob)
    assert not MailProbe.objects.exists()


def test_a_second_test_message_within_seconds_is_rate_limited(alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    alice = make_member(alices)
    request_probe(recipient="a@shop.com", actor=alice)
    with pytest.raises(RateLimited):
        request_probe(recipient="a@shop.com", actor=alice)
    cache.clear()
    request_probe(recipient="a@shop.com", actor=alice)


def test_a_rejection_by_the_mail_server_is_stored_and_the_message_not_sent_again(
    alices: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise smtplib.SMTPRecipientsRefused({"a@shop.com": (550, b"5.1.1 No such mailbox")})

    probe = make_probe(make_verified("shop.com", customer=alices))
    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    send_probe(probe_id=probe.pk)
    monkeypatch.undo()
    send_probe(probe_id=probe.pk)
    probe.refresh_from_db()
    assert probe.send_problem == "The mail server rejected the message: 550 5.1.1 No such mailbox"
    assert mail.outbox == []


def test_a_report_is_matched_by_token_and_recipient_and_an_older_one_is_ignored(alices: Customer) -> None:
    probe = make_probe(make_verified("shop.com", customer=alices))
    now = timezone.now()
    for report in (
        make_report(probe.recipient, probe="a guess", at=now),
        make_report("other@shop.com", probe=probe.token, at=now),
    ):
        record_deliveries(reports=[report], now=now)
    probe.refresh_from_db()
    assert probe.handled_at is None
    record_deliveries(reports=[make_report(probe.recipient, probe=probe.token, at=now)], now=now)
    older = make_report(probe.recipient, probe=probe.token, outcome="failed", at=now - timedelta(minutes=1))
    record_deliveries(reports=[older], now=now)
    found = MailProbe.objects.get()
    assert (found.outcome, found.handled_at) == ("delivered", now)


def test_a_report_for_other_recipients_of_the_same_message_hides_none(alices: Customer) -> None:
    probe = make_probe(make_verified("shop.com", customer=alices))
    now = timezone.now()
    reports = [make_report(probe.recipient, probe=probe.token), make_report("other@shop.com", probe=probe.token)]
    record_deliveries(reports=reports, now=now)
    probe.refresh_from_db()
    assert probe.outcome == "delivered"


def test_a_report_after_a_transfer_is_not_shown_to_the_previous_owner(alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    probe = make_probe(domain)
    domain.customer = make_customer("Bob Ltd")
    domain.save(update_fields=("customer",))
    report = make_report(probe.recipient, probe=probe.token, at=timezone.now())
    record_deliveries(reports=[report], now=timezone.now())
    probe.refresh_from_db()
    assert (probe.handled_at, probe.outcome, probe.problem) == (None, "", "")


def test_test_messages_older_than_a_month_are_deleted(alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    make_probe(domain, asked_at=timezone.now() - timedelta(days=31))
    kept = make_probe(domain)
    assert delete_old_probes(now=timezone.now()) == 1
    assert MailProbe.objects.get() == kept


STOP = [{"StopAction": {"Scope": "RuleSet"}}]


def test_a_test_message_stopped_by_a_rule_names_the_rule_only_to_staff(
    sandbox: Sandbox, client: Client, alices: Customer
) -> None:
    olga = set_up_receiving()
    shop = make_verified("shop.com", customer=alices, mx_facts={"shop.com": MxFact.HERE.value})
    addresses_services.add_address(text="press@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    now = timezone.now()
    probe = make_probe(shop, recipient="press@shop.com", sent_at=now, asked_at=now)
    assert not facts_of_probe(probe).predicted_problem
    make_unmanaged_rule("press-freeze-test", ["press@shop.com"], actions=STOP)
    live_services.read_live()
    for viewer, by in ((olga, "rule press-freeze-test"), (make_member(alices), "another receipt rule")):
        client.force_login(viewer)
        page = client.get(reverse("receipt_rules:probe", args=[probe.pk])).text
        assert f"stopped by {by} before a rule stores it" in page
        with time_machine.travel(now + timedelta(minutes=5, seconds=5), tick=False):
            page = client.get(reverse("receipt_rules:probe", args=[probe.pk])).text
            listed = client.get(reverse("receipt_rules:probes")).text
        assert f"Not received within 5 minutes: stopped by {by}" in page
        assert "hx-get" not in page[page.index('id="probe"') :].partition(">")[0]
        assert "Not received" in listed
        assert ("press-freeze-test" in page) == (viewer == olga)


def test_the_time_limit_is_a_setting(settings: Settings, alices: Customer) -> None:
    settings.TEST_MESSAGE_MINUTES = 30
    probe = make_probe(make_verified("shop.com", customer=alices), recipient="a@shop.com", asked_at=timezone.now())
    assert facts_of_probe(probe).report_timeout == timedelta(minutes=30)


def test_the_query_count_of_the_list_does_not_depend_on_the_pending_messages(
    sandbox: Sandbox, client: Client, alices: Customer
) -> None:
    client.force_login(set_up_receiving())
    live_services.read_live()
    shop, now = make_verified("shop.com", customer=alices), timezone.now()
    counted = []
    for number in range(4):
        make_probe(shop, recipient=f"a{number}@shop.com", sent_at=now, asked_at=now)
        client.get(reverse("receipt_rules:probes"))
        with CaptureQueriesContext(connection) as asked:
            assert "Pending" in client.get(reverse("receipt_rules:probes")).text
        counted.append(len(asked))
    assert len(set(counted)) == 1
