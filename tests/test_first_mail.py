"""From SMTP to the webhook and the page Received: the sandbox, the shipped function and the product together."""

import json
import smtplib
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer
from domains.models.domains import Domain
from inbound_admin.lib import aws
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.probes import MailProbe
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.pipeline import core as pipeline_core
from receipt_rules.pipeline import services as pipeline_services
from receipt_rules.probes.services import send_probe
from sandbox.aws.state import SUCCESS, WORLD, Aspect
from sandbox.mail.rules import VIRUS, region_named
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db(transaction=True)
REGION = "eu-west-1"
MX = f"10 inbound-smtp.{REGION}.amazonaws.com"


@pytest.fixture
def receiving(sandbox: Sandbox, live_server: LiveServer, settings: Settings) -> Sandbox:
    """Return a sandbox whose function knows the product, with nothing in SES."""
    operator = make_operator()
    key = create_api_key(user=operator, name="function", scopes=["route", "report"], actor=None).secret
    sandbox.control.set_receiver(live_server.url, key)
    return sandbox


def make_receiver(sandbox: Sandbox, name: str, customer: Customer | None = None) -> tuple[Domain, Endpoint]:
    """Create a domain verified by SES, with its MX record, and an endpoint at its own sink."""
    customer = customer or make_customer(f"{name} Ltd")
    domain = make_verified(name, customer=customer)
    aws.client("sesv2").create_email_identity(EmailIdentity=name)
    state = region_named(REGION)
    assert state is not None
    state.identities[name].ownership = Aspect(SUCCESS)
    sandbox.control.add_zone(name)
    sandbox.control.add_record(name, name, "MX", MX)
    config = {"url": sandbox.control.sink_url(name), "payload": "standard"}
    return domain, make_endpoint(customer, name=f"Sink of {name}", config=config)


def send(sandbox: Sandbox, *recipients: str, content: bytes = b"") -> dict[str, Any]:
    """Send a message. Return the rejected recipients with the reasons."""
    host, _, port = sandbox.smtp_address.partition(":")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@else.example", ", ".join(recipients), "Hello"
    message.set_content("How are you?")
    with smtplib.SMTP(host, int(port), timeout=30) as smtp:
        return smtp.sendmail("ann@else.example", recipients, content or message.as_bytes())


def sinks(sandbox: Sandbox) -> dict[str, list[str]]:
    """Return the recipients that each sink received, by the sink's name."""
    found: dict[str, list[str]] = {}
    for call in reversed(sandbox.control.sink_calls(200)):
        if call.status == 200:
            found.setdefault(call.name, []).extend(json.loads(call.body)["data"]["recipients"])
    return found


def outcomes() -> dict[str, tuple[str, int]]:
    return {mail.recipient: (mail.outcome, mail.tries) for mail in ReceivedMail.objects.all()}


def test_a_message_sent_by_smtp_reaches_the_sink_and_the_received_page(receiving: Sandbox, client: Client) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    make_address("a@shop.com", domain, endpoint=endpoint)
    set_up_receiving()
    assert send(receiving, "A@shop.com") == {}
    assert receiving.control.run_function() == 1
    (call,) = receiving.control.sink_calls()
    data = json.loads(call.body)["data"]
    assert (data["subject"], data["text"].strip()) == ("Hello", "How are you?")
    mail = ReceivedMail.objects.get()
    assert (mail.customer, mail.domain, mail.endpoint) == (domain.customer, domain, endpoint)
    client.force_login(make_member(domain.customer))
    page = client.get("/inbound/received/").text
    assert "a@shop.com" in page
    assert "Delivered" in page
    assert mail.message_id == receiving.control.mail_log()[0].message_id


def test_cloudwatch_counts_what_rules_and_function_did(receiving: Sandbox, client: Client) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    make_address("a@shop.com", domain, endpoint=endpoint)
    set_up_receiving()
    receiving.control.fail_sink("shop.com", 1)
    send(receiving, "a@shop.com")
    send(receiving, "a@shop.com")
    receiving.control.run_function()
    receiving.control.run_function()
    receiving.control.advance_clock(60)
    cache.clear()
    now = timezone.now() + timedelta(minutes=2)
    metrics = pipeline_services.rule_metrics(start=now - timedelta(hours=2), end=now).value
    assert metrics is not None
    found = pipeline_core.health(metrics)
    assert (found.received, found.delivered, found.failed, found.lost) == (2, 2, 0, 0)
    functions = pipeline_services.function_metrics(start=now - timedelta(hours=2), end=now).value
    assert functions is not None
    totals = {one.metric: one.total for one in functions}
    assert (totals["Invocations"], totals["Errors"], totals["Throttles"]) == (3, 1, 0)
    assert totals["Duration"] > 0
    client.force_login(make_operator())
    page = client.get(reverse("receipt_rules:pipeline")).text
    assert "No data in this period" not in page
    assert "The webhook answered 500. The sandbox was asked to fail this call." in page


def test_one_stopped_and_one_failing_recipient_do_not_affect_the_others(receiving: Sandbox) -> None:
    """The Stop action precedes the third customer's rule and does not affect the rules before it."""
    for name in ("one.com", "two.com", "three.com"):
        domain, endpoint = make_receiver(receiving, name)
        make_address(f"a@{name}", domain, endpoint=endpoint)
    set_up_receiving()
    _insert_stop_rule("three.com")
    receiving.control.fail_sink("two.com", 2)
    assert send(receiving, "a@one.com", "a@two.com", "a@three.com") == {}
    receiving.control.run_function()
    assert outcomes() == {"a@one.com": ("delivered", 1), "a@two.com": ("failed", 1)}
    for _ in range(2):
        receiving.control.run_function()
    assert receiving.control.run_function() == 0
    assert outcomes() == {"a@one.com": ("delivered", 1), "a@two.com": ("delivered", 3)}
    assert sinks(receiving) == {"one.com": ["a@one.com"], "two.com": ["a@two.com"]}
    assert any("Stop" in step for step in receiving.control.mail_log()[0].steps)


def _insert_stop_rule(name: str) -> None:
    """Move the third customer's recipient into a last rule, with an unmanaged Stop rule before it."""
    ses = aws.client("ses")
    rule_set = ses.describe_active_receipt_rule_set()
    name_of_set = rule_set["Metadata"]["Name"]
    (ours,) = rule_set["Rules"]
    address = f"a@{name}"
    others = [each for each in ours["Recipients"] if each != address]
    ses.update_receipt_rule(RuleSetName=name_of_set, Rule=ours | {"Recipients": others})
    stop = {
        "Name": "theirs",
        "Enabled": True,
        "Recipients": [address],
        "Actions": [{"StopAction": {"Scope": "RuleSet"}}],
    }
    ses.create_receipt_rule(RuleSetName=name_of_set, Rule=stop, After=ours["Name"])
    last = ours | {"Name": "inbound-admin-last", "Recipients": [address]}
    ses.create_receipt_rule(RuleSetName=name_of_set, Rule=last, After="theirs")


def test_mail_is_rejected_without_an_mx_or_a_rule(receiving: Sandbox) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    make_address("a@shop.com", domain, endpoint=endpoint)
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="No active receipt rule"):
        send(receiving, "a@shop.com")
    set_up_receiving()
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="No active receipt rule"):
        send(receiving, "other@shop.com")
    (record,) = [each for each in receiving.control.records("shop.com") if each.type == "MX"]
    receiving.control.remove_record("shop.com", record.id)
    receiving.control.add_record("shop.com", "shop.com", "MX", "10 mail.elsewhere.example")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="doesn.t point to SES"):
        send(receiving, "a@shop.com")
    assert not WORLD.mail.jobs


def test_a_bounce_action_rejects_the_message(receiving: Sandbox) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    make_address("a@shop.com", domain, endpoint=endpoint)
    set_up_receiving()
    ses = aws.client("ses")
    rule_set = ses.describe_active_receipt_rule_set()
    bounce = {"SmtpReplyCode": "550", "Message": "Page not found", "Sender": "postmaster@shop.com"}
    rule = {"Name": "theirs", "Enabled": True, "Recipients": ["a@shop.com"], "Actions": [{"BounceAction": bounce}]}
    ses.create_receipt_rule(RuleSetName=rule_set["Metadata"]["Name"], Rule=rule)
    with pytest.raises(smtplib.SMTPDataError, match="550"):
        send(receiving, "a@shop.com")


def test_an_outage_of_the_product_delays_mail_and_loses_none(receiving: Sandbox) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    CatchAll.objects.create(domain=domain, endpoint=endpoint)
    set_up_receiving()
    site_url, key = WORLD.receiver
    receiving.control.set_receiver("http://127.0.0.1:9", key)
    assert send(receiving, "anything@shop.com") == {}
    receiving.control.run_function()
    assert (sinks(receiving), outcomes()) == ({}, {})
    assert "didn't respond" in receiving.control.function_jobs()[0].problem
    receiving.control.set_receiver(site_url, key)
    receiving.control.run_function()
    assert outcomes() == {"anything@shop.com": ("delivered", 1)}


def test_a_virus_is_held_and_invalid_mime_is_delivered(receiving: Sandbox) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    CatchAll.objects.create(domain=domain, endpoint=endpoint)
    set_up_receiving()
    send(receiving, "virus@shop.com", content=b"Subject: x\r\n\r\n" + VIRUS + b"\r\n")
    send(receiving, "bad@shop.com", content=b'Content-Type: multipart/mixed; boundary="\r\n\r\n\x80\xff--\r\n')
    receiving.control.run_function()
    assert outcomes() == {"virus@shop.com": ("held", 0), "bad@shop.com": ("delivered", 1)}
    assert sinks(receiving) == {"shop.com": ["bad@shop.com"]}


def test_forty_megabytes_are_delivered_and_more_is_rejected(receiving: Sandbox) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    make_address("a@shop.com", domain, endpoint=endpoint)
    set_up_receiving()
    line = b"x" * 76 + b"\r\n"
    send(receiving, "a@shop.com", content=b"Subject: x\r\n\r\n" + line * (40_000_000 // len(line)))
    receiving.control.run_function()
    mail = ReceivedMail.objects.get()
    assert mail.outcome == "delivered"
    assert mail.size is not None
    assert mail.size > 39_900_000
    with pytest.raises(smtplib.SMTPResponseException):
        send(receiving, "a@shop.com", content=b"Subject: x\r\n\r\n" + line * (43_000_000 // len(line)))


def test_deliver_again_uses_the_current_endpoint(receiving: Sandbox, client: Client) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    address = make_address("a@shop.com", domain, endpoint=endpoint)
    set_up_receiving()
    receiving.control.fail_sink("shop.com", 1)
    send(receiving, "a@shop.com")
    receiving.control.run_function()
    mail = ReceivedMail.objects.get()
    assert mail.outcome == "failed"
    WORLD.mail.jobs.clear()  # as if the function had given up
    config = {"url": receiving.control.sink_url("new"), "payload": "standard"}
    address.endpoint = make_endpoint(domain.customer, name="New", config=config)
    address.save()
    cache.clear()
    client.force_login(make_member(domain.customer))
    assert client.post(f"/inbound/received/{mail.pk}/").status_code == 302
    receiving.control.run_function()
    mail.refresh_from_db()
    assert (mail.outcome, mail.endpoint, sinks(receiving)) == ("delivered", address.endpoint, {"new": ["a@shop.com"]})


def test_a_test_message_is_followed_to_the_endpoint_or_to_where_it_stops(
    receiving: Sandbox, client: Client, settings: Settings
) -> None:
    domain, endpoint = make_receiver(receiving, "shop.com")
    make_address("a@shop.com", domain, endpoint=endpoint)
    set_up_receiving()
    host, _, port = receiving.smtp_address.partition(":")
    settings.PROBE_EMAIL = {
        "backend": "django.core.mail.backends.smtp.EmailBackend",
        "host": host,
        "port": int(port),
    }
    client.force_login(make_member(domain.customer))
    for recipient in ("a@shop.com", "nobody@shop.com"):
        assert client.post("/inbound/test-messages/", {"recipient": recipient}).status_code == 302
        send_probe(probe_id=MailProbe.objects.get(recipient=recipient).pk)
    receiving.control.run_function()
    arrived, refused = (MailProbe.objects.get(recipient=each) for each in ("a@shop.com", "nobody@shop.com"))
    assert client.get(f"/inbound/test-messages/{arrived.pk}/").text.count(">Done") == 6
    page = client.get(f"/inbound/test-messages/{refused.pk}/").text
    assert "No active receipt rule" in page
    assert "Stopped here" in page
    other = Client()
    other.force_login(make_member(make_customer("Bob Ltd")))
    assert other.get(f"/inbound/test-messages/{arrived.pk}/").status_code == 404
