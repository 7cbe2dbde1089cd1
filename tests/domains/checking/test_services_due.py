"""When a domain is checked: when it is due, on request, and when never."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.jobs import CHECK_DUE
from domains.models.domains import Domain, Stage
from domains.nameservers.services import HostLookup
from domains.overrides import services as overrides_services
from domains.ownership_claims import services as ownership_claims_services
from domains.receiving import services as receiving_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import RateLimited, Refused
from sandbox.process import Sandbox
from tests.domains.checking.factories import HOUR, NOW, check_domain, states, verified_domain
from tests.domains.factories import (
    make_domain,
    make_zone,
    publish_proof,
    set_identity_status,
    set_up_domain,
    waiting_jobs,
    zone_of,
)
from tests.factories import make_member, make_user

pytestmark = pytest.mark.django_db


def test_an_identity_whose_records_ses_lost_before_we_ever_saw_them_is_checked(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    set_identity_status(domain.name, ownership="TemporaryFailure", dkim="TemporaryFailure")
    check_domain(domain)
    assert domain.state == State.AT_RISK
    assert "Amazon SES can't find the records now" in domain.summary


def test_a_repeated_check_too_soon_is_refused_with_the_time(sandbox: Sandbox, settings: Settings) -> None:
    settings.CHECK_NOW_EVERY_SECONDS = 10
    domain = set_up_domain(sandbox)
    checking_services.check_now(domain=domain)
    stale = Domain.objects.get(pk=domain.pk)
    stale.last_dns_check = None  # as in a second browser that checks at the same moment
    for again in (domain, stale):
        with pytest.raises(RateLimited) as refused:
            checking_services.check_now(domain=again)
        assert 0 < refused.value.retry_after <= 10
    Domain.objects.filter(pk=domain.pk).update(last_dns_check=timezone.now() - timedelta(seconds=11))
    assert "Nothing has changed." in checking_services.check_now(domain=Domain.objects.get(pk=domain.pk))


def test_a_domain_whose_check_fails_unexpectedly_does_not_stop_the_others(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, domain = set_up_domain(sandbox, "odd.com"), set_up_domain(sandbox, "shop.com")
    Domain.objects.update(next_check_at=NOW)
    found = receiving_services.mx_facts

    def mx_facts(checked: Domain, seen: HostLookup) -> object:
        if checked.pk == odd.pk:
            raise ValueError("an answer that nobody thought of")
        return found(checked, seen)

    monkeypatch.setattr(receiving_services, "mx_facts", mx_facts)
    checking_services.check_due(now=NOW)
    for each in (odd, domain):
        each.refresh_from_db()
    assert domain.last_dns_check == NOW
    assert (odd.last_dns_check, odd.next_check_at) == (None, NOW + HOUR)


def test_a_held_domain_is_not_checked(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    overrides_services.hold(domain=domain, because="Abuse", actor=make_user())
    domain.refresh_from_db()
    sandbox.control.clear_calls()
    assert checking_services.check_due(now=timezone.now() + timedelta(days=9)) == 0
    with pytest.raises(Refused, match="on hold"):
        checking_services.check_now(domain=domain)
    assert sandbox.control.call_counts() == {}


def test_a_domain_held_during_its_check_stays_unchanged(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    before = Domain.objects.get(pk=domain.pk)
    overrides_services.hold(domain=domain, because="Abuse", actor=make_user())
    checking_services.check([before], now=NOW)
    domain.refresh_from_db()
    assert (domain.state, states(domain)) == (State.NOT_CHECKED, {})


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.DELETING])
def test_check_now_reports_setup_or_deletion_instead_of_checking(sandbox: Sandbox, stage: Stage) -> None:
    domain = make_domain(stage=stage)
    assert "being" in checking_services.check_now(domain=domain)
    assert sandbox.control.call_counts() == {}


def test_check_now_searches_the_ownership_record_of_a_claim(sandbox: Sandbox, settings: Settings) -> None:
    settings.CHECK_NOW_EVERY_SECONDS = 0
    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    domain = set_up_domain(sandbox, "old.com")
    assert "found" in checking_services.check_now(domain=domain)
    publish_proof(sandbox, domain)
    assert "Ownership is proven" in checking_services.check_now(domain=domain)
    assert waiting_jobs(domain) == ["domains.set_up"]


def test_a_due_domain_is_checked_once_and_rescheduled(sandbox: Sandbox) -> None:
    domains = [set_up_domain(sandbox) for _ in range(3)]
    now = timezone.now() + timedelta(seconds=1)
    assert checking_services.check_due(now=now) == 3
    assert checking_services.check_due(now=now) == 0
    for domain in domains:
        domain.refresh_from_db()
        assert domain.next_check_at is not None
        assert domain.next_check_at > now


def test_a_due_claim_is_checked_and_set_up_once_proven(sandbox: Sandbox) -> None:
    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    domain = set_up_domain(sandbox, "old.com")
    now = timezone.now() + timedelta(seconds=1)
    assert checking_services.check_due(now=now) == 1
    assert checking_services.check_due(now=now) == 0
    publish_proof(sandbox, domain)
    assert checking_services.check_due(now=now + timedelta(days=1)) == 1
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.adopted) == (Stage.READY, True)


def test_a_text_record_with_any_bytes_is_stored_and_stops_no_check(sandbox: Sandbox) -> None:
    hostile, other = set_up_domain(sandbox, "hostile.com"), set_up_domain(sandbox, "other.com")
    zone = make_zone(sandbox, hostile)
    for name, value in (
        ("_dmarc.hostile.com", r'"v=DMARC1; p=none; x=\000\001"'),
        ("_amazonses.hostile.com", r'"a\000b"'),
        ("hostile.com", r'"v=spf1 include:a\000b.com ~all"'),
    ):
        sandbox.control.add_record(zone, name, "TXT", value)
    sandbox.control.tick()
    assert checking_services.check_due(now=timezone.now() + timedelta(seconds=1)) == 2
    found = [value for row in hostile.record_checks.all() for value in row.found]
    assert any(r"x=\000\001" in value for value in found), found
    other.refresh_from_db()
    assert other.last_dns_check is not None


def test_a_claim_whose_check_fails_unexpectedly_holds_up_no_other_domain(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    claim, other = set_up_domain(sandbox, "old.com"), set_up_domain(sandbox, "other.com")

    def fails(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(ownership_claims_services, "check_claims", fails)
    now = timezone.now() + timedelta(seconds=1)
    assert checking_services.check_due(now=now) == 2
    assert checking_services.check_due(now=now) == 0
    claim.refresh_from_db()
    other.refresh_from_db()
    assert claim.next_check_at is not None
    assert claim.next_check_at > now
    assert other.last_dns_check is not None


def test_opening_a_page_hours_later_schedules_a_check(sandbox: Sandbox, client: Client) -> None:
    domain = set_up_domain(sandbox)
    hours_ago = timezone.now() - 5 * HOUR
    old = {"watched_from": hours_ago, "last_dns_check": hours_ago, "next_check_at": timezone.now() + HOUR}
    Domain.objects.filter(pk=domain.pk).update(**old)
    client.force_login(make_member(domain.customer))
    page = client.get(f"/domains/{domain.pk}/").content.decode()
    domain.refresh_from_db()
    assert domain.next_check_at is not None
    assert domain.next_check_at <= timezone.now()
    assert 'hx-trigger="every 3s' in page


def test_a_watched_domain_becomes_due_however_many_watch(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    Domain.objects.filter(pk=domain.pk).update(next_check_at=timezone.now() + HOUR, last_dns_check=None)
    domain.refresh_from_db()
    for _ in range(3):
        checking_services.schedule_for_open_page(domain)
    domain.refresh_from_db()
    assert domain.next_check_at is not None
    assert domain.next_check_at <= timezone.now()


@pytest.mark.parametrize(
    "fields",
    [
        {"state": State.VERIFIED, "last_dns_check": timezone.now()},
        {"held_at": NOW},
        {"stage": Stage.STARTING},
        {"stage": Stage.DELETING},
        {"last_dns_check": timezone.now() + HOUR},
    ],
)
def test_watching_a_domain_that_cannot_change_schedules_nothing(sandbox: Sandbox, fields: dict[str, Any]) -> None:
    later = timezone.now() + HOUR
    given: dict[str, Any] = {"stage": Stage.READY, "next_check_at": later} | fields
    domain = make_domain(**given)
    checking_services.schedule_for_open_page(domain)
    domain.refresh_from_db()
    assert domain.next_check_at == later


def test_failed_checks_of_a_person_do_not_delay_the_automatic_one(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    first = check_domain(domain, NOW + HOUR).next_check_at
    assert first is not None
    assert first <= NOW + HOUR + timedelta(minutes=6)
    for seconds in (4, 8, 12):
        assert check_domain(domain, NOW + HOUR + timedelta(seconds=seconds)).next_check_at == first
    automatic = check_domain(domain, first)
    assert (automatic.failed_checks, automatic.next_check_at) > (1, first + timedelta(minutes=9))


def test_a_domain_that_never_existed_in_dns_is_said_to_not_exist(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "misspelt.com")
    sandbox.control.remove_zone("misspelt.com")
    summary = check_domain(domain).summary
    assert summary == "misspelt.com doesn't exist in DNS. Check the spelling, or register the domain first."


def test_a_new_status_at_ses_queues_the_check_that_shows_it(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    Domain.objects.filter(pk=domain.pk).update(next_check_at=timezone.now() + HOUR)
    ProcrastinateJob.objects.filter(task_name=CHECK_DUE).delete()
    set_identity_status("shop.com", dkim="Failed")
    assert identity_status_services.read_all_statuses(now=timezone.now()) == 1
    assert ProcrastinateJob.objects.filter(task_name=CHECK_DUE).count() == 1
