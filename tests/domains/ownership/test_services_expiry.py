"""A domain that nobody proves ends after a time, its owners warned before; a customer has only so many of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain, Stage
from domains.ownership import services as ownership_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from notifications.models.alerts import Alert
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, proven
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def alice() -> Customer:
    customer = make_customer("Alice Ltd")
    make_member(customer, email="alice@alice.example")
    return customer


def added(days_ago: int, customer: Customer, *, name: str = "", **fields: Any) -> Domain:
    domain = make_domain(name, customer=customer, **({"stage": Stage.CLAIM, "proven_at": None} | fields))
    Domain.objects.filter(pk=domain.pk).update(created_at=NOW - timedelta(days=days_ago))
    return domain


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)


def exists(domain: Domain) -> bool:
    return Domain.objects.filter(pk=domain.pk).exclude(stage=Stage.DELETING).exists()


def test_owners_are_warned_first_and_the_domain_goes_when_the_warning_is_over(alice: Customer) -> None:
    domain = added(24, alice, name="shop.com")
    ownership_services.expire_unproven_domains(now=NOW)
    assert "Publish its records by" in Alert.objects.get(kind="domain.expiring").why
    ownership_services.expire_unproven_domains(now=at(6))
    assert exists(domain)
    ownership_services.expire_unproven_domains(now=at(8))
    assert not exists(domain)
    assert mail.outbox[-1].to == ["alice@alice.example"]
    assert "shop.com" in mail.outbox[-1].body
    assert Change.objects.get(what="domain.deleted").because == ownership_services.BECAUSE


def test_a_young_one_is_neither_warned_of_nor_removed(alice: Customer) -> None:
    domain = added(22, alice)
    ownership_services.expire_unproven_domains(now=NOW)
    assert exists(domain)
    assert not Alert.objects.exists()


def test_an_old_one_that_nobody_was_warned_of_gets_its_warning_time(alice: Customer) -> None:
    domain = added(400, alice)
    ownership_services.expire_unproven_domains(now=NOW)
    ownership_services.expire_unproven_domains(now=at(6.9))
    assert exists(domain)
    ownership_services.expire_unproven_domains(now=at(7.1))
    assert not exists(domain)


def test_one_that_is_set_up_goes_by_the_road_of_every_deletion(alice: Customer) -> None:
    domain = added(31, alice, stage=Stage.READY, unproven_warned_at=NOW - timedelta(days=8))
    ownership_services.expire_unproven_domains(now=NOW)
    domain.refresh_from_db()
    assert domain.stage == Stage.DELETING


@pytest.mark.parametrize(
    "fields",
    [
        {"stage": Stage.READY, "proven_at": NOW},
        {"verified_at": NOW},
        {"held_at": NOW},
        {"claim_reason": "moved_in"},
        {"claim_reason": "gone"},
    ],
)
def test_what_is_proven_held_or_brought_in_by_staff_stays(alice: Customer, fields: dict[str, Any]) -> None:
    domain = added(400, alice, unproven_warned_at=NOW - timedelta(days=300), **fields)
    ownership_services.expire_unproven_domains(now=NOW)
    assert exists(domain)


def test_with_the_setting_at_zero_nothing_ends(alice: Customer, settings: Settings) -> None:
    settings.UNPROVEN_DOMAIN_DAYS = 0
    domain = added(400, alice, unproven_warned_at=NOW - timedelta(days=300))
    assert ownership_services.expire_unproven_domains(now=NOW) == 0
    assert exists(domain)


def test_a_proof_ends_the_warning(alice: Customer) -> None:
    domain = added(25, alice, stage=Stage.READY)
    ownership_services.expire_unproven_domains(now=NOW)
    ownership_services.resolve_alerts(proven(domain))
    assert Alert.objects.get(kind="domain.expiring").state == "recovered"


def test_a_customer_adds_no_more_unproven_domains_than_the_setting_says(
    sandbox: Sandbox, alice: Customer, settings: Settings
) -> None:
    settings.UNPROVEN_DOMAINS_PER_CUSTOMER = 2
    first = preflight_services.add(text="a.com", customer=alice, actor=None)
    preflight_services.add(text="b.com", customer=alice, actor=None)
    with pytest.raises(Refused, match="Verify or delete some") as refused:
        preflight_services.add(text="c.com", customer=alice, actor=None)
    assert refused.value.code == "TOO_MANY_UNPROVEN"
    assert preflight_services.add(text="c.com", customer=make_customer(), actor=None)
    proven(first)
    assert preflight_services.add(text="d.com", customer=alice, actor=None)


def test_staff_add_more_for_a_customer(sandbox: Sandbox, alice: Customer, settings: Settings) -> None:
    settings.UNPROVEN_DOMAINS_PER_CUSTOMER = 1
    preflight_services.add(text="a.com", customer=alice, actor=None)
    assert preflight_services.add(text="b.com", customer=alice, actor=make_staff())
