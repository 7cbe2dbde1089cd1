"""Unproven domains expire after a warning to their owners, and a customer can have only a limited number of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models.signals import post_delete, post_save
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
from tests.domains.factories import make_domain, mark_as_proven
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def alice() -> Customer:
    customer = make_customer("Alice Ltd")
    make_member(customer, email="alice@alice.example")
    return customer


def make_unproven(days_ago: int, customer: Customer, *, name: str = "", **fields: Any) -> Domain:
    domain = make_domain(name, customer=customer, **({"stage": Stage.CLAIM, "proven_at": None} | fields))
    Domain.objects.filter(pk=domain.pk).update(created_at=NOW - timedelta(days=days_ago))
    return domain


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)


def exists(domain: Domain) -> bool:
    return Domain.objects.filter(pk=domain.pk).exclude(stage=Stage.DELETING).exists()


def test_owners_are_warned_before_an_unproven_domain_is_deleted(alice: Customer) -> None:
    domain = make_unproven(24, alice, name="shop.com")
    ownership_services.expire_unproven_domains(now=NOW)
    assert "Publish its records by" in Alert.objects.get(kind="domain.expiring").why
    ownership_services.expire_unproven_domains(now=at(6))
    assert exists(domain)
    ownership_services.expire_unproven_domains(now=at(8))
    assert not exists(domain)
    assert mail.outbox[-1].to == ["alice@alice.example"]
    assert "shop.com" in mail.outbox[-1].body
    assert Change.objects.get(what="domain.deleted").because == ownership_services.BECAUSE


def test_a_recent_unproven_domain_is_kept_without_a_warning(alice: Customer) -> None:
    domain = make_unproven(22, alice)
    ownership_services.expire_unproven_domains(now=NOW)
    assert exists(domain)
    assert not Alert.objects.exists()


def test_an_old_domain_without_a_warning_gets_the_full_warning_time(alice: Customer) -> None:
    domain = make_unproven(400, alice)
    ownership_services.expire_unproven_domains(now=NOW)
    ownership_services.expire_unproven_domains(now=at(6.9))
    assert exists(domain)
    ownership_services.expire_unproven_domains(now=at(7.1))
    assert not exists(domain)


def test_an_expired_domain_that_is_set_up_is_marked_for_deletion(alice: Customer) -> None:
    domain = make_unproven(31, alice, stage=Stage.READY, unproven_warned_at=NOW - timedelta(days=8))
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
        {"stage": Stage.READY, "identity_status": "SUCCESS"},  # SES verified it; whose records did is not known yet
    ],
)
def test_a_proven_verified_held_or_imported_domain_does_not_expire(alice: Customer, fields: dict[str, Any]) -> None:
    domain = make_unproven(400, alice, unproven_warned_at=NOW - timedelta(days=300), **fields)
    ownership_services.expire_unproven_domains(now=NOW)
    assert exists(domain)


def test_a_setting_of_zero_days_turns_the_expiry_off(alice: Customer, settings: Settings) -> None:
    settings.UNPROVEN_DOMAIN_DAYS = 0
    domain = make_unproven(400, alice, unproven_warned_at=NOW - timedelta(days=300))
    assert ownership_services.expire_unproven_domains(now=NOW) == 0
    assert exists(domain)


def test_a_proof_resolves_the_warning(alice: Customer) -> None:
    domain = make_unproven(25, alice, stage=Stage.READY)
    ownership_services.expire_unproven_domains(now=NOW)
    ownership_services.resolve_alerts(mark_as_proven(domain))
    assert Alert.objects.get(kind="domain.expiring").state == "recovered"


def test_a_customer_cannot_exceed_the_limit_of_unproven_domains(
    sandbox: Sandbox, alice: Customer, settings: Settings
) -> None:
    settings.UNPROVEN_DOMAINS_PER_CUSTOMER = 2
    first = preflight_services.add(text="a.com", customer=alice, actor=None)
    preflight_services.add(text="b.com", customer=alice, actor=None)
    with pytest.raises(Refused, match="Verify or delete some") as refused:
        preflight_services.add(text="c.com", customer=alice, actor=None)
    assert refused.value.code == "TOO_MANY_UNPROVEN"
    assert preflight_services.add(text="c.com", customer=make_customer(), actor=None)
    mark_as_proven(first)
    assert preflight_services.add(text="d.com", customer=alice, actor=None)


def test_staff_can_exceed_the_limit_of_unproven_domains(sandbox: Sandbox, alice: Customer, settings: Settings) -> None:
    settings.UNPROVEN_DOMAINS_PER_CUSTOMER = 1
    preflight_services.add(text="a.com", customer=alice, actor=None)
    assert preflight_services.add(text="b.com", customer=alice, actor=make_staff())


def test_a_domain_proven_while_others_are_deleted_is_kept(alice: Customer) -> None:
    """A proof that arrives while the first domains are deleted counts for the later ones."""
    late = NOW - timedelta(days=8)
    longer, shop = (
        make_unproven(40, alice, name=name, unproven_warned_at=late) for name in ("longer.shop.com", "shop.com")
    )

    def prove_shop(**_: Any) -> None:
        Domain.objects.filter(pk=shop.pk).update(stage=Stage.READY, proven_at=NOW)

    post_delete.connect(prove_shop, sender=Domain, weak=False, dispatch_uid="test")
    try:
        assert ownership_services.expire_unproven_domains(now=NOW) == 1
    finally:
        post_delete.disconnect(sender=Domain, dispatch_uid="test")
    assert (exists(longer), exists(shop)) == (False, True)


def test_a_domain_proven_while_others_are_warned_gets_no_warning(alice: Customer) -> None:
    make_unproven(25, alice, name="longer.shop.com")
    shop = make_unproven(25, alice, name="shop.com", stage=Stage.READY)

    def prove_shop(**_: Any) -> None:
        Domain.objects.filter(pk=shop.pk).update(proven_at=NOW)

    post_save.connect(prove_shop, sender=Domain, weak=False, dispatch_uid="test")
    try:
        ownership_services.expire_unproven_domains(now=NOW)
    finally:
        post_save.disconnect(sender=Domain, dispatch_uid="test")
    assert [alert.object_name for alert in Alert.objects.all()] == ["longer.shop.com"]
