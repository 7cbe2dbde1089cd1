"""A worker that is slow is taken for dead, and another does its job. Where its call comes to Amazon late, after a newer
wish was carried out, the newer one is told again.
"""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.roles import Role
from benchmarks.faults.wire import Send, Wire, standing
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.status.core import TenantStatus
from tests.factories import make_staff
from tests.tenants.factories import entity_at_amazon, jobs_of, make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db


def carried_out_late(job: Callable[[], None], meanwhile: Callable[[], None]) -> None:
    """All of `meanwhile` happens before the job's first call reaches Amazon."""

    def late(plain: Send, request: Any) -> Any:
        meanwhile()
        return plain(request)

    with standing(Wire(at=1, act=late)) as wire:
        job()
    assert len(wire.calls) > 1


def test_a_pause_that_comes_late_does_not_outlive_the_resume(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant, carried_out=False)

    def meanwhile() -> None:
        pause_services.apply_status(tenant_id=tenant.pk)
        pause_services.resume(tenant=Tenant.objects.get(pk=tenant.pk), because="It is clean.", actor=make_tess())
        pause_services.apply_status(tenant_id=tenant.pk)
        assert entity_at_amazon(tenant)["SendingStatusAggregate"] == "ENABLED"

    carried_out_late(lambda: pause_services.apply_status(tenant_id=tenant.pk), meanwhile)
    tenant.refresh_from_db()
    assert entity_at_amazon(tenant)["SendingStatusAggregate"] == "DISABLED"  # Amazon does as it was told last
    assert (tenant.standing, tenant.is_under_way) == (TenantStatus.RESUMING, True)
    assert "tenants.status" in jobs_of(tenant)
    pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert entity_at_amazon(tenant)["SendingStatusAggregate"] != "DISABLED"
    assert (tenant.standing, tenant.is_under_way) == (TenantStatus.ACTIVE, False)


def test_the_same_pause_told_twice_is_proven_once_and_asks_for_nothing_more(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant, carried_out=False)

    def job() -> None:
        pause_services.apply_status(tenant_id=tenant.pk)

    carried_out_late(job, job)
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.is_under_way) == (TenantStatus.PAUSED, False)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ({"policy": "strict"}, {"policy": "none"}, "none"),
        ({"suppression": "tenant"}, {"suppression": "account"}, "account"),
    ],
)
def test_a_policy_or_list_that_comes_late_is_told_anew(
    sandbox: Sandbox, first: dict[str, str], second: dict[str, str], wanted: str
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
    carried_out_late(lambda: policy_services.apply_policy(tenant_id=tenant.pk), meanwhile)
    tenant.refresh_from_db()
    (name,) = first
    assert getattr(tenant, f"{name}_told") == ""
    assert "tenants.policy" in jobs_of(tenant)
    policy_services.apply_policy(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (getattr(tenant, name), getattr(tenant, f"{name}_told"), getattr(tenant, f"ses_{name}")) == (wanted,) * 3
