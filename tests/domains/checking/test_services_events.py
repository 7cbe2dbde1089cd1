"""What a check triggers: webhook events once, emails to owners after two checks that agree."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer, User
from domains.checking import services as checking_services
from domains.deletion import services as deletion_services
from domains.diagnosis import services as diagnosis_services
from domains.models.domains import Domain
from notifications.email.services import link_to
from notifications.models.alerts import Alert
from notifications.models.webhooks import Event
from sandbox.process import Sandbox
from tests.domains.factories import delete_marked_domain, make_zone, publish, set_identity_status, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(customer: Customer) -> User:
    return make_member(customer)


@pytest.fixture
def shop(sandbox: Sandbox, customer: Customer) -> Domain:
    """Return a verified domain with all records published."""
    domain = set_up_domain(sandbox, "shop.com", customer=customer)
    publish(sandbox, domain)
    set_identity_status("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    _check(domain)
    assert domain.state == "verified"
    return domain


def _check(domain: Domain, minutes: int = 0) -> None:
    now: datetime = timezone.now() + timedelta(minutes=minutes)
    checking_services.check([domain], now=now)
    domain.refresh_from_db()


def _remove_record(sandbox: Sandbox, domain: Domain, key: str = "mail-from-mx") -> Any:
    record = next(record for record in domain.records if record.key == key)
    zone = make_zone(sandbox, domain)
    (row,) = [row for row in sandbox.control.records(zone) if (row.name, row.type) == (record.name, record.type)]
    sandbox.control.remove_record(zone, row.id)
    return record


def _events(*prefixes: str) -> list[str]:
    events = Event.objects.order_by("at", "id").values_list("event", flat=True)
    return [event for event in events if event.startswith(prefixes or ("domain.", "record."))]


def test_domain_verified_is_sent_once(shop: Domain) -> None:
    _check(shop, minutes=1)
    event = Event.objects.get()
    assert (event.event, event.object_id, event.customer_id) == ("domain.verified", shop.id, shop.customer_id)


def test_a_lost_record_and_its_recovery_are_sent_at_once(shop: Domain, sandbox: Sandbox) -> None:
    record = _remove_record(sandbox, shop)
    for minutes in (1, 2):
        _check(shop, minutes)
    assert sorted(_events()[1:]) == ["domain.at_risk", "record.mismatch"]
    mismatch = Event.objects.get(event="record.mismatch")
    assert mismatch.data["record"]["value"] == record.value
    assert mismatch.data["domain"] == {"id": shop.id, "name": "shop.com"}
    publish(sandbox, shop)
    for minutes in (3, 4):
        _check(shop, minutes)
    assert sorted(_events()[3:]) == ["domain.verified", "record.recovered"]


def test_the_owner_is_notified_after_two_failed_checks_and_the_alert_recovers(
    shop: Domain, sandbox: Sandbox, alice: User
) -> None:
    _remove_record(sandbox, shop)
    _check(shop)
    assert Alert.objects.get().state == "suspected"
    for minutes in (2, 3, 4):
        _check(shop, minutes)
    alert = Alert.objects.get()
    assert (alert.state, alert.customer_id) == ("open", shop.customer_id)
    assert [(notice.person, notice.phase) for notice in alert.notices.all()] == [(alice, "raised")]
    publish(sandbox, shop)
    for minutes in (5, 6):
        _check(shop, minutes)
    alert.refresh_from_db()
    assert alert.state == "recovered"


@pytest.mark.parametrize("status", ["Failed", "TemporaryFailure"])
@pytest.mark.parametrize("aspect", ["ownership", "dkim", "mail_from"])
def test_the_owner_is_alerted_of_what_ses_takes_back_although_the_records_are_there(
    shop: Domain, alice: User, aspect: str, status: str
) -> None:
    set_identity_status("shop.com", **{aspect: status})
    for minutes in (1, 3):
        _check(shop, minutes)
    alert = Alert.objects.get(kind="domain.at_risk")
    assert (alert.state, alert.customer_id) == ("open", shop.customer_id)
    assert "Amazon SES" in alert.why


def test_one_failed_check_raises_no_alert(shop: Domain, sandbox: Sandbox, alice: User) -> None:
    _remove_record(sandbox, shop)
    _check(shop)
    publish(sandbox, shop)
    _check(shop, minutes=5)
    assert not Alert.objects.exists()


def test_a_failed_lookup_sends_nothing_and_keeps_the_suspected_alert(
    shop: Domain, sandbox: Sandbox, alice: User
) -> None:
    _remove_record(sandbox, shop)
    _check(shop)
    before = _events()
    sandbox.control.set_dns_fault(make_zone(sandbox, shop), "servfail")
    for minutes in (2, 3):
        _check(shop, minutes)
    assert shop.state == "could_not_check"
    assert Alert.objects.get().state == "suspected"
    sandbox.control.clear_dns_faults()
    _check(shop, minutes=4)
    assert Alert.objects.get().state == "open"
    assert _events() == before


def test_a_never_verified_domain_raises_no_alert(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "new.com")
    for minutes in (0, 2):
        _check(domain, minutes)
    assert not Alert.objects.exists()
    assert not _events()


def test_a_deleted_domain_leaves_no_open_alert(shop: Domain, sandbox: Sandbox, alice: User) -> None:
    _remove_record(sandbox, shop)
    for minutes in (0, 2):
        _check(shop, minutes)
    deletion_services.mark_for_deletion(domain=shop, typed_name="shop.com", actor=alice)
    delete_marked_domain(domain_id=shop.id)
    assert Alert.objects.get().state == "recovered"


def test_the_event_of_a_record_links_to_its_domain_and_names_no_button_of_the_page(
    sandbox: Sandbox, shop: Domain, settings: Settings
) -> None:
    settings.SITE_URL = "https://panel.example"
    _remove_record(sandbox, shop)
    _check(shop)
    event = Event.objects.get(event="record.mismatch")
    assert link_to(event.object_type, event.object_id, staff=False) == f"https://panel.example/domains/{shop.pk}/"
    assert "diagnose" not in event.data["why"]
    assert "diagnose" not in Alert.objects.get(kind="domain.at_risk").why


def test_the_alert_says_what_the_latest_diagnosis_found(shop: Domain, sandbox: Sandbox) -> None:
    record = _remove_record(sandbox, shop, "dkim-1")
    sandbox.control.add_record(shop.name, f"{record.name}.{shop.name}", "CNAME", record.value)
    _check(shop, minutes=1)
    general = Alert.objects.get(kind="domain.at_risk").why
    cache.clear()
    diagnosis_services.diagnose(shop, now=timezone.now() + timedelta(minutes=2))
    _check(shop, minutes=3)
    why = Alert.objects.get(kind="domain.at_risk").why
    assert why != general
    assert "Edit the record and enter only" in why
    assert "\n" in why
