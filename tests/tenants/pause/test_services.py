"""Pausing and resuming a tenant's sending: requested, applied, and confirmed by reading it back."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed, Refused
from operations.pause.selectors import predict_resume
from sandbox.aws.state import WORLD, regions
from sandbox.process import Sandbox
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import StatusChange, Tenant
from tenants.pause import services as pause_services
from tenants.status import services as status_services
from tenants.status.core import LayerName, SendingStatus, TenantStatus
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import (
    jobs_of,
    make_tenant,
    make_tess,
    pause_tenant,
    reputation_entity_in_ses,
    set_up_tenant,
)

pytestmark = pytest.mark.django_db


def reload(tenant: Tenant) -> Tenant:
    return Tenant.objects.get(pk=tenant.pk)


def set_status_in_ses(tenant: Tenant, status: str) -> None:
    """Change our status in SES behind the application's back."""
    with WORLD.lock:
        for _, state in regions():
            if found := state.tenants.get(tenant.name):
                found.customer.set(status, WORLD.clock.now())


def test_a_pause_request_makes_no_call(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.clear_calls()
    tess = make_tess()
    pause_tenant(tenant, actor=tess, applied=False, review_on=date(2999, 1, 1))
    assert (tenant.is_paused, tenant.standing, tenant.status_asked_by) == (True, TenantStatus.PAUSING, tess)
    assert "tenants.status" in jobs_of(tenant)
    assert sandbox.control.call_counts() == {}


def test_a_tenant_is_paused_once_ses_was_read_to_say_so(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    assert reputation_entity_in_ses(tenant)["SendingStatusAggregate"] == "DISABLED"
    assert (tenant.standing, tenant.status_problem) == (TenantStatus.PAUSED, "")
    assert tenant.status_proven_at is not None
    layer = StatusChange.objects.get(tenant=tenant)
    assert (layer.layer, layer.old, layer.new) == (LayerName.STAFF, "ENABLED", "DISABLED")


def test_an_unconfirmed_pause_is_pausing_and_checked_again(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant, applied=False)
    tenant.refresh_from_db()
    Tenant.objects.filter(pk=tenant.pk).update(status_told_at=timezone.now())  # applied, but SES still reports ENABLED
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.aggregate, tenant.status_proven_at) == (TenantStatus.PAUSING, "ENABLED", None)
    assert "tenants.status" in jobs_of(tenant)
    assert not Change.objects.filter(what="tenant.paused").exists()


def test_a_missing_confirmation_is_reported_and_the_pause_applied_again(sandbox: Sandbox, settings: Settings) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant, applied=False)
    late = timezone.now() - timedelta(seconds=settings.PAUSE_PROOF_SECONDS + 1)
    Tenant.objects.filter(pk=tenant.pk).update(status_told_at=late)
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert tenant.standing == TenantStatus.PAUSING
    assert "still reports ENABLED, not paused." in tenant.status_problem
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.status_problem) == (TenantStatus.PAUSED, "")


def test_a_tenant_stays_pausing_while_ses_does_not_answer(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant = set_up_tenant()
    pause_tenant(tenant, applied=False)
    sandbox.control.add_fault("cut_after", "UpdateReputationEntityCustomerManagedStatus")
    with pytest.raises(AwsProblem):
        pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert tenant.standing == TenantStatus.PAUSING
    assert "responding" in tenant.status_problem
    pause_services.apply_status(tenant_id=tenant.pk)
    assert reload(tenant).standing == TenantStatus.PAUSED


def test_pausing_a_tenant_that_is_being_created_is_applied_by_its_creation(sandbox: Sandbox) -> None:
    """Before anything is associated with it, so no mail can leave with it."""
    tenant = lifecycle_services.create_tenant(customer=make_customer(), actor=None)
    pause_tenant(tenant)
    assert tenant.standing == TenantStatus.PAUSING
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert tenant.standing == TenantStatus.PAUSED
    assert reputation_entity_in_ses(tenant)["CustomerManagedStatus"]["Status"] == "DISABLED"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": " "}, "Enter a"),
        ({"reason": ""}, "Choose a reason"),
        ({"reason": "dislike"}, "Choose a reason"),
        ({"review_on": date(2020, 1, 1)}, "a date after today"),
    ],
)
def test_an_invalid_pause_request_is_refused(fields: dict[str, Any], sentence: str) -> None:
    tenant = make_tenant()
    with pytest.raises(Refused, match=sentence):
        pause_tenant(tenant, **fields)
    assert not reload(tenant).is_paused


def test_a_paused_tenant_cannot_be_paused_again() -> None:
    tenant = make_tenant(is_paused=True, standing=TenantStatus.PAUSED)
    with pytest.raises(Refused, match="already paused"):
        pause_tenant(tenant)


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.OPERATOR])
def test_only_trust_and_safety_and_admins_pause_and_resume(role: Role) -> None:
    with pytest.raises(NotAllowed):
        pause_tenant(make_tenant(), actor=make_staff(role))
    with pytest.raises(NotAllowed):
        pause_services.resume(tenant=make_tenant(is_paused=True), because="fine", actor=make_staff(role))


def test_the_log_has_the_request_for_staff_and_the_confirmation_for_the_customer(sandbox: Sandbox) -> None:
    tenant, tess = set_up_tenant(), make_tess()
    pause_tenant(tenant, actor=tess, bulk_id="chg_bulk")
    asked, paused = Change.objects.filter(what__in=("tenant.pause_asked", "tenant.paused")).order_by("pk")
    assert (asked.actor_name, asked.because, asked.bulk_id) == (tess.email, "Spam traps were hit.", "chg_bulk")
    assert asked.for_staff
    assert (paused.what, paused.actor_kind, paused.for_staff) == ("tenant.paused", "worker", False)
    assert paused.after == {"standing": "paused", "staff": "DISABLED"}
    assert len(paused.aws_request_ids) == 2  # the call, and the read that confirms it


@pytest.mark.parametrize("cause", ["", "Status manually updated."])
def test_resuming_our_own_pause_sets_enabled_whatever_cause_ses_reports(sandbox: Sandbox, cause: str) -> None:
    sandbox.control.set_beliefs(manual_cause=cause)
    tenant = set_up_tenant()
    pause_tenant(tenant)
    assert (tenant.staff_cause, predict_resume(tenant).sentence[:15]) == (cause, "Sending resumes")
    pause_services.resume(tenant=tenant, because="The list is clean.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.staff_status, tenant.pause_is_ours) == (TenantStatus.ACTIVE, "ENABLED", False)


@pytest.mark.parametrize("cause", ["", "Status manually updated."])
def test_resuming_a_manual_pause_reinstates_and_the_page_says_so(sandbox: Sandbox, cause: str) -> None:
    sandbox.control.set_beliefs(manual_cause=cause)
    tenant = set_up_tenant()
    lifecycle_gateway.set_status(tenant.arn, SendingStatus.DISABLED)
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert "by its policy or in the SES console" in predict_resume(tenant).sentence
    pause_services.resume(tenant=tenant, because="We looked at it.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    assert reload(tenant).staff_status == "REINSTATED"


def test_a_pause_in_addition_to_the_policys_is_not_ours_alone(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "COMPLAINT", "HIGH")
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant = reload(tenant)
    pause_tenant(tenant)
    assert (tenant.is_paused, tenant.pause_is_ours) == (True, False)


def test_a_resume_is_confirmed_by_a_read(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    pause_services.resume(tenant=tenant, because="The list is clean.", actor=make_tess())
    assert (tenant.is_paused, tenant.pause_text, tenant.standing) == (False, "", TenantStatus.RESUMING)
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.staff_status) == (TenantStatus.ACTIVE, "ENABLED")
    assert Change.objects.filter(what="tenant.resumed").count() == 1


def test_resuming_despite_open_findings_reinstates(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    pause_services.resume(tenant=tenant, because="They sorted it out.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.staff_status) == (TenantStatus.ACTIVE, "REINSTATED")


def test_a_finding_below_the_policys_limit_needs_no_reinstatement(sandbox: Sandbox) -> None:
    tenant = set_up_tenant(policy="standard")
    pause_tenant(tenant)
    sandbox.control.set_finding(tenant.name, "BOUNCE", "LOW")
    pause_services.resume(tenant=tenant, because="They sorted it out.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    assert reload(tenant).staff_status == "ENABLED"


def test_a_tenant_paused_by_the_policy_is_reinstated(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "COMPLAINT", "HIGH")
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.is_paused) == (TenantStatus.PAUSED, False)
    pause_services.resume(tenant=tenant, because="We looked at it.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.staff_status) == (TenantStatus.ACTIVE, "REINSTATED")


def test_a_suspension_by_aws_cannot_be_resumed_and_the_refusal_says_who_can(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name, "Phishing was seen.")
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert tenant.standing == TenantStatus.SUSPENDED
    with pytest.raises(Refused, match="AWS Support") as refused:
        pause_services.resume(tenant=tenant, because="please", actor=make_tess())
    assert refused.value.code == "SUSPENDED_BY_AMAZON"


def test_a_tenant_suspended_during_a_resume_is_suspended_and_our_pause_lifted(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    pause_services.resume(tenant=tenant, because="The list is clean.", actor=make_tess())
    sandbox.control.suspend_tenant(tenant.name)
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.staff_status, tenant.is_under_way) == (TenantStatus.SUSPENDED, "ENABLED", False)


def test_a_pause_of_a_suspended_tenant_can_be_taken_back_and_the_suspension_stays(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    status_services.read_tenant(tenant_id=tenant.pk)
    pause_tenant(tenant)
    pause_services.resume(tenant=tenant, because="The wrong tenant.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.staff_status, tenant.is_paused) == (TenantStatus.SUSPENDED, "ENABLED", False)
    sandbox.control.release_tenant(tenant.name)
    status_services.read_tenant(tenant_id=tenant.pk)
    assert reload(tenant).standing == TenantStatus.ACTIVE


def test_an_active_tenant_cannot_be_resumed() -> None:
    with pytest.raises(Refused, match="is not paused"):
        pause_services.resume(tenant=make_tenant(), because="please", actor=make_tess())


def test_the_newest_request_counts(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant, applied=False)
    pause_services.resume(tenant=tenant, because="A mistake.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    assert reload(tenant).standing == TenantStatus.ACTIVE
    assert reputation_entity_in_ses(tenant)["CustomerManagedStatus"]["Status"] == "ENABLED"


def test_a_pause_lifted_in_ses_is_unconfirmed_and_can_be_applied_again(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    set_status_in_ses(tenant, "ENABLED")
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant = reload(tenant)
    assert (tenant.standing, tenant.is_paused) == (TenantStatus.UNDONE, True)
    assert Change.objects.get(what="tenant.standing").actor_kind == "worker"  # somebody in SES, not AWS
    pause_services.reapply_status(tenant=tenant, because="Nobody told us why.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    assert reload(tenant).standing == TenantStatus.PAUSED


def test_a_status_set_in_ses_can_be_accepted(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    set_status_in_ses(tenant, "ENABLED")
    status_services.read_tenant(tenant_id=tenant.pk)
    pause_services.accept_status(tenant=tenant, because="The operators agreed.", actor=make_tess())
    assert (tenant.is_paused, tenant.standing, tenant.pause_told) == (False, TenantStatus.ACTIVE, "")
    with pytest.raises(Refused, match="already has its requested status"):
        pause_services.accept_status(tenant=tenant, because="again", actor=make_tess())


def send_emails(tenant: Tenant) -> list[str]:

    jobs = ProcrastinateJob.objects.filter(task_name="tenants.tell", args__tenant_id=tenant.pk, status="todo")
    for job in jobs.order_by("id"):
        status_services.notify_owners(**job.args)
    return [str(message.subject) for message in mail.outbox]


def test_owners_are_emailed_once_about_a_pause(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    alice = make_member(tenant.customer, email="alice@alice.example")
    pause_tenant(tenant, told="Please clean your list.")
    status_services.read_tenant(tenant_id=tenant.pk)
    assert send_emails(tenant) == [f"Sending for {tenant.customer} is paused"]
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert "Please clean your list." in message.body
    assert "Spam traps" not in message.body


def test_a_delayed_email_about_an_ended_pause_is_not_sent(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    make_member(tenant.customer)
    pause_tenant(tenant)
    pause_services.resume(tenant=tenant, because="The list is clean.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    assert send_emails(tenant) == [f"Sending for {tenant.customer} is enabled again"]


def test_owners_are_emailed_once_about_a_suspension(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    make_member(tenant.customer)
    sandbox.control.suspend_tenant(tenant.name)
    status_services.read_tenant(tenant_id=tenant.pk)
    status_services.read_tenant(tenant_id=tenant.pk)
    assert send_emails(tenant) == [f"Amazon SES has suspended sending for {tenant.customer}"]


def test_staff_are_reminded_once_of_a_review(sandbox: Sandbox) -> None:
    tess, olga = make_tess(), make_staff(Role.OPERATOR)
    today = timezone.localdate()
    tomorrow = today + timedelta(days=1)
    tenant = set_up_tenant()
    pause_tenant(tenant, actor=tess, review_on=tomorrow)
    assert pause_services.remind_of_reviews(today=today) == 0
    assert pause_services.remind_of_reviews(today=tomorrow) == 1
    assert pause_services.remind_of_reviews(today=tomorrow) == 0
    (message,) = mail.outbox
    assert tess.email in message.to
    assert olga.email not in message.to
    assert tenant.name in message.body


def test_a_review_can_prolong_the_pause() -> None:
    tenant = make_tenant(is_paused=True, standing=TenantStatus.PAUSED, pause_review_on=timezone.localdate())
    later = timezone.localdate() + timedelta(days=7)
    pause_services.keep_paused(tenant=tenant, because="Still under review.", review_on=later, actor=make_tess())
    assert (tenant.pause_review_on, tenant.standing) == (later, TenantStatus.PAUSED)
    with pytest.raises(Refused, match="is not paused"):
        pause_services.keep_paused(tenant=make_tenant(), because="Why not.", review_on=later, actor=make_tess())
