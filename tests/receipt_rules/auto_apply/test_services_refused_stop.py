"""A stop of receiving, or its end, that SES refuses: nobody reads it as done, and it is tried again by itself."""

from datetime import timedelta
from importlib import import_module

import pytest
import time_machine
from django.apps import apps
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import MemberRole, User
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from operations.pause import services as operations_pause_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.auto_apply.services import FAILED
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, ReceivingStop
from receipt_rules.receiving import services as receiving_services
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tenants.customer_notices.core import RESUMED
from tenants.lifecycle.selectors import banner_for
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tenants.status import services as status_services
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import live, make_address, make_verified, rule_count, set_up_receiving
from tests.tenants.factories import set_up_tenant

pytestmark = pytest.mark.django_db
ADDRESS = "orders@shop.com"


@pytest.fixture
def tess() -> User:
    return make_staff(Role.TRUST_AND_SAFETY)


@pytest.fixture
def tenant(sandbox: Sandbox) -> Tenant:
    found = set_up_tenant()
    Tenant.objects.filter(pk=found.pk).update(sends_since=timezone.now())
    make_member(found.customer, role=MemberRole.OWNER, email="owner@shop.com")
    make_address(ADDRESS, make_verified("shop.com", customer=found.customer, mx_facts={"shop.com": "here"}))
    set_up_receiving()
    return Tenant.objects.get(pk=found.pk)


def pause(tenant: Tenant, tess: User) -> Tenant:
    plan = operations_pause_services.preview(tenant=tenant, stops_receiving=True)
    digest = plan.receiving_digest
    operations_pause_services.pause(
        tenant=tenant,
        reason="phishing",
        text="Phishing wave.",
        told="",
        stops_receiving=True,
        receiving_digest=digest,
        actor=tess,
    )
    pause_services.apply_status(tenant_id=tenant.pk)
    return Tenant.objects.get(pk=tenant.pk)


def refuse(sandbox: Sandbox) -> None:
    for call in ("UpdateReceiptRule", "DeleteReceiptRule", "CreateReceiptRule"):
        sandbox.control.add_fault("denied", call, times=None)


def open_alerts() -> set[str]:
    return set(Alert.objects.filter(state=AlertState.OPEN).values_list("kind", flat=True))


def page_of(tenant: Tenant, tess: User) -> str:
    client = Client()
    client.force_login(tess)
    return client.get(reverse("tenants:detail", args=[tenant.pk])).text


def mail_about(tenant: Tenant, what: str) -> str:
    mail.outbox.clear()
    status_services.notify_owners(tenant_id=tenant.pk, what=what)
    (sent,) = mail.outbox
    return str(sent.body)


def test_a_stop_that_ses_refuses_is_nowhere_described_as_done(sandbox: Sandbox, tenant: Tenant, tess: User) -> None:
    refuse(sandbox)
    tenant = pause(tenant, tess)
    assert (tenant.standing, tenant.receiving) == ("paused", "stopping")
    auto_apply_services.work()
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert rule_count(ADDRESS) == 1
    assert (tenant.receiving, ReceivingStop.objects.get().settled_at) == ("stopping", None)
    assert "AWS denied access" in tenant.receiving_problem
    page = page_of(tenant, tess)
    assert "Inbound mail isn’t stopped yet" in page
    assert "Stopped too" not in page
    assert "denied access" in page
    assert {"tenant.receiving", "run.failed"} <= open_alerts()
    assert "Phishing" not in Alert.objects.get(kind="tenant.receiving").why
    assert "mail may still arrive" in mail_about(tenant, "paused")
    banner = banner_for(tenant)
    assert banner is not None
    assert "mail may still arrive" in banner.goes_on
    receiving_services.record_last_read()
    assert Address.objects.get().rules == "ending"
    assert "SES still accepts" in Domain.objects.get(name="shop.com").receiving.sentence
    assert "domain.rejects_mail" not in open_alerts()


def test_a_stop_that_ses_refused_is_applied_once_ses_allows_it(sandbox: Sandbox, tenant: Tenant, tess: User) -> None:
    refuse(sandbox)
    tenant = pause(tenant, tess)
    auto_apply_services.work()
    sandbox.control.clear_faults()
    assert not auto_apply_services.has_pending_work()  # not at once: it would fail again and delay others
    auto_apply_services.work()
    assert rule_count(ADDRESS) == 1
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        assert auto_apply_services.has_pending_work()
        auto_apply_services.work()
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert (rule_count(ADDRESS), tenant.receiving, tenant.receiving_problem) == (0, "stopped", "")
    assert open_alerts().isdisjoint({"tenant.receiving", "run.failed"})
    assert "Stopped too" in page_of(tenant, tess)
    assert Address.objects.get().rules == "halted"
    assert not PendingChange.objects.exists()


def test_a_stop_during_an_outage_is_applied_once_somebody_activates_our_rules(
    sandbox: Sandbox, tenant: Tenant, tess: User, settings: Settings
) -> None:
    """Nobody plans: our set is active again by hand, with the recipients of the customer who was stopped meanwhile."""
    settings.RECEIVING_WAIT_SECONDS = 0
    bob = make_verified("bob.com", customer=make_customer("Bob"))
    client, ours = aws.client("ses"), live().name
    client.set_active_receipt_rule_set()
    pause(tenant, tess)
    addresses_services.add_address(text="b@bob.com", customer=bob.customer, actor=None)
    watch_active_set(0)
    auto_apply_services.work()
    assert set(PendingChange.objects.values_list("waits_because", flat=True)) == {auto_apply_services.NOT_ACTIVE}
    assert not PendingChange.objects.filter(waits_because="").exists()
    client.set_active_receipt_rule_set(RuleSetName=ours)
    assert rule_count(ADDRESS) == 1
    watch_active_set(0)
    assert auto_apply_services.has_pending_work()
    auto_apply_services.work()
    assert (rule_count(ADDRESS), rule_count("b@bob.com"), PendingChange.objects.exists()) == (0, 1, False)
    assert not auto_apply_services.has_pending_work()


def test_a_change_waits_without_work_while_no_rule_set_of_ours_is_active(sandbox: Sandbox, tenant: Tenant) -> None:
    bob = make_verified("bob.com", customer=make_customer("Bob"))
    aws.client("ses").set_active_receipt_rule_set()
    addresses_services.add_address(text="b@bob.com", customer=bob.customer, actor=None)
    watch_active_set(0)
    auto_apply_services.apply_pending_changes()
    assert PendingChange.objects.get().waits_because == auto_apply_services.NOT_ACTIVE
    assert not auto_apply_services.has_pending_work()


def test_receiving_that_ses_refuses_to_restore_is_not_forgotten(sandbox: Sandbox, tenant: Tenant, tess: User) -> None:
    tenant = pause(tenant, tess)
    auto_apply_services.work()
    assert (rule_count(ADDRESS), Tenant.objects.get(pk=tenant.pk).receiving) == (0, "stopped")
    refuse(sandbox)
    operations_pause_services.resume(tenant=tenant, because="Cleaned up.", actor=tess)
    pause_services.apply_status(tenant_id=tenant.pk)
    auto_apply_services.work()
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert (tenant.standing, tenant.receiving) == ("active", "restoring")
    assert "Inbound mail isn’t back yet" in page_of(tenant, tess)
    assert "tenant.receiving" in open_alerts()
    text = mail_about(tenant, RESUMED)
    assert "can send mail again" in text
    assert "may be rejected" in text
    banner = banner_for(tenant)
    assert banner is not None
    assert "being turned on again" in banner.title
    sandbox.control.clear_faults()
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        auto_apply_services.work()
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert (rule_count(ADDRESS), tenant.receiving, banner_for(tenant)) == (1, "on", None)
    assert open_alerts().isdisjoint({"tenant.receiving", "run.failed"})


def test_attempts_become_rarer_and_another_stop_is_not_delayed(sandbox: Sandbox, tenant: Tenant, tess: User) -> None:
    refuse(sandbox)
    pause(tenant, tess)
    auto_apply_services.work()
    start, attempts = timezone.now(), 1
    for minute in range(1, 15):
        with time_machine.travel(start + timedelta(minutes=minute), tick=False):
            attempts += auto_apply_services.has_pending_work()
            auto_apply_services.work()
    assert attempts == 4  # after 2, 4 and 8 more minutes


def test_the_problem_of_an_earlier_request_is_not_that_of_a_later_one(tenant: Tenant, tess: User) -> None:
    tenant = pause(tenant, tess)
    first = tenant.receiving_asked_at
    operations_pause_services.resume(tenant=tenant, because="Cleaned up.", actor=tess)
    pause_services.record_receiving(customer=tenant.customer, asked_at=first, problem="AWS denied access.")
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert (tenant.receiving, tenant.receiving_problem) == ("restoring", "")
    assert tenant.receiving_asked_at == ReceivingStop.objects.get().asked_at
    assert "tenant.receiving" not in open_alerts()


@pytest.mark.parametrize(("is_stopped", "receiving"), [(True, "stopping"), (False, "restoring")])
def test_what_the_version_before_left_unsettled_is_not_shown_as_done_and_is_tried_again(
    sandbox: Sandbox, tenant: Tenant, tess: User, is_stopped: bool, receiving: str
) -> None:
    """It stored no request at the tenant, and left a stop that SES refused to an operator."""
    tenant = pause(tenant, tess)
    if not is_stopped:
        auto_apply_services.work()
        operations_pause_services.resume(tenant=tenant, because="Cleaned up.", actor=tess)
    refuse(sandbox)
    auto_apply_services.work()
    sandbox.control.clear_faults()
    Tenant.objects.filter(pk=tenant.pk).update(receiving_asked_at=None, receiving_problem="")
    PendingChange.objects.update(waits_because=FAILED)
    import_module("receipt_rules.migrations.0027_unsettled_stops").carry_over(apps, None)
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert (tenant.receiving, tenant.receiving_asked_at) == (receiving, ReceivingStop.objects.get().asked_at)
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        assert auto_apply_services.has_pending_work()
        auto_apply_services.work()
    assert rule_count(ADDRESS) == (0 if is_stopped else 1)
    assert Tenant.objects.get(pk=tenant.pk).receiving == ("stopped" if is_stopped else "on")


def test_what_is_settled_stays_so_after_the_upgrade(tenant: Tenant, tess: User) -> None:
    tenant = pause(tenant, tess)
    auto_apply_services.work()
    import_module("receipt_rules.migrations.0027_unsettled_stops").carry_over(apps, None)
    assert Tenant.objects.get(pk=tenant.pk).receiving == "stopped"
