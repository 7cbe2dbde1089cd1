"""Checks of DNS and SES: what they store, what a failed check leaves unchanged, and how many calls they take."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.roles import Role
from audit.models import Change
from domains import tasks as domains_tasks
from domains.checking import services as checking_services
from domains.checking.core.judgement import SesStatus, State
from domains.dns import services as dns_services
from domains.dns.core import Answer, Question
from domains.dns.services import look_up
from domains.identity import gateway
from domains.identity.core import GONE
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.sending_status.selectors import sending_of
from domains.settings import services as settings_services
from domains.settings.services import DesiredSettings
from domains.zone_causes.core import REMOVED
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from notifications.models.alerts import Alert, Notice
from sandbox.process import Sandbox
from tests.domains.checking.factories import HOUR, NOW, check_domain, remove_record, states, verified_domain
from tests.domains.factories import (
    make_domain,
    publish,
    records_to_publish,
    second_resolver,
    seed_identities,
    set_identity_status,
    set_up_domain,
    zone_of,
)
from tests.factories import make_staff, make_user

pytestmark = pytest.mark.django_db


def test_unpublished_records_are_pending(sandbox: Sandbox) -> None:
    domain = check_domain(set_up_domain(sandbox))
    assert domain.state == State.WAITING
    assert set(states(domain).values()) == {State.WAITING}
    assert domain.next_check_at is not None


def test_published_records_are_propagating_until_ses_confirms_them(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    publish(sandbox, domain)
    assert check_domain(domain).state == State.SPREADING
    sandbox.control.tick()
    assert check_domain(domain).state == State.VERIFIED
    assert domain.verified_at == NOW


def test_a_record_at_one_of_two_resolvers_is_propagating(sandbox: Sandbox, settings: Settings) -> None:
    domain = verified_domain(sandbox)
    with second_resolver() as other:
        settings.DNS_RESOLVERS = (sandbox.dns_address, other)
        assert check_domain(domain).state == State.SPREADING


def test_a_mistake_makes_the_record_wrong_with_its_code(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    publish(sandbox, domain)
    record = next(record for record in records_to_publish(domain) if record.key == "identity")
    sandbox.control.make_mistake(zone_of(domain), record, "value.quoted")
    check_domain(domain)
    check = domain.record_checks.get(key="identity")
    assert (domain.state, check.state, check.code) == (State.WRONG, State.WRONG, "dns.value.quoted")
    assert check.found


def test_a_vanished_record_puts_the_domain_at_risk_and_says_since_when(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    remove_record(sandbox, domain, "dkim-1")
    check_domain(domain, NOW + HOUR)
    check = domain.record_checks.get(key="dkim-1")
    assert (domain.state, domain.state_since, domain.verified_at) == (State.AT_RISK, NOW + HOUR, NOW)
    assert check.verified_at == NOW
    assert "24 November 2026, 12:00 UTC" in check.sentence


def test_the_ownership_record_can_vanish_while_dkim_verifies_the_domain(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    remove_record(sandbox, domain, "identity")
    check_domain(domain, NOW + HOUR)
    assert domain.state == State.VERIFIED
    assert domain.record_checks.get(key="identity").state == State.WAITING
    set_identity_status("shop.com", ownership="TemporaryFailure", dkim="TemporaryFailure")
    assert check_domain(domain, NOW + 2 * HOUR).state == State.AT_RISK
    assert domain.record_checks.get(key="identity").state == State.AT_RISK


def test_the_start_of_at_risk_survives_a_failed_check(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    remove_record(sandbox, domain, "dkim-1")
    check_domain(domain, NOW + HOUR)
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    assert check_domain(domain, NOW + 2 * HOUR).state == State.COULD_NOT_CHECK
    sandbox.control.clear_dns_faults()
    assert check_domain(domain, NOW + 3 * HOUR).state == State.AT_RISK
    assert domain.state_since == NOW + HOUR


@pytest.mark.parametrize("fault", ["servfail", "refused", "silent"])
def test_a_failed_lookup_keeps_the_last_verified_time(sandbox: Sandbox, fault: str) -> None:
    domain = verified_domain(sandbox)
    sandbox.control.set_dns_fault(zone_of(domain), fault)
    check_domain(domain, NOW + HOUR)
    assert (domain.state, domain.known_state, domain.verified_at) == (State.COULD_NOT_CHECK, State.VERIFIED, NOW)
    assert set(domain.record_checks.values_list("verified_at", flat=True)) == {NOW}
    assert domain.failed_checks == 1
    sandbox.control.clear_dns_faults()
    assert (check_domain(domain, NOW + 2 * HOUR).state, domain.failed_checks) == (State.VERIFIED, 0)


@pytest.mark.parametrize("fault", ["servfail", "refused", "silent"])
def test_failed_lookups_keep_what_the_last_successful_one_found(sandbox: Sandbox, fault: str) -> None:
    domain = verified_domain(sandbox)
    remove_record(sandbox, domain, "dkim-1")
    check_domain(domain, NOW + HOUR)
    before = {check.key: check.known for check in domain.record_checks.all()}
    sandbox.control.set_dns_fault(zone_of(domain), fault)
    for hours in (2, 3):
        check_domain(domain, NOW + hours * HOUR)
    after = {check.key: check for check in domain.record_checks.all()}
    assert {check.state for check in after.values()} == {State.COULD_NOT_CHECK}
    assert {key: check.known for key, check in after.items()} == before
    lost, kept = before["dkim-1"], before["dkim-2"]
    assert lost is not None
    assert kept is not None
    assert (lost.state, kept.state, kept.at) == (State.AT_RISK, State.VERIFIED, NOW + HOUR)
    assert (after["dkim-1"].is_correct, after["dkim-2"].is_correct) == (False, True)
    assert "wasn't found" in after["dkim-1"].reason
    assert "It was last found on " in after["dkim-2"].reason
    sandbox.control.clear_dns_faults()
    check_domain(domain, NOW + 4 * HOUR)
    assert set(domain.record_checks.values_list("last_known", flat=True)) == {None}


def test_a_record_whose_first_lookup_fails_has_no_known_result(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    check_domain(domain)
    check = domain.record_checks.get(key="dkim-1")
    assert (check.state, check.known, check.is_correct) == (State.COULD_NOT_CHECK, None, False)
    assert check.reason == check.sentence


def test_a_slow_failed_check_does_not_undo_a_newer_one(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = set_up_domain(sandbox)
    publish(sandbox, domain)
    sandbox.control.tick()
    second_worker_ran: list[bool] = []

    def slowly(questions: Sequence[Question]) -> list[Answer]:
        """A second worker completes its check while the first one waits for an answer that never comes."""
        if not second_worker_ran:
            second_worker_ran.append(True)
            check_domain(domain)
            sandbox.control.set_dns_fault(zone_of(domain), "servfail")
        return look_up(questions)

    monkeypatch.setattr(dns_services, "look_up", slowly)
    check_domain(domain, NOW + HOUR)
    assert domain.state == State.COULD_NOT_CHECK
    assert set(domain.record_checks.values_list("verified_at", flat=True)) == {NOW}


def test_the_log_has_each_change_of_state_once_and_no_failed_checks(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    check_domain(domain)
    sandbox.control.set_dns_fault(zone_of(domain), "servfail")
    check_domain(domain)
    sandbox.control.clear_dns_faults()
    check_domain(domain)
    (change,) = Change.objects.filter(object_id=domain.id, what="domain.state")
    assert (change.before, change.after) == ({"state": State.NOT_CHECKED}, {"state": State.VERIFIED})


def test_two_workers_that_see_the_same_change_log_it_once(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    first, second = (Domain.objects.get(pk=domain.pk) for _ in range(2))
    checking_services.check([first], now=NOW)
    checking_services.check([second], now=NOW)
    assert Change.objects.filter(object_id=domain.id, what="domain.state").count() == 1


def test_a_failed_ses_call_keeps_the_statuses_and_reports_the_problem(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    read_at = domain.last_ses_check
    sandbox.control.add_fault("error", "GetEmailIdentity", times=3)
    message = checking_services.check_now(domain=domain)
    domain.refresh_from_db()
    assert (domain.identity_status, domain.dkim_status) == (SesStatus.SUCCESS, SesStatus.SUCCESS)
    assert domain.ses_problem
    assert domain.ses_problem in message
    assert domain.last_ses_check == read_at
    assert check_domain(domain).ses_problem == ""


def test_a_deleted_identity_marks_only_its_own_domain(sandbox: Sandbox) -> None:
    gone, other = verified_domain(sandbox, "gone.com"), verified_domain(sandbox, "other.com")
    aws.client("sesv2").delete_email_identity(EmailIdentity="gone.com")
    checking_services.check([gone, other], now=NOW + HOUR)
    assert (gone.state, gone.summary, gone.identity_status) == (
        State.WRONG,
        GONE,
        SesStatus.NOT_STARTED,
    )
    assert (other.state, other.ses_problem) == (State.VERIFIED, "")


@pytest.mark.parametrize(
    ("how_many", "failing", "unread"),
    [(2, "GetEmailIdentity", 1), (250, "GetIdentityMailFromDomainAttributes", 150)],
)
def test_a_failed_call_marks_only_the_unread_domains(
    sandbox: Sandbox, how_many: int, failing: str, unread: int
) -> None:
    domains = [make_domain(f"d{number}.com", stage=Stage.READY) for number in range(how_many)]
    seed_identities([domain.name for domain in domains])
    sandbox.control.add_fault("error", failing, nth=2, times=3)
    identity_status_services.read_statuses(domains, now=NOW)
    problems = [bool(domain.ses_problem) for domain in domains]
    assert problems == [False] * (how_many - unread) + [True] * unread
    assert [domain.last_ses_check is None for domain in domains] == problems


def test_one_domain_is_read_in_one_call(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    sandbox.control.clear_calls()
    check_domain(domain)
    assert sandbox.control.call_counts() == {"GetEmailIdentity": 1}


def test_many_domains_are_read_in_three_calls_per_hundred(sandbox: Sandbox) -> None:
    domains = [make_domain(f"d{number}.com", stage=Stage.READY) for number in range(250)]
    seed_identities([domain.name for domain in domains[1:]], ownership="Success", dkim="Success")
    identity_status_services.read_statuses(domains, now=NOW)
    assert Counter(sandbox.control.call_counts()) == {
        "GetIdentityVerificationAttributes": 3,
        "GetIdentityDkimAttributes": 3,
        "GetIdentityMailFromDomainAttributes": 3,
    }
    stored = Domain.objects.in_bulk([domain.pk for domain in domains])
    assert stored[domains[0].pk].ses_problem == GONE
    for domain in domains[1:]:
        row = stored[domain.pk]
        assert (row.identity_status, row.dkim_status, row.ses_problem) == (SesStatus.SUCCESS, SesStatus.SUCCESS, "")


def test_changes_among_ten_thousand_identities_are_found_in_twelve_calls(sandbox: Sandbox) -> None:
    later = NOW + timedelta(days=1)
    fields: dict[str, Any] = {"stage": Stage.READY, "next_check_at": later, "identity_status": SesStatus.SUCCESS}
    same, turned, _ = (make_domain(f"{name}.com", **fields) for name in ("same", "turned", "gone"))
    seed_identities([f"x{number}.com" for number in range(9_998)])
    seed_identities([same.name, turned.name], ownership="Success")
    set_identity_status(turned.name, ownership="TemporaryFailure")
    assert identity_status_services.detect_changes(now=NOW) == 2
    assert sum(sandbox.control.call_counts().values()) <= 14  # the two are read, one by one
    due = Domain.objects.filter(next_check_at=NOW).values_list("name", flat=True)
    assert sorted(due) == ["gone.com", "turned.com"]
    assert identity_status_services.detect_changes(now=NOW) == 0


def test_an_identity_deleted_in_ses_is_noticed_by_the_list_shown_and_announced_to_the_owner_and_the_team(
    sandbox: Sandbox,
) -> None:
    operator = make_staff(Role.OPERATOR)
    domain = verified_domain(sandbox)
    aws.client("sesv2").delete_email_identity(EmailIdentity=domain.name)
    domains_tasks.notice(timestamp=0)
    checking_services.check_due(now=timezone.now())
    domain.refresh_from_db()
    assert (domain.state, domain.summary, domain.is_verified) == (State.WRONG, GONE, False)
    alert = Alert.objects.get(kind="identities.changed", state="open")
    assert (
        alert.why == f"SES no longer has 1 verified domain ({domain.name}): it rejects all mail sent from or to them."
    )
    assert Notice.objects.filter(alert=alert, person=operator).exists()
    assert Alert.objects.filter(kind="domain.at_risk", customer_id=domain.customer_id).exists()
    sending = sending_of(domain)
    assert sending.sentence.endswith("Amazon SES no longer has it. Restart its verification first.")


def test_dkim_keys_replaced_in_ses_are_adopted_and_nobodys_records_are_blamed(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    old = list(domain.dkim_tokens)
    gateway.rotate_dkim_keys(domain.name, strong=False)
    domains_tasks.notice(timestamp=0)
    domain.refresh_from_db()
    assert sorted(domain.dkim_tokens) != sorted(old)
    checking_services.check([domain], now=NOW)
    checking_services.check([domain], now=NOW)
    domain.refresh_from_db()
    assert states(domain)["dkim-1"] == State.WAITING
    assert "Restore" not in domain.summary
    own, team = (Alert.objects.get(kind=kind, state="open") for kind in ("domain.new_dkim", "identities.changed"))
    assert own.why.startswith(f"SES has new DKIM keys for {domain}, although nobody requested them here.")
    assert team.why.startswith(f"SES has new DKIM keys for 1 verified domain ({domain.name}).")
    publish(sandbox, domain)
    sandbox.control.tick()
    assert check_domain(domain).state == State.VERIFIED
    domains_tasks.notice(timestamp=0)
    assert not Alert.objects.filter(kind__in=("domain.new_dkim", "identities.changed"), state="open").exists()


def test_a_check_that_finds_new_dkim_keys_itself_blames_no_record(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    gateway.rotate_dkim_keys(domain.name, strong=False)
    check_domain(domain)
    assert check_domain(domain).state == State.WAITING
    assert states(domain)["dkim-1"] == State.WAITING


def test_a_domain_that_no_longer_exists_in_dns_is_said_to_have_lapsed(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    sandbox.control.remove_zone(domain.name)
    assert check_domain(domain).summary == REMOVED.format(zone=domain)


def test_the_list_of_a_large_region_takes_at_most_a_tenth_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_status_services, "PAGES_EACH_TIME", 1)
    monkeypatch.setattr(gateway, "PAGE", 1)
    for number in range(3):
        make_domain(f"d{number}.com", stage=Stage.READY)
    due = [identity_status_services.is_watch_due(300 * number) for number in range(6)]
    assert due == [True, False, False, True, False, False]


def test_an_incomplete_list_marks_no_identity_as_gone(sandbox: Sandbox) -> None:
    domain = make_domain(stage=Stage.READY, next_check_at=NOW + HOUR, identity_status=SesStatus.SUCCESS)
    seed_identities([f"x{number}.com" for number in range(1_001)])
    sandbox.control.add_fault("error", "ListEmailIdentities", nth=2, times=3)
    with pytest.raises(AwsProblem):
        identity_status_services.detect_changes(now=NOW)
    domain.refresh_from_db()
    assert domain.next_check_at == NOW + HOUR


def test_a_domain_deleted_during_its_check_does_not_disturb_others(sandbox: Sandbox) -> None:
    gone, other = set_up_domain(sandbox), set_up_domain(sandbox)
    Domain.objects.get(pk=gone.pk).delete()
    checking_services.check([gone, other], now=NOW)
    other.refresh_from_db()
    assert other.state == State.WAITING
    assert RecordCheck.objects.filter(domain_id=gone.pk).count() == 0


def test_records_changed_during_a_check_are_not_judged_by_the_old_ones(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    before = Domain.objects.get(pk=domain.pk)
    Domain.objects.filter(pk=domain.pk).update(ses_mail_from="other.shop.com")
    checking_services.check([before], now=NOW)
    assert states(domain) == {}


def test_new_records_are_pending_and_not_lost(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    settings_now: dict[str, Any] = {name: getattr(domain, name) for name in DesiredSettings.__dataclass_fields__}
    settings_services.configure(
        domain=domain, desired=DesiredSettings(**settings_now | {"mail_from_label": "mail"}), actor=make_user()
    )
    settings_services.apply_settings(domain_id=domain.id)
    check_domain(domain, NOW + HOUR)
    assert states(domain)["mail-from-mx"] == State.WAITING
    assert states(domain)["dkim-1"] == State.VERIFIED
    assert domain.state == State.WAITING


def test_the_existing_spf_record_is_merged_and_survives_a_failed_lookup(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    sandbox.control.add_record("shop.com", "shop.com", "TXT", "v=spf1 include:_spf.google.com ~all")
    check_domain(domain)
    record = next(record for record in domain.records if record.key == "apex-spf")
    assert record.value == "v=spf1 include:_spf.google.com include:amazonses.com ~all"
    sandbox.control.set_dns_fault("shop.com", "servfail")
    check_domain(domain)
    assert domain.published.spf["shop.com"] == ("v=spf1 include:_spf.google.com ~all",)


def test_a_domain_that_moved_to_other_nameservers_without_its_records_is_said_to_have_moved(sandbox: Sandbox) -> None:
    sandbox.control.add_zone("shop.com", ("ns1.olddns.example",))
    domain = verified_domain(sandbox)
    sandbox.control.remove_zone(domain.name)
    sandbox.control.add_zone(domain.name, ("ns1.newdns.example",))
    summary = check_domain(domain, NOW + HOUR).summary
    assert summary.startswith(f"{domain} moved to other nameservers (ns1.newdns.example), which don't have its records")
    assert check_domain(domain, NOW + 2 * HOUR).summary == summary
