"""A slow worker is considered dead, and another one repeats its job. If its call reaches SES late, after a newer
request was applied, the newer request is applied again.
"""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.roles import Role
from benchmarks.faults.wire import Send, Wire, standing
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant, TenantResource
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tenants.status.core import TenantStatus
from tests.factories import make_staff
from tests.tenants.factories import (
    jobs_of,
    make_tess,
    pause_tenant,
    reputation_entity_in_ses,
    resources_in_ses,
    set_up_tenant,
)

pytestmark = pytest.mark.django_db


def apply_late(job: Callable[[], None], meanwhile: Callable[[], None]) -> None:
    """Run all of `meanwhile` before the job's first call reaches SES."""

    def send_late(plain: Send, request: Any) -> Any:
        meanwhile()
        return plain(request)

    with standing(Wire(at=1, act=send_late)) as wire:
        job()
    assert len(wire.calls) > 1


def test_a_late_pause_does_not_outlast_the_resume(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant, applied=False)

    def meanwhile() -> None:
        pause_services.apply_status(tenant_id=tenant.pk)
        pause_services.resume(tenant=Tenant.objects.get(pk=tenant.pk), because="It is clean.", actor=make_tess())
        pause_services.apply_status(tenant_id=tenant.pk)
        assert reputation_entity_in_ses(tenant)["SendingStatusAggregate"] == "ENABLED"

    apply_late(lambda: pause_services.apply_status(tenant_id=tenant.pk), meanwhile)
    tenant.refresh_from_db()
    assert reputation_entity_in_ses(tenant)["SendingStatusAggregate"] == "DISABLED"  # SES applies the last call
    assert (tenant.standing, tenant.is_under_way) == (TenantStatus.RESUMING, True)
    assert "tenants.status" in jobs_of(tenant)
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert reputation_entity_in_ses(tenant)["SendingStatusAggregate"] != "DISABLED"
    assert (tenant.standing, tenant.is_under_way) == (TenantStatus.ACTIVE, False)


def test_the_same_pause_applied_twice_is_confirmed_once_and_queues_nothing(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant, applied=False)

    def job() -> None:
        pause_services.apply_status(tenant_id=tenant.pk)

    apply_late(job, job)
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.is_under_way) == (TenantStatus.PAUSED, False)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"policy": "strict"}, {"policy": "none"}, "none"),
        ({"suppression": "tenant"}, {"suppression": "account"}, "account"),
    ],
)
def test_a_newer_policy_or_list_is_applied_again_after_a_late_one(
    sandbox: Sandbox, first: dict[str, str], second: dict[str, str], expected: str
) -> None:
    tenant, operator = set_up_tenant(), make_staff(Role.OPERATOR)

    def change(to: dict[str, str]) -> None:
        asked = {"policy": tenant.policy, "suppression": tenant.suppression} | to
        policy_services.change(tenant=tenant, because="A test.", actor=operator, **asked)

    def meanwhile() -> None:
        policy_services.apply_policy(tenant_id=tenant.pk)
        change(second)
        policy_services.apply_policy(tenant_id=tenant.pk)

    change(first)
    apply_late(lambda: policy_services.apply_policy(tenant_id=tenant.pk), meanwhile)
    tenant.refresh_from_db()
    (name,) = first
    assert getattr(tenant, f"{name}_told") == ""
    assert "tenants.policy" in jobs_of(tenant)
    policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (getattr(tenant, name), getattr(tenant, f"{name}_told"), getattr(tenant, f"ses_{name}")) == (expected,) * 3


def test_an_association_that_is_requested_while_it_is_removed_is_made_again(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").create_email_identity(EmailIdentity="alice.com")
    arn = aws.identity_arn("alice.com")

    def apply() -> None:
        resources_services.apply_associations(tenant_id=tenant.pk)

    resources_services.request_association(tenant=tenant, arn=arn)
    apply()
    resources_services.forget_association(tenant=tenant, arn=arn)

    def late(plain: Send, request: Any) -> Any:
        resources_services.request_association(tenant=tenant, arn=arn)
        return plain(request)

    with standing(Wire(at=1, act=late)):
        apply()
    assert "tenants.associate" in jobs_of(tenant)
    assert TenantResource.objects.get(arn=arn).associated_at is not None  # in the same pass, after the removal
    assert "identity/alice.com" in resources_in_ses(tenant.name)
