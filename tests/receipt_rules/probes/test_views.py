"""The schedule of test messages on a domain's Inbound tab and in the API."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from receipt_rules.models.probes import ProbeSchedule
from receipt_rules.probes.core import ProbePace, ProbeVerdict
from receipt_rules.probes.services import schedule_probes
from tests.api_client import api_of, ok
from tests.factories import make_customer, make_member
from tests.messages import message_text
from tests.receipt_rules.factories import make_probe, make_verified

pytestmark = pytest.mark.django_db


def test_a_customer_chooses_a_schedule_and_reads_the_last_result(alice_client: Client, alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    url = reverse("receipt_rules:domain", args=[domain.pk])
    assert "Scheduled test messages" in alice_client.get(url).text
    answer = alice_client.post(reverse("receipt_rules:probe_schedule", args=[domain.pk]), {"pace": "hourly"})
    assert answer["Location"] == url
    assert "Test messages to shop.com will be sent once an hour, starting within the hour." in message_text(answer)
    assert "None sent yet." in alice_client.get(url).text
    probe = make_probe(domain)
    ProbeSchedule.objects.update(last_probe=probe, verdict=ProbeVerdict.MISSING, sentence="It stopped at “Handler”.")
    page = alice_client.get(url).text
    assert "Did not arrive" in page
    assert "It stopped at “Handler”." in page
    assert reverse("receipt_rules:probe", args=[probe.pk]) in page
    answer = alice_client.post(reverse("receipt_rules:probe_schedule", args=[domain.pk]), {"pace": "off"})
    assert "Turned off scheduled test messages for shop.com." in message_text(answer)
    assert not ProbeSchedule.objects.exists()


@pytest.mark.parametrize("form", [{}, {"pace": "weekly"}])
def test_an_invalid_interval_changes_nothing_and_is_reported(
    alice_client: Client, alices: Customer, form: dict[str, str]
) -> None:
    domain = make_verified("shop.com", customer=alices)
    answer = alice_client.post(reverse("receipt_rules:probe_schedule", args=[domain.pk]), form)
    assert "Choose how often to send test messages" in message_text(answer)
    assert not ProbeSchedule.objects.exists()


def test_a_refusal_is_shown(alice_client: Client, alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices, receives=False)
    answer = alice_client.post(reverse("receipt_rules:probe_schedule", args=[domain.pk]), {"pace": "daily"})
    assert "shop.com is set to send only." in message_text(answer)


def test_another_customers_domain_is_404(alice_client: Client) -> None:
    domain = make_verified("bobs.com")
    answer = alice_client.post(reverse("receipt_rules:probe_schedule", args=[domain.pk]), {"pace": "daily"})
    assert answer.status_code == 404
    assert not ProbeSchedule.objects.exists()


def test_the_api_reads_and_changes_the_schedule() -> None:
    customer = make_customer("Alice Ltd")
    alice, domain = make_member(customer), make_verified("shop.com", customer=customer)
    api, path = api_of(alice), f"/api/v2/domains/{domain.pk}/test-messages"
    off = ok(api.get(path))
    assert (off["schedule"], off["nextAt"], off["lastVerdict"]) == ("off", None, "")
    assert ok(api.put(path, {"schedule": "daily"}))["schedule"] == "daily"
    probe = make_probe(domain, asked_at=timezone.now())
    ProbeSchedule.objects.update(last_probe=probe, verdict=ProbeVerdict.ARRIVED)
    shown = ok(api.get(path))
    assert (shown["lastRecipient"], shown["lastVerdict"]) == ("a@shop.com", "arrived")
    assert api.put(path, {"schedule": "weekly"}).status_code == 400
    assert ok(api.put(path, {"schedule": "off"}))["schedule"] == "off"


def test_a_previous_owners_schedule_is_not_shown_to_the_new_owner(alice_client: Client, alices: Customer) -> None:
    bobs = make_customer("Bob Ltd")
    domain = make_verified("shop.com", customer=bobs)
    schedule_probes(domain=domain, pace=ProbePace.HOURLY, actor=make_member(bobs))
    probe = make_probe(domain, recipient="bobs-own@shop.com")
    ProbeSchedule.objects.update(last_probe=probe)
    type(domain).objects.filter(pk=domain.pk).update(customer=alices)
    page = alice_client.get(reverse("receipt_rules:domain", args=[domain.pk])).text
    assert "Scheduled test messages" in page
    assert "bobs-own@shop.com" not in page
    assert "Next: " not in page
