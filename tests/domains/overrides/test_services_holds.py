"""Decisions of staff: each is stored with actor and reason, once, and shown only to those concerned."""

import smtplib
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from audit.selectors import changes_of
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from notifications.email import services as email_services
from notifications.models.alerts import Alert, ByMail, NotificationPreference
from sandbox.process import Sandbox
from tests.api_client import api_of, ok
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_user("olga@ops.example")


def test_a_hold_has_an_actor_and_a_reason_and_ends_with_its_release(olga: User) -> None:
    domain = make_domain(stage=Stage.READY)
    overrides_services.hold(domain=domain, because=" Abuse report 12 ", actor=olga)
    domain.refresh_from_db()
    assert (domain.is_held, domain.held_by, domain.held_because) == (True, olga, "Abuse report 12")
    overrides_services.release(domain=domain, actor=olga, because="Settled")
    domain.refresh_from_db()
    assert (domain.is_held, domain.held_by, domain.held_because) == (False, None, "")
    assert domain.next_check_at is not None
    rows = Change.objects.filter(object_id=domain.id).order_by("id").values_list("what", "because", "before", "after")
    assert list(rows) == [
        ("domain.held", "Abuse report 12", {"held": False}, {"held": True}),
        ("domain.released", "Settled", {"held": True}, {"held": False}),
    ]


def test_a_hold_needs_a_reason_and_is_not_repeated(olga: User) -> None:
    domain = make_domain(stage=Stage.READY)
    with pytest.raises(Refused) as refused:
        overrides_services.hold(domain=domain, because=" ", actor=olga)
    assert refused.value.code == "REASON_MISSING"
    overrides_services.hold(domain=domain, because="Abuse", actor=olga)
    with pytest.raises(Refused, match="has been on hold since"):
        overrides_services.hold(domain=domain, because="Abuse", actor=olga)
    overrides_services.release(domain=domain, actor=olga)
    with pytest.raises(Refused, match="isn't on hold"):
        overrides_services.release(domain=domain, actor=olga)


def test_only_an_expired_hold_is_released_automatically(olga: User) -> None:
    now = timezone.now()
    expired, later, open_ended = (make_domain(stage=Stage.READY) for _ in range(3))
    overrides_services.hold(domain=expired, because="a", actor=olga, until=now + timedelta(seconds=1))
    overrides_services.hold(domain=later, because="b", actor=olga, until=now + timedelta(hours=1))
    overrides_services.hold(domain=open_ended, because="c", actor=olga)
    now += timedelta(minutes=1)
    assert overrides_services.release_expired_holds(now=now) == 1
    assert set(Domain.objects.filter(held_at=None)) == {expired}
    released = Change.objects.get(what="domain.released")
    assert (released.object_id, released.actor_name) == (expired.id, "Inbound Admin")
    assert overrides_services.release_expired_holds(now=now) == 0


def test_a_transfer_leaves_the_history_with_the_former_customer(olga: User) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_domain(customer=alice, stage=Stage.READY)
    overrides_services.hold(domain=domain, because="While Alice had it", actor=olga)
    overrides_services.transfer(domain=domain, to=bob, because="Sold", actor=olga)
    overrides_services.release(domain=domain, actor=olga)
    domain.refresh_from_db()
    assert domain.customer == bob
    assert domain.held_since == domain.moved_at  # the DNS history that Bob sees begins here
    seen = {who: list(changes_of("domain", domain.id, of_customers=[who.id])) for who in (alice, bob)}
    assert [change.what for change in seen[alice]] == ["domain.moved_out", "domain.held"]
    assert [change.what for change in seen[bob]] == ["domain.released", "domain.moved_in"]
    texts = [f"{change.because} {change.before} {change.after}" for rows in seen.values() for change in rows[:2]]
    assert not any(word in line for line in texts for word in ("Bob", "Sold"))
    assert changes_of("domain", domain.id, of_customers=None).count() == 5
    moved = Change.objects.get(what="domain.transferred")
    assert (moved.before, moved.after, moved.for_staff) == ({"customer": "Alice"}, {"customer": "Bob"}, True)


def test_an_invalid_transfer_is_refused(olga: User) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_domain(customer=alice, stage=Stage.READY)
    wrong: list[dict[str, Any]] = [
        {"to": bob, "because": ""},
        {"to": None, "because": "Sold"},
        {"to": alice, "because": "Sold"},
    ]
    for given in wrong:
        with pytest.raises(Refused):
            overrides_services.transfer(domain=domain, actor=olga, **given)
    Domain.objects.filter(pk=domain.pk).update(stage=Stage.DELETING)
    with pytest.raises(Refused, match="being deleted"):
        overrides_services.transfer(domain=domain, to=bob, because="Sold", actor=olga)
    assert Change.objects.count() == 0
    assert mail.outbox == []


def test_a_bulk_transfer_has_one_id(olga: User) -> None:
    bob = make_customer("Bob")
    for _ in range(2):
        overrides_services.transfer(domain=make_domain(), to=bob, because="Merger", actor=olga, bulk_id="chg_bulk")
    assert Change.objects.filter(bulk_id="chg_bulk", what="domain.transferred").count() == 2


def test_a_note_is_for_staff_and_an_unchanged_one_is_not_logged(olga: User) -> None:
    domain = make_domain()
    for _ in range(2):
        overrides_services.write_note(domain=domain, note=" Calls on Mondays ", actor=olga)
    change = Change.objects.get()
    assert (change.what, change.after, change.for_staff) == ("domain.note", {"note": "Calls on Mondays"}, True)


def test_a_requested_check_makes_the_domain_due_unless_held(olga: User) -> None:
    later = timezone.now() + timedelta(days=1)
    domain = make_domain(stage=Stage.READY, next_check_at=later)
    overrides_services.check_again(domain=domain, actor=olga)
    domain.refresh_from_db()
    assert domain.next_check_at is not None
    assert domain.next_check_at <= timezone.now()
    overrides_services.hold(domain=domain, because="Abuse", actor=olga)
    domain.refresh_from_db()
    with pytest.raises(Refused, match="on hold"):
        overrides_services.check_again(domain=domain, actor=olga)


def test_a_failed_email_about_a_transfer_is_sent_later_whatever_the_owners_settings(
    sandbox: Sandbox, olga: User, settings: Settings
) -> None:
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.domains.overrides.test_services_holds.BrokenMail"
    alice, bob = make_customer("Alice"), make_customer("Bob")
    make_member(alice, email="a@alice.example")
    NotificationPreference.objects.create(person=make_member(bob, email="b@bob.example"), by_mail=ByMail.OFF)
    domain = make_domain("alice.com", customer=alice)
    assert preflight_services.add(text="x.alice.com", customer=bob, actor=None).stage == Stage.CLAIM
    overrides_services.transfer(domain=domain, to=bob, because="Sold", actor=olga)
    domain.refresh_from_db()
    assert domain.customer == bob
    email_services.send_due(now=timezone.now())
    settings.EMAIL_BACKEND = working
    email_services.send_due(now=timezone.now() + timedelta(hours=1))
    sent = {message.to[0]: f"{message.subject}\n{message.body}" for message in mail.outbox}
    assert sent.keys() == {"a@alice.example", "b@bob.example"}
    assert "alice.com: A domain was moved out of your organisation" in sent["a@alice.example"]
    assert "Support moved alice.com out of Alice." in sent["a@alice.example"]
    assert "Bob" not in sent["a@alice.example"]
    assert "Support moved alice.com into Bob." in sent["b@bob.example"]


class BrokenMail:
    """A mail server that doesn't answer."""

    def __init__(self, **_: object) -> None:
        pass

    def send_messages(self, messages: object) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


def test_a_hold_until_a_past_time_is_refused(olga: User) -> None:
    with pytest.raises(Refused, match="in the past"):
        overrides_services.hold(domain=make_domain(), because="a", actor=olga, until=timezone.now() - timedelta(days=1))


def test_a_transfer_does_not_carry_the_former_customers_reasons(olga: User) -> None:
    domain = make_domain(wanted_by=olga, wanted_because="Alice's secret")
    overrides_services.hold(domain=domain, because="While Alice had it", actor=olga)
    overrides_services.transfer(domain=domain, to=make_customer("Bob"), because="Sold", actor=olga)
    domain.refresh_from_db()
    assert (domain.wanted_by, domain.wanted_because) == (None, "")
    assert domain.is_held
    assert "Alice" not in domain.held_because


def test_a_transfer_ends_the_former_customers_alerts_and_the_warning_begins_anew(olga: User) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_domain(customer=alice, stage=Stage.CLAIM, claim_reason="related")
    Domain.objects.filter(pk=domain.pk).update(created_at=timezone.now() - timedelta(days=40))
    ownership_services.expire_unproven_domains(now=timezone.now())
    overrides_services.transfer(domain=domain, to=bob, because="Sold", actor=olga)
    assert [(row.customer_id, row.state) for row in Alert.objects.all()] == [(alice.pk, "recovered")]
    later = timezone.now() + timedelta(days=8)
    assert ownership_services.expire_unproven_domains(now=later) == 0
    assert Alert.objects.get(customer_id=bob.pk).state == "open"


def test_a_transfer_hands_no_address_for_dmarc_reports_over(olga: User) -> None:
    secret = "nora.secret@private-mail.com"
    domain = make_domain(stage=Stage.READY, dmarc_reports_to=secret, said_added_at=timezone.now(), mail_from_label="m")
    assert any(secret in record.value for record in domain.records)
    for key in ("dmarc", "identity"):
        RecordCheck.objects.create(domain=domain, key=key, sentence=secret, checked_at=timezone.now())
    bob = make_member()
    overrides_services.transfer(domain=domain, to=bob.memberships.get().customer, because="Sold", actor=olga)
    domain = Domain.objects.get(pk=domain.pk)
    assert (domain.dmarc_reports_to, domain.said_added_at, domain.mail_from_label) == ("", None, "m")
    assert [row.key for row in domain.record_checks.all()] == ["identity"]
    assert not any(secret in record.value for record in domain.records)


CLEARED = frozenset(
    "wanted_by wanted_because wanted_with_key expectations dmarc_reports_to said_added_at override_state "
    "override_until override_at override_by override_because".split()
)
# SES or DNS has these, or they are the operator's: without them, the domain's mail would change.
KEPT = frozenset(
    "name region created_at created_by stage stage_problem adopted mail_from_label on_mx_failure dkim_signing receives "
    "wants_apex_spf wants_dmarc has_catch_all deletion_bulk_id routes_removed_at new_dkim_wanted claim_token "
    "claim_reason claim_proven_at identity_deletion_wanted note held_at held_until held_by "
    "verification_token dkim_tokens dkim_zone dkim_origin own_dkim_key ses_dkim_signing ses_on_mx_failure "
    "settings_unanswered ses_mail_from identity_status dkim_status mail_from_status ses_error_type ses_looked_at "
    "ses_soa last_ses_check ses_problem zone zone_at last_dns_check policies provider domain_connect domain_connect_at "
    "soa_serial soa_serial_since mta_sts mta_sts_at mta_sts_block "
    "mail_rules mx_facts receiving_state state known_state state_since summary watched_from verified_at "
    "failed_checks".split()
)


def test_what_becomes_of_each_column_at_a_transfer_is_decided() -> None:
    """A new column of a domain is put into one of the two: it may be the former customer's own."""
    names = {field.name for field in Domain._meta.concrete_fields if not field.primary_key}
    assert set(overrides_services.TRANSFER_FIELDS) == names - KEPT
    assert set(overrides_services.TRANSFER_FIELDS) >= CLEARED


def test_a_transferred_domain_is_as_new_to_its_customer() -> None:
    """What the former customer's exceptions decided goes with them."""
    olga, domain = make_staff(Role.OPERATOR), make_domain(customer=make_customer("Alice"), stage=Stage.READY)
    Domain.objects.filter(pk=domain.pk).update(created_at=timezone.now() - timedelta(days=90), next_check_at=None)
    overrides_services.expect_record(domain=domain, key="inbound-mx", value="mx.alice.com", because="a", actor=olga)
    now = timezone.now()
    for key in ("inbound-mx", "identity"):
        RecordCheck.objects.create(domain=domain, key=key, state="verified", checked_at=now)
    bob = make_customer("Bob")
    newer = make_domain(customer=bob)
    overrides_services.transfer(domain=domain, to=bob, because="Sold", actor=olga)
    domain.refresh_from_db()
    assert domain.next_check_at
    assert domain.next_check_at >= now
    assert list(domain.record_checks.values_list("key", flat=True)) == ["identity"]
    listed = ok(api_of(make_member(bob)).get("/api/v2/domains"))["data"]
    assert [each["id"] for each in listed] == [domain.pk, newer.pk]
    assert datetime.fromisoformat(listed[0]["createdAt"]) >= now.replace(microsecond=0)


def test_earlier_transfers_are_in_the_change_log_for_the_migration(olga: User) -> None:
    moved, kept, later = (make_domain(stage=Stage.READY) for _ in range(3))
    for domain in (moved, later):
        for name in ("Bob", "Carol"):
            overrides_services.transfer(domain=domain, to=make_customer(name), because="Sold", actor=olga)
    Domain.objects.exclude(pk=later.pk).update(held_since=None)
    Domain.objects.filter(pk=later.pk).update(held_since=datetime(2030, 1, 1, tzinfo=UTC))
    with connection.cursor() as cursor:
        cursor.execute(import_module("domains.migrations.0025_held_since_earlier").FROM_CHANGES)
    held = dict(Domain.objects.values_list("pk", "held_since"))
    last = Change.objects.filter(what="domain.transferred", object_id=moved.pk).latest("at").at
    assert held == {moved.pk: last, kept.pk: None, later.pk: datetime(2030, 1, 1, tzinfo=UTC)}
