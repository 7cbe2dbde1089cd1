"""What a look at a domain means to others: webhooks are told once, owners after two looks that agree."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.checking import services as checking_services
from domains.deletion import services as deletion_services
from domains.models.domains import Domain
from notifications.models.alerts import Alert
from notifications.models.webhooks import Event
from sandbox.process import Sandbox
from tests.domains.factories import carry_out_deletion, make_zone, publish, set_up_domain, turn_identity
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
    turn_identity("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    _look(domain)
    assert domain.state == "verified"
    return domain


def _look(domain: Domain, minutes: int = 0) -> None:
    now: datetime = timezone.now() + timedelta(minutes=minutes)
    checking_services.check([domain], now=now)
    domain.refresh_from_db()


def _lose(sandbox: Sandbox, domain: Domain, key: str = "mail-from-mx") -> Any:
    record = next(record for record in domain.records if record.key == key)
    zone = make_zone(sandbox, domain)
    (row,) = [row for row in sandbox.control.records(zone) if (row.name, row.type) == (record.name, record.type)]
    sandbox.control.remove_record(zone, row.id)
    return record


def _told(*prefixes: str) -> list[str]:
    events = Event.objects.order_by("at", "id").values_list("event", flat=True)
    return [event for event in events if event.startswith(prefixes or ("domain.", "record."))]


def test_that_a_domain_is_verified_is_told_once(shop: Domain) -> None:
    _look(shop, minutes=1)
    event = Event.objects.get()
    assert (event.event, event.object_id, event.customer_id) == ("domain.verified", shop.id, shop.customer_id)


def test_a_lost_record_is_told_at_once_and_its_return_as_well(shop: Domain, sandbox: Sandbox) -> None:
    record = _lose(sandbox, shop)
    for minutes in (1, 2):
        _look(shop, minutes)
    assert sorted(_told()[1:]) == ["domain.at_risk", "record.mismatch"]
    mismatch = Event.objects.get(event="record.mismatch")
    assert mismatch.data["record"]["value"] == record.value
    assert mismatch.data["domain"] == {"id": shop.id, "name": "shop.com"}
    publish(sandbox, shop)
    for minutes in (3, 4):
        _look(shop, minutes)
    assert sorted(_told()[3:]) == ["domain.verified", "record.recovered"]


def test_the_owner_is_told_after_two_looks_and_once_that_all_is_well_again(
    shop: Domain, sandbox: Sandbox, alice: User
) -> None:
    _lose(sandbox, shop)
    _look(shop)
    assert Alert.objects.get().state == "suspected"
    for minutes in (2, 3, 4):
        _look(shop, minutes)
    alert = Alert.objects.get()
    assert (alert.state, alert.customer_id) == ("open", shop.customer_id)
    assert [(notice.person, notice.phase) for notice in alert.notices.all()] == [(alice, "raised")]
    publish(sandbox, shop)
    for minutes in (5, 6):
        _look(shop, minutes)
    alert.refresh_from_db()
    assert alert.state == "recovered"


def test_one_look_alone_alarms_nobody(shop: Domain, sandbox: Sandbox, alice: User) -> None:
    _lose(sandbox, shop)
    _look(shop)
    publish(sandbox, shop)
    _look(shop, minutes=5)
    assert not Alert.objects.exists()


def test_while_the_dns_does_not_answer_nothing_is_told_and_nothing_forgotten(
    shop: Domain, sandbox: Sandbox, alice: User
) -> None:
    _lose(sandbox, shop)
    _look(shop)
    before = _told()
    sandbox.control.set_dns_fault(make_zone(sandbox, shop), "servfail")
    for minutes in (2, 3):
        _look(shop, minutes)
    assert shop.state == "could_not_check"
    assert Alert.objects.get().state == "suspected"
    sandbox.control.clear_dns_faults()
    _look(shop, minutes=4)
    assert Alert.objects.get().state == "open"
    assert _told() == before


def test_a_domain_that_was_never_verified_is_no_alert(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "new.com")
    for minutes in (0, 2):
        _look(domain, minutes)
    assert not Alert.objects.exists()
    assert not _told()


def test_a_deleted_domain_leaves_no_open_alert(shop: Domain, sandbox: Sandbox, alice: User) -> None:
    _lose(sandbox, shop)
    for minutes in (0, 2):
        _look(shop, minutes)
    deletion_services.mark_for_deletion(domain=shop, typed_name="shop.com", actor=alice)
    carry_out_deletion(domain_id=shop.id)
    assert Alert.objects.get().state == "recovered"
