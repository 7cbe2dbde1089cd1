"""Of two checks at the same time, the result of the newer one stays, whichever is saved last."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from notifications.models.alerts import Alert
from notifications.models.webhooks import Event
from sandbox.process import Sandbox
from tests.domains.checking.factories import HOUR, NOW, check_domain, remove_record, states, verified_domain
from tests.domains.factories import publish

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Run something once while a check waits for SES: it has read DNS and has saved nothing."""

    def set_up(act: Callable[[], object]) -> None:
        right = identity_status_services.read_statuses

        def read(domains: Sequence[Domain], **rest: Any) -> None:
            monkeypatch.setattr(identity_status_services, "read_statuses", right)
            act()
            right(domains, **rest)

        monkeypatch.setattr(identity_status_services, "read_statuses", read)

    return set_up


def open_alerts(domain: Domain) -> int:
    alerts = Alert.objects.filter(kind="domain.at_risk", object_id=domain.pk)
    return alerts.exclude(state="recovered").count()


def test_an_older_check_that_saw_the_record_does_not_hide_that_it_is_gone_now(
    sandbox: Sandbox, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    domain = verified_domain(sandbox)
    began, newer = NOW + HOUR, NOW + HOUR + SECOND

    def lose_it_and_check() -> None:
        remove_record(sandbox, domain, "dkim-1")
        check_domain(domain, newer)

    meanwhile(lose_it_and_check)
    older = Domain.objects.get(pk=domain.pk)
    checking_services.check([older], now=began)
    domain.refresh_from_db()
    assert (domain.state, states(domain)["dkim-1"]) == (State.AT_RISK, State.AT_RISK)
    assert domain.last_dns_check == newer
    assert open_alerts(domain) == 1
    assert (older.state, older.summary, older.last_dns_check) == (domain.state, domain.summary, newer)
    assert not Event.objects.filter(event="record.recovered").exists()
    now_gone = ObservedAnswer.objects.filter(domain=domain, until=None, name=domain.records[1].name)
    assert not now_gone.exclude(values=[]).exists()


def test_an_older_check_that_missed_the_record_raises_no_alert_after_it_was_restored(
    sandbox: Sandbox, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    domain = verified_domain(sandbox)
    remove_record(sandbox, domain, "dkim-1")

    def restore_it_and_check() -> None:
        publish(sandbox, domain)
        check_domain(domain, NOW + HOUR + SECOND)

    meanwhile(restore_it_and_check)
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=NOW + HOUR)
    domain.refresh_from_db()
    assert (domain.state, states(domain)["dkim-1"]) == (State.VERIFIED, State.VERIFIED)
    assert open_alerts(domain) == 0


def test_the_time_that_a_newer_check_reserved_is_kept(
    sandbox: Sandbox, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    domain = verified_domain(sandbox)
    meanwhile(lambda: Domain.objects.filter(pk=domain.pk).update(last_dns_check=NOW + HOUR + SECOND))
    assert check_domain(domain, NOW + HOUR).last_dns_check == NOW + HOUR + SECOND
    assert set(domain.record_checks.values_list("checked_at", flat=True)) == {NOW + HOUR}


def test_a_check_saved_before_the_clock_was_set_back_blocks_nothing(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    ahead: datetime = timezone.now() + timedelta(days=3)
    check_domain(domain, ahead)
    remove_record(sandbox, domain, "dkim-1")
    assert check_domain(domain, timezone.now()).state == State.AT_RISK


def test_an_older_ses_status_does_not_replace_a_newer_one(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = verified_domain(sandbox)
    newer = timezone.now() + 30 * SECOND
    right = identity_status_services._read

    def read(domains: Sequence[Domain]) -> None:
        right(domains)
        Domain.objects.filter(pk=domain.pk).update(dkim_status="FAILED", last_ses_check=newer)

    monkeypatch.setattr(identity_status_services, "_read", read)
    identity_status_services.read_statuses([domain], now=NOW)
    assert (domain.dkim_status, domain.last_ses_check) == ("FAILED", newer)
    domain.refresh_from_db()
    assert (domain.dkim_status, domain.last_ses_check) == ("FAILED", newer)


def test_a_failed_read_of_ses_does_not_bring_back_the_status_from_before(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = verified_domain(sandbox)
    loaded_before = Domain.objects.get(pk=domain.pk)
    Domain.objects.filter(pk=domain.pk).update(dkim_status="FAILED", last_ses_check=timezone.now())
    sandbox.control.add_fault("error", "GetEmailIdentity", times=3)
    identity_status_services.read_statuses([loaded_before], now=NOW)
    domain.refresh_from_db()
    assert (domain.dkim_status, domain.ses_problem) == ("FAILED", "")


def test_the_time_of_an_ses_read_is_that_of_its_call(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    before = timezone.now()
    identity_status_services.read_statuses([domain], now=NOW)
    assert domain.last_ses_check is not None
    assert domain.last_ses_check >= before


@pytest.mark.parametrize("change", [{"held_at": NOW}, {"ses_mail_from": "other.shop.com"}])
def test_a_check_whose_result_is_not_stored_does_not_claim_to_have_checked(
    sandbox: Sandbox, meanwhile: Callable[[Callable[[], object]], None], change: dict[str, Any]
) -> None:
    domain = verified_domain(sandbox)
    Domain.objects.filter(pk=domain.pk).update(last_dns_check=None)
    meanwhile(lambda: Domain.objects.filter(pk=domain.pk).update(**change))
    sentence = checking_services.check_now(domain=Domain.objects.get(pk=domain.pk))
    assert sentence == "The domain changed during the check, so its result wasn't stored. Check again."
