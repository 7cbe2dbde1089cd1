"""Unproven domains expire after a warning to their owners, and a customer can have only a limited number of them."""

from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any
from unittest.mock import Mock

import pytest
from django.core import mail
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from accounts.roles import Role
from audit.models import Change
from domains.checking.core.judgement import State
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from domains.ownership.core import ClaimReason
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from notifications.email import services as email_services
from notifications.models.alerts import Alert, Notice
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


def check(domain: Domain, now: datetime, *, state: State = State.WAITING, ses_problem: str = "") -> None:
    """Update the rows as after a check that began then."""
    own = {"state": state, "checked_at": now}
    RecordCheck.objects.update_or_create(domain=domain, key="challenge", defaults=own)
    Domain.objects.filter(pk=domain.pk).update(state=state, last_ses_check=now, ses_problem=ses_problem)


def expire(now: datetime) -> int:
    """Do what the worker does in the hour before: check all domains and send the email."""
    for domain in Domain.objects.exclude(stage=Stage.DELETING):
        check(domain, now - timedelta(minutes=30))
    email_services.send_due(now=now)
    return ownership_services.expire_unproven_domains(now=now)


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)


def exists(domain: Domain) -> bool:
    return Domain.objects.filter(pk=domain.pk).exclude(stage=Stage.DELETING).exists()


def test_owners_are_warned_before_an_unproven_domain_is_deleted(alice: Customer) -> None:
    domain = make_unproven(24, alice, name="shop.com")
    expire(NOW)
    assert "Publish its records by" in Alert.objects.get(kind="domain.expiring").why
    expire(at(6))
    assert exists(domain)
    expire(at(8))
    assert not exists(domain)
    email_services.send_due(now=at(8))
    assert mail.outbox[-1].to == ["alice@alice.example"]
    assert mail.outbox[-1].subject == "shop.com: An unverified domain was removed"
    assert "We removed shop.com because it wasn't verified within 30 days." in mail.outbox[-1].body
    assert Change.objects.get(what="domain.deleted").because == ownership_services.BECAUSE


def test_a_recent_unproven_domain_is_kept_without_a_warning(alice: Customer) -> None:
    domain = make_unproven(22, alice)
    expire(NOW)
    assert exists(domain)
    assert not Alert.objects.exists()


def test_an_old_domain_without_a_warning_gets_the_full_warning_time(alice: Customer) -> None:
    domain = make_unproven(400, alice)
    expire(NOW)
    expire(at(6.9))
    assert exists(domain)
    expire(at(7.1))
    assert not exists(domain)


def test_an_expired_domain_that_is_set_up_is_marked_for_deletion(alice: Customer) -> None:
    domain = make_unproven(31, alice, stage=Stage.READY, unproven_warned_at=NOW - timedelta(days=8))
    expire(NOW)
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
    expire(NOW)
    assert exists(domain)


def test_a_setting_of_zero_days_turns_the_expiry_off(alice: Customer, settings: Settings) -> None:
    settings.UNPROVEN_DOMAIN_DAYS = 0
    domain = make_unproven(400, alice, unproven_warned_at=NOW - timedelta(days=300))
    assert expire(NOW) == 0
    assert exists(domain)


def test_a_proof_resolves_the_warning(alice: Customer) -> None:
    domain = make_unproven(25, alice, stage=Stage.READY)
    expire(NOW)
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
        assert expire(NOW) == 1
    finally:
        post_delete.disconnect(sender=Domain, dispatch_uid="test")
    assert (exists(longer), exists(shop)) == (False, True)


def test_the_email_about_a_removal_is_tried_again_if_it_cannot_be_sent(
    alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shop.com", "store.com"):
        make_unproven(40, alice, name=name, unproven_warned_at=NOW - timedelta(days=8))
    with monkeypatch.context() as patch:
        patch.setattr(mail.get_connection().__class__, "send_messages", Mock(side_effect=SMTPException))
        assert expire(NOW) == 2
        email_services.send_due(now=NOW)
    assert mail.outbox == []
    email_services.send_due(now=at(1))
    (sent,) = mail.outbox
    assert "shop.com" in sent.body
    assert "store.com" in sent.body


def due_for_removal(alice: Customer, **fields: Any) -> Domain:
    return make_unproven(40, alice, unproven_warned_at=NOW - timedelta(days=8), **fields)


@pytest.mark.parametrize(
    ("checked", "answer"),
    [
        (None, {}),
        (timedelta(hours=3), {}),  # it may have been proven since
        (timedelta(minutes=5), {"state": State.COULD_NOT_CHECK}),
        (timedelta(minutes=5), {"ses_problem": "SES didn't answer."}),
        (timedelta(minutes=5), {"state": State.SPREADING}),  # its records are published, and SES hasn't seen them yet
    ],
)
def test_a_domain_whose_last_check_shows_nothing_is_kept_and_checked_again(
    alice: Customer, checked: timedelta | None, answer: dict[str, Any]
) -> None:
    domain = due_for_removal(alice, stage=Stage.READY, next_check_at=at(1))
    if checked is not None:
        check(domain, NOW - checked, **answer)
    assert ownership_services.expire_unproven_domains(now=NOW) == 0
    domain.refresh_from_db()
    assert (domain.stage, domain.next_check_at) == (Stage.READY, NOW)
    check(domain, NOW + timedelta(minutes=1))
    assert ownership_services.expire_unproven_domains(now=NOW + timedelta(hours=1)) == 1


def staff_alerts() -> list[tuple[str, str]]:
    found = Alert.objects.filter(kind="domain.not_removed", permission="domains.approve_claim")
    return [(alert.object_name, alert.state) for alert in found]


def test_staff_are_alerted_of_a_domain_that_no_check_could_read_for_days_after_its_deadline(alice: Customer) -> None:
    domain = due_for_removal(alice, stage=Stage.READY, name="shop.com", summary="We couldn't check 8 records.")
    for day in (1, 3):
        check(domain, at(day), state=State.COULD_NOT_CHECK)
        assert ownership_services.expire_unproven_domains(now=at(day)) == 0
        assert staff_alerts() == ([("shop.com", "open")] if day == 3 else [])
    why = Alert.objects.get(kind="domain.not_removed").why
    assert why.startswith(f"It was to be removed on {at(-1):%-d %B %Y}. No check since then shows")
    assert "We couldn't check 8 records." in why
    check(domain, at(4))
    assert ownership_services.expire_unproven_domains(now=at(4)) == 1
    ownership_services.expire_unproven_domains(now=at(5))
    assert staff_alerts() == [("shop.com", "recovered")]


def test_staff_are_alerted_of_an_expired_domain_that_is_still_in_use(alice: Customer, settings: Settings) -> None:
    domain = due_for_removal(alice, name="shop.com")
    make_domain("longer.shop.com", customer=alice, proven_at=NOW)
    for day in (1, 3):
        check(domain, at(day))
        assert ownership_services.expire_unproven_domains(now=at(day)) == 0
    assert staff_alerts() == [("shop.com", "open")]
    assert "shop.com has subdomains here." in Alert.objects.get(kind="domain.not_removed").why
    settings.UNPROVEN_DOMAIN_DAYS = 0
    ownership_services.expire_unproven_domains(now=at(4))
    assert staff_alerts() == [("shop.com", "recovered")]


def test_the_page_says_that_a_domain_stayed_after_its_deadline(alice: Customer, client: Client) -> None:
    domain = due_for_removal(alice, claim_reason=ClaimReason.RELATED, claim_token="t")
    client.force_login(alice.memberships.get().user)
    page = client.get(reverse("domains:detail", args=(domain.pk,))).text
    assert "It was to be removed on" in page
    assert "It will be removed on" not in page


def test_a_warned_domain_whose_setup_is_undone_is_warned_again(alice: Customer) -> None:
    domain = make_unproven(24, alice, stage=Stage.READY)
    expire(NOW)
    email_services.send_due(now=NOW)
    with transaction.atomic():
        ownership_services.revert_to_claim(Domain.objects.get(pk=domain.pk), ClaimReason.WILDCARD)
    expire(at(1))
    email_services.send_due(now=at(1))
    assert len([each for each in mail.outbox if "will be removed" in each.subject]) == 2
    expire(at(7.5))
    assert exists(domain)


def test_a_check_before_the_deadline_removes_nothing(alice: Customer) -> None:
    domain = make_unproven(40, alice, unproven_warned_at=NOW - timedelta(days=7, minutes=10))
    check(domain, NOW - timedelta(minutes=11))
    assert ownership_services.expire_unproven_domains(now=NOW) == 0
    check(domain, NOW - timedelta(minutes=9))
    assert ownership_services.expire_unproven_domains(now=NOW) == 1


def test_a_claim_whose_record_was_not_looked_up_is_kept(alice: Customer) -> None:
    domain = due_for_removal(alice)
    check(domain, NOW, state=State.COULD_NOT_CHECK)
    assert ownership_services.expire_unproven_domains(now=NOW) == 0
    check(domain, NOW, ses_problem="SES isn't asked about claims.")
    assert ownership_services.expire_unproven_domains(now=NOW) == 1


@pytest.mark.parametrize("ends_by_itself", [True, False])
def test_a_domain_that_was_on_hold_gets_a_new_warning(alice: Customer, ends_by_itself: bool) -> None:
    domain, olga = make_unproven(24, alice), make_staff(Role.OPERATOR)
    expire(NOW)
    until = timezone.now() + timedelta(days=66)
    overrides_services.hold(domain=domain, because="Abuse", actor=olga, until=until)
    assert Alert.objects.get(kind="domain.expiring").state == "recovered"
    if ends_by_itself:
        overrides_services.release_expired_holds(now=until)
    else:
        overrides_services.release(domain=domain, actor=olga)
    expire(at(66.1))
    assert exists(domain)
    assert Alert.objects.filter(kind="domain.expiring", state="open").count() == 1
    expire(at(73))
    assert exists(domain)
    expire(at(73.2))
    assert not exists(domain)


def test_a_hold_from_an_earlier_version_also_ends_with_a_new_warning(alice: Customer) -> None:
    domain = due_for_removal(alice, held_at=NOW, held_until=NOW)
    overrides_services.release_expired_holds(now=NOW)
    expire(NOW)
    domain.refresh_from_db()
    assert (exists(domain), domain.unproven_warned_at) == (True, NOW)


def test_owners_who_could_not_be_sent_the_warning_are_warned_again(alice: Customer) -> None:
    domain = make_unproven(40, alice, name="shop.com")
    expire(NOW)
    assert Notice.objects.get().sent_at is None
    check(domain, at(7.5))
    assert ownership_services.expire_unproven_domains(now=at(7.5)) == 0  # the mail server was down for a week
    expire(at(7.6))
    assert Alert.objects.filter(kind="domain.expiring", state="open").count() == 1
    expire(at(7.7))
    assert [f"{at(14.6):%-d %B %Y}" in sent.body for sent in mail.outbox] == [True]
    expire(at(14.5))
    assert exists(domain)
    expire(at(14.7))
    assert not exists(domain)


def test_a_domain_proven_while_others_are_warned_gets_no_warning(alice: Customer) -> None:
    make_unproven(25, alice, name="longer.shop.com")
    shop = make_unproven(25, alice, name="shop.com", stage=Stage.READY)

    def prove_shop(**_: Any) -> None:
        Domain.objects.filter(pk=shop.pk).update(proven_at=NOW)

    post_save.connect(prove_shop, sender=Domain, weak=False, dispatch_uid="test")
    try:
        expire(NOW)
    finally:
        post_save.disconnect(sender=Domain, dispatch_uid="test")
    assert [alert.object_name for alert in Alert.objects.all()] == ["longer.shop.com"]


def test_a_warned_domain_shows_no_removal_once_the_expiry_is_off(alice: Customer, settings: Settings) -> None:
    domain = due_for_removal(alice)
    domain.refresh_from_db()
    assert domain.removal_at
    settings.UNPROVEN_DOMAIN_DAYS = 0
    assert domain.removal_at is None
