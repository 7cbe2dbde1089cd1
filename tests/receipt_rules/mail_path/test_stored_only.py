"""Mail without an active endpoint is "stored only" everywhere, and never shown in green."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from domains.models.domains import Domain
from domains.receiving.core import MxFact, RulesFact
from receipt_rules.mail_path.core import End, HopState
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.probes import MailProbe
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.probes.core import ProbeFacts, ProbeVerdict, StageState, evaluate_probe, is_over, stages
from receipt_rules.received_mail.services import record_deliveries
from tests.api_client import api_of
from tests.receipt_rules.factories import make_address, make_endpoint, make_report, make_verified

pytestmark = pytest.mark.django_db
WORD = "Stored only"


@pytest.fixture
def live(alices: Customer) -> Domain:
    facts = {"mx_facts": {"shop.com": MxFact.HERE}, "mail_rules": {"shop.com": RulesFact.CARRIED}}
    return make_verified("shop.com", customer=alices, **facts)


@pytest.fixture
def info(live: Domain) -> Address:
    return make_address("info@shop.com", live, rules=RulesFact.CARRIED)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (End(), HopState.STORED),
        (End("Desk", is_off=True), HopState.STORED),
        (End("Desk", is_kept=True, waits=True), HopState.STORED),
        (End("Desk", is_failing=True), HopState.UNDELIVERED),
        (End("Desk", waits=True), HopState.UNCONFIRMED),
        (End("Desk"), HopState.OK),
    ],
)
def test_only_a_delivery_to_an_endpoint_is_green(end: End, state: HopState) -> None:
    assert (end.state, end.is_delivered, end.tone == "good") == (state, state is HopState.OK, state is HopState.OK)


def test_pages_and_api_show_stored_only(info: Address, alice_client: Client) -> None:
    inbound = alice_client.get(reverse("receipt_rules:domain", args=[info.domain_id])).text
    assert inbound.count(f"{WORD}</span>") == 3  # the domain's status, the address's row, the path
    assert 'data-hop="end" data-tone="warn"' in inbound
    for url in (reverse("receipt_rules:addresses"), reverse("receipt_rules:address", args=[info.pk])):
        assert f"{WORD}</span>" in alice_client.get(url).text, url
    api = api_of(info.domain.customer.memberships.get().user)
    row = api.get(f"/api/v2/email-addresses/{info.pk}").json()
    assert (row["receiving"], row["delivery"]) == ("live", "stored_only")
    assert row["deliveryMessage"] == "Stored only (no endpoint)."


def test_an_address_with_an_endpoint_is_not_stored_only(info: Address, alice_client: Client) -> None:
    info.endpoint = make_endpoint(info.domain.customer, name="Desk")
    info.save()
    page = alice_client.get(reverse("receipt_rules:domain", args=[info.domain_id])).text
    assert (f"{WORD}</span>" in page, 'data-hop="end" data-tone="good"' in page) == (False, True)


def test_a_catch_all_without_an_endpoint_is_stored_only(live: Domain, alice_client: Client) -> None:
    CatchAll.objects.create(domain=live, rules=RulesFact.CARRIED)
    page = alice_client.get(reverse("receipt_rules:domain", args=[live.pk])).text
    assert page.count(f"{WORD}</span>") == 3


def test_a_stored_only_message_offers_redelivery_only_with_an_endpoint(info: Address, alice_client: Client) -> None:
    record_deliveries(reports=[make_report("info@shop.com", outcome="unrouted")], now=timezone.now())
    mail = ReceivedMail.objects.get()
    url = reverse("receipt_rules:received_message", args=[mail.pk])
    assert f"{WORD}</span>" in alice_client.get(reverse("receipt_rules:received")).text
    page = alice_client.get(url).text
    button = "<button"
    again = page[page.index('id="again"') :]
    assert (f"{WORD}</span>" in page, button in again.partition("</section>")[0]) == (True, False)
    assert reverse("receipt_rules:address", args=[info.pk]) in again
    info.endpoint = make_endpoint(info.domain.customer, name="Desk")
    info.save()
    again = alice_client.get(url).text.partition('id="again"')[2]
    assert ("Desk" in again, button in again.partition("</section>")[0]) == (True, True)


NOW = timezone.now()
KEPT = ProbeFacts(NOW, mx_leads_here=True, sent_at=NOW, received_at=NOW, handled_at=NOW, outcome="unrouted")


def test_a_stored_only_test_message_neither_failed_nor_was_delivered() -> None:
    last = stages(KEPT, NOW)[-1]
    assert (last.name, last.state) == ("Delivered", StageState.STORED)
    assert "is kept, but not delivered" in last.sentence
    assert is_over(KEPT, NOW)
    for at in (NOW, NOW + timedelta(hours=1)):
        found = evaluate_probe(KEPT, "info@shop.com", at)
        assert (found.verdict, "stored only" in found.sentence) == (ProbeVerdict.COULD_NOT_TELL, True)


def test_the_test_message_pages_show_stored_only(info: Address, alice_client: Client) -> None:
    times = {"handled_at": NOW, "received_at": NOW, "sent_at": NOW, "outcome": "unrouted"}
    probe = MailProbe.objects.create(
        recipient="info@shop.com", customer=info.domain.customer, domain=info.domain, asked_at=NOW, **times
    )
    for url in (reverse("receipt_rules:probes"), reverse("receipt_rules:probe", args=[probe.pk])):
        page = alice_client.get(url).text
        assert (f"{WORD}</span>" in page, "Stopped here" in page) == (True, False), url
