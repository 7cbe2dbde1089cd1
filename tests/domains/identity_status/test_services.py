"""The statuses at SES are read in few calls, for any number of domains and at any time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from domains.checking import services as checking_services
from domains.checking.core.judgement import SesStatus
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from notifications.models.alerts import Alert
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, seed_identities, set_identity_status, set_up_domain

pytestmark = pytest.mark.django_db


def test_all_domains_are_read_in_three_calls_per_hundred_and_changed_ones_are_due(sandbox: Sandbox) -> None:
    now = timezone.now()
    names = [f"d{number}.com" for number in range(250)]
    for name in names:
        make_domain(name, stage=Stage.READY, next_check_at=now + timedelta(days=1), identity_status="PENDING")
    seed_identities(names)
    identity_status_services.read_all_statuses(now=now)
    sandbox.control.clear_calls()
    set_identity_status("d7.com", ownership="Failed")
    Domain.objects.update(next_check_at=now + timedelta(days=1))
    assert identity_status_services.read_all_statuses(now=now) == 1
    assert sum(sandbox.control.call_counts().values()) == 9
    assert Domain.objects.get(next_check_at__lte=now).name == "d7.com"


def test_a_due_verified_domain_is_read_only_if_its_records_are_missing(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    publish(sandbox, domain)
    sandbox.control.tick()
    checking_services.check_now(domain=domain)
    domain.refresh_from_db()
    assert domain.state == "verified"
    sandbox.control.clear_calls()
    tomorrow = timezone.now() + timedelta(hours=26)
    checking_services.check([domain], now=tomorrow, read_ses=False)
    assert sandbox.control.call_counts() == {}
    for record in sandbox.control.records("shop.com"):
        if record.type == "CNAME":
            sandbox.control.remove_record("shop.com", record.id)
    checking_services.check([domain], now=tomorrow, read_ses=False)
    assert sum(sandbox.control.call_counts().values()) == 1
    assert domain.dkim_status == SesStatus.SUCCESS


def test_the_alert_of_a_lost_identity_stays_while_ses_does_not_answer(sandbox: Sandbox) -> None:
    domain = make_domain("shop.com", stage=Stage.READY, identity_status="SUCCESS", verified_at=timezone.now())
    identity_status_services.read_statuses([domain], now=timezone.now())
    assert domain.is_gone
    sandbox.control.add_fault("error", "GetEmailIdentity", times=None)
    identity_status_services.read_statuses([domain], now=timezone.now())
    identity_status_services.update_staff_alert(now=timezone.now())
    domain.refresh_from_db()
    assert domain.is_gone
    assert Alert.objects.get(kind="identities.changed").state == "open"
