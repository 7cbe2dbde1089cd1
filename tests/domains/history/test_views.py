"""The pages of the exported records, of the printout and of the DNS history, and who can open them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.exports.core.formats import FORMATS, ExportFormat
from domains.exports.core.values import Entry, entries
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from domains.preflight import services as preflight_services
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, mark_as_receiving, publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme")


@pytest.fixture
def alice_client(client: Client, acme: Customer) -> Client:
    client.force_login(make_member(acme))
    return client


@pytest.fixture
def domain(sandbox: Sandbox, acme: Customer) -> Domain:
    sandbox.control.add_zone("example.co.uk", ("ns1.digitalocean.com",))
    return set_up_domain(sandbox, "shop.example.co.uk", customer=acme)


def download(client: Client, domain: Domain, key: str, query: str = "") -> str:
    answer = client.get(reverse("domains:export_file", args=[domain.id, key]) + query)
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith('attachment; filename="example.co.uk')
    return answer.text


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.key)
def test_every_format_is_offered_previewed_and_downloaded(
    alice_client: Client, domain: Domain, kind: ExportFormat
) -> None:
    page = alice_client.get(reverse("domains:exports", args=[domain.id]) + f"?format={kind.key}").text
    assert all(other.title in page for other in FORMATS)
    assert kind.read(download(alice_client, domain, kind.key), "example.co.uk")


def test_the_preflight_and_the_export_count_the_same_records(
    alice_client: Client, domain: Domain, acme: Customer
) -> None:
    preflight = preflight_services.run_preflight(text="other.example.co.uk", customer=acme)
    page = alice_client.get(reverse("domains:exports", args=[domain.id])).text
    assert f"{preflight.record_count} required and {preflight.recommended_count} recommended records" in page
    assert len(domain.records) == preflight.record_count + preflight.recommended_count


def test_the_export_of_missing_records_has_only_those(alice_client: Client, domain: Domain, sandbox: Sandbox) -> None:
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    domain.refresh_from_db()
    record = domain.records[0]
    domain.record_checks.filter(key=record.key).update(state="wrong")
    rows = json.loads(download(alice_client, domain, "json", "?which=missing"))["records"]
    assert [row["value"] for row in rows] == [record.value]
    assert len(json.loads(download(alice_client, domain, "json"))["records"]) == len(domain.records)


def test_the_page_says_that_nothing_is_missing(alice_client: Client, domain: Domain, sandbox: Sandbox) -> None:
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    page = alice_client.get(reverse("domains:exports", args=[domain.id]) + "?which=missing")
    assert "Nothing is missing" in page.text


def test_the_page_shows_existing_records_that_conflict(alice_client: Client, domain: Domain, sandbox: Sandbox) -> None:
    sandbox.control.add_record("example.co.uk", "shop.example.co.uk", "TXT", "v=spf1 include:_spf.google.com -all")
    checking_services.check([domain], now=timezone.now())
    page = alice_client.get(reverse("domains:exports", args=[domain.id]) + "?format=letter").text
    assert "1 of these names already has records" in page
    assert "Replaces:  v=spf1 include:_spf.google.com -all" in page


def test_a_format_that_cannot_hold_a_record_is_refused_and_others_work(alice_client: Client, domain: Domain) -> None:
    Domain.objects.filter(pk=domain.pk).update(wants_dmarc=True, dmarc_reports_to="a@x.example\nRecord 9")
    url = reverse("domains:exports", args=[domain.id])
    refused = alice_client.get(url + "?format=letter").text
    assert escape("can't be written as Plain-text email") in refused
    assert "Download" not in refused
    assert "Download" in alice_client.get(url + "?format=json").text
    assert alice_client.get(reverse("domains:export_file", args=[domain.id, "letter"])).status_code == 500


def test_the_route53_export_shows_its_command(alice_client: Client, domain: Domain) -> None:
    page = alice_client.get(reverse("domains:exports", args=[domain.id]) + "?format=route53").text
    assert "aws route53 change-resource-record-sets" in page


def test_an_unknown_format_is_404(alice_client: Client, domain: Domain) -> None:
    assert alice_client.get(reverse("domains:export_file", args=[domain.id, "bind9"])).status_code == 404
    assert "Zone file" in alice_client.get(reverse("domains:exports", args=[domain.id]) + "?format=bind9").text


def test_the_printout_uses_the_terms_of_the_dns_host(alice_client: Client, domain: Domain) -> None:
    Domain.objects.filter(pk=mark_as_receiving(domain).pk).update(provider="DigitalOcean")
    page = alice_client.get(reverse("domains:print", args=[domain.id])).text
    assert "Is an alias of" in page
    assert "inbound-smtp.eu-west-1.amazonaws.com." in page
    other = alice_client.get(reverse("domains:print", args=[domain.id]) + "?host=hover").text
    assert "Target name" in other


def test_a_claim_exports_its_challenge(alice_client: Client, acme: Customer) -> None:
    claim = make_domain("new.com", customer=acme, stage="claim", claim_token="n0tGuessed", claim_reason="rival")
    rows = json.loads(alice_client.get(reverse("domains:export_file", args=[claim.id, "json"])).text)["records"]
    assert [row["value"] for row in rows] == ["inbound-admin-claim=n0tGuessed"]


def test_history_shows_each_change_with_its_resolver_and_serial(
    alice_client: Client, domain: Domain, sandbox: Sandbox
) -> None:
    now = timezone.now()
    checking_services.check([domain], now=now - timedelta(days=2))
    publish(sandbox, domain)
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=now - timedelta(days=1))
    page = alice_client.get(reverse("domains:dns_history", args=[domain.id])).text
    assert page.count('viewBox="0 0 1000 24"') == len(domain.records)
    assert "missing" in page
    assert sandbox.dns_address in page
    assert "SOA serial" in page
    assert "Compare before and after" in page
    assert (
        f"Since {now - timedelta(days=2):%-d %B %Y, %H:%M}, from" in page
    )  # the timelines begin with the first answer


def test_two_moments_are_compared(alice_client: Client, domain: Domain) -> None:
    record = domain.records[1]
    at = datetime(2026, 5, 3, 9, 12, tzinfo=UTC)
    lookup = {"domain": domain, "name": record.name, "type": record.type, "resolver": "1.1.1.1:53"}
    ObservedAnswer.objects.create(
        **lookup,
        status="found",
        values=["old.example"],
        since=at - timedelta(days=9),
        last_seen=at,
        until=timezone.now(),
    )
    ObservedAnswer.objects.create(**lookup, status="found", values=[record.value], since=timezone.now())
    url = reverse("domains:dns_history", args=[domain.id])
    page = alice_client.get(url, {"from": "2026-05-03T09:12", "to": ""}).text
    compared = page.partition('id="compared"')[2].partition("</ul>")[0]
    assert "old.example" in compared
    assert record.value in compared
    assert "Changed" in compared


@pytest.mark.parametrize("nonsense", ["yesterday", "2026-99-99T00:00", "0001-01-01T00:00"])
def test_an_invalid_moment_is_reported(alice_client: Client, domain: Domain, nonsense: str) -> None:
    page = alice_client.get(reverse("domains:dns_history", args=[domain.id]), {"from": nonsense})
    assert page.status_code == 200
    assert "Enter the time as 2026-05-03T09:12." in page.text


def test_the_history_is_downloaded_as_json_and_csv(alice_client: Client, domain: Domain) -> None:
    checking_services.check([domain], now=timezone.now())
    rows = json.loads(alice_client.get(reverse("domains:dns_history_file", args=[domain.id, "json"])).text)
    assert {row["answer"] for row in rows} <= {"no_name", "no_data", "found"}
    assert {row["name"] for row in rows} >= {record.name for record in domain.records}
    csv = alice_client.get(reverse("domains:dns_history_file", args=[domain.id, "csv"])).text
    assert csv.startswith("name,type,answered_by,answer,values,ttl,zone_serial,since,last_seen,until")


def test_an_empty_history_says_that_there_are_no_changes(alice_client: Client, acme: Customer) -> None:
    page = alice_client.get(reverse("domains:dns_history", args=[make_domain(customer=acme).id])).text
    assert "No changes yet" in page


@pytest.mark.parametrize("name", ["exports", "print", "dns_history", "share"])
def test_another_customers_domain_is_404(alice_client: Client, name: str) -> None:
    bobs = make_domain(customer=make_customer("Bob Ltd"))
    assert alice_client.get(reverse(f"domains:{name}", args=[bobs.id])).status_code == 404
    assert alice_client.post(reverse("domains:share", args=[bobs.id]), {"days": "7"}).status_code == 404
    assert not bobs.share_links.exists()


def test_hostile_answers_are_text_on_the_page(alice_client: Client, domain: Domain) -> None:
    record = domain.records[0]
    ObservedAnswer.objects.create(
        domain=domain,
        name=record.name,
        type=record.type,
        resolver="1.1.1.1:53",
        status="found",
        values=["<script>alert(1)</script>"],
        since=timezone.now() - timedelta(days=1),
    )
    page = alice_client.get(reverse("domains:dns_history", args=[domain.id])).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_record_named_twice_is_one_entry(domain: Domain) -> None:
    record = domain.records[0]
    assert entries([record, record]) == (Entry(record.name, record.type, record.value),)
