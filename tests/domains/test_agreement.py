"""Pages, exports, share link, mailed records, diagnosis, its reply and the API show the same name, zone and value."""

from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models.people import User
from domains.checking import services as checking_services
from domains.diagnosis import services as diagnosis_services
from domains.exports.core.files import read
from domains.exports.core.values import entries
from domains.models.domains import Domain
from domains.providers.core import GENERIC, form_values
from domains.records.core import INBOUND_MX
from domains.records.selectors import records_page
from domains.sharing import selectors as sharing_selectors
from domains.sharing import services as sharing_services
from public_api.domains.selectors import records_of
from sandbox.process import Sandbox
from tests.api_client import api_of, ok
from tests.domains.factories import set_up_domain
from tests.factories import make_member

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])]
KINDS = {
    "registered zone": ("shop.com", "shop.com"),
    "delegated sub-zone": ("mail.firma.com", "mail.firma.com"),
    "sub-domain in the parent's zone": ("news.firma.com", "firma.com"),
    "IDN": ("xn--bcher-kva.com", "xn--bcher-kva.com"),
    "co.uk": ("eu.firma.co.uk", "firma.co.uk"),
}


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    return KINDS[request.param]


@pytest.fixture
def domain(sandbox: Sandbox, kind: tuple[str, str]) -> Domain:
    """Return a domain with a parent's reject policy and its own SPF record."""
    name, zone = kind
    domain = set_up_domain(sandbox, name)
    if zone not in sandbox.control.list_zones():
        sandbox.control.add_zone(zone, nameservers=[f"ns1.{zone}", f"ns2.{zone}"])
    registered = domain.parsed.zone
    if name != registered:
        sandbox.control.add_record(registered, f"_dmarc.{registered}", "TXT", "v=DMARC1; p=reject; sp=quarantine")
    sandbox.control.add_record(zone, name, "TXT", "v=spf1 ip4:192.0.2.1 redirect=_spf.google.com")
    checking_services.check([domain], now=timezone.now())
    return Domain.objects.get(pk=domain.pk)


@pytest.fixture
def alice(domain: Domain) -> User:
    return make_member(domain.customer)


def test_all_places_agree_on_name_zone_and_value(domain: Domain, kind: tuple[str, str], alice: User) -> None:
    zone = kind[1]
    page = records_page(domain, can_check_in=0)
    rows = [row for group in page.groups for row in group.rows]
    shown = {(row.record.name, row.record.type, row.record.value) for row in rows}
    assert {row.zone for row in rows} == {domain.hosted.zone} == {zone}
    client = Client()
    client.force_login(alice)
    exported = client.get(reverse("domains:export_file", args=(domain.pk, "zone"))).text
    offered = {(row.record.name, row.record.type, row.record.value) for row in page.to_publish}
    assert offered == shown - {(row.record.name, row.record.type, row.record.value) for row in rows if row.is_inherited}
    assert {(e.name, e.type, e.value) for e in read(exported, zone)} == offered
    published = [record for record in records_of(domain) if record.key != INBOUND_MX]  # which pages ask for last
    assert {(e.name, e.type, e.value) for e in entries(published)} == shown
    found = diagnosis_services.diagnose(domain, now=timezone.now())
    assert found.zone == zone, found.transcript
    assert {(record.name, record.type, record.value) for record in found.records} == shown
    shared = shared_text(domain, alice)
    for row in rows:
        boxes = form_values(row.record, GENERIC, zone)
        assert (row.form_values.name, row.form_values.value) == (boxes.name, boxes.value)
        if not row.is_done:
            assert escape(boxes.value) in shared
            assert escape(boxes.name) in shared


def test_the_email_and_the_api_agree_with_the_page(domain: Domain, kind: tuple[str, str], alice: User) -> None:
    zone = kind[1]
    rows = [row for group in records_page(domain, can_check_in=0).groups for row in group.rows]
    wanted = {(row.record.name, row.record.type, row.record.with_priority) for row in rows}
    api = api_of(alice)
    records = ok(api.get(f"/api/v2/domains/{domain.pk}/dns-records"))["records"]
    inbound = {(record.name, record.type, record.with_priority) for record in domain.checked_records}
    assert wanted <= {(each["name"], each["recordType"], each["value"]) for each in records} <= wanted | inbound
    found = ok(api.get(f"/api/v2/domains/{domain.pk}/diagnosis"))
    assert {(each["name"], each["type"], each["value"]) for each in found["records"]} == {
        (row.record.name, row.record.type, row.record.value) for row in rows
    }
    first = next(row.record for row in rows if row.record.key == found["finding"]["recordKey"])
    boxes = form_values(first, GENERIC, zone)
    assert f"“{boxes.name}”" in found["reply"]
    assert boxes.value in found["reply"]
    sharing_services.mail_records(domain=domain, to="dave@dns.example", actor=alice, site_url="https://ours.example/")
    body = outbox.outbox[-1].body
    assert f" the zone {zone}" in body
    for row in rows:
        boxes = form_values(row.record, GENERIC, zone)
        is_mailed = f" {boxes.name}\n" in body and f" {boxes.value}\n" in body
        assert is_mailed is not row.is_done, row.record


def shared_text(domain: Domain, alice: User) -> str:
    link = sharing_services.create(domain=domain, actor=alice, days=7)
    return Client().get(reverse("domains:shared", args=(sharing_selectors.token_of(link),))).text


def test_offered_records_are_merged_with_published_ones_and_not_weaker(domain: Domain) -> None:
    values = {record.key: record.value for record in domain.records}
    assert values["apex-spf"] == "v=spf1 ip4:192.0.2.1 include:amazonses.com redirect=_spf.google.com"
    is_below = domain.name != domain.parsed.zone
    assert values["dmarc"] == ("v=DMARC1; p=quarantine" if is_below else "v=DMARC1; p=none")
    check = domain.record_checks.get(key="dmarc")
    assert check.code == ("dns.dmarc.inherited" if is_below else "dns.absent")
    assert timezone.now() - check.checked_at < timedelta(minutes=1)
