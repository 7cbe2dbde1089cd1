"""Who can see which tenants, and how they are searched."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.roles import Role
from tenants.lifecycle import selectors as lifecycle_selectors
from tenants.lifecycle.selectors import TenantListFilters
from tenants.models.tenants import STOPPED, SendingStatus, Tenant, TenantStage
from tenants.status.core import TenantStatus
from tests.factories import make_member, make_staff, make_user
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db


def test_customers_see_only_their_own_tenant() -> None:
    alices, bobs = make_tenant(), make_tenant()
    alice, bob = make_member(alices.customer), make_member(bobs.customer)
    assert list(lifecycle_selectors.tenants_for(alice)) == [alices]
    assert list(lifecycle_selectors.tenants_for(bob)) == [bobs]
    assert not lifecycle_selectors.tenants_for(make_user()).exists()
    assert not lifecycle_selectors.find_tenants(viewer=alice, text=bobs.name).exists()
    assert not lifecycle_selectors.find_tenants(viewer=alice, text=bobs.arn).exists()


@pytest.mark.parametrize("role", list(Role))
def test_all_staff_see_every_tenant(role: Role) -> None:
    tenants = {make_tenant(), make_tenant()}
    assert set(lifecycle_selectors.tenants_for(make_staff(role))) == tenants


def test_tenants_are_found_by_name_customer_id_and_arn() -> None:
    sam, tenant, _ = make_staff(), make_tenant(), make_tenant()
    for text in (tenant.name.upper(), tenant.customer.name, tenant.pk, tenant.ses_id, tenant.arn):
        assert list(lifecycle_selectors.find_tenants(viewer=sam, text=text)) == [tenant]
    assert not lifecycle_selectors.find_tenants(viewer=sam, text="nothing").exists()


def test_the_list_is_sorted_by_risk_and_filtered_by_status_and_policy() -> None:
    sam = make_staff()
    low, high = make_tenant(risk=1), make_tenant(risk=9, standing=TenantStatus.PAUSED, policy="strict")
    assert list(lifecycle_selectors.find_tenants(viewer=sam)) == [high, low]
    assert list(lifecycle_selectors.find_tenants(viewer=sam, order="risk")) == [low, high]
    assert list(lifecycle_selectors.find_tenants(viewer=sam, order="nonsense")) == [high, low]
    assert list(lifecycle_selectors.find_tenants(viewer=sam, standing="paused")) == [high]
    assert list(lifecycle_selectors.find_tenants(viewer=sam, policy="standard")) == [low]


@pytest.mark.parametrize("order", list(lifecycle_selectors.ORDERS))
def test_every_sort_order_is_valid(order: str) -> None:
    make_tenant()
    assert lifecycle_selectors.find_tenants(viewer=make_staff(), order=order).count() == 1
    assert len(list(lifecycle_selectors.find_tenants(viewer=make_staff(), order=order))) == 1


def test_a_tenant_that_is_being_deleted_is_not_the_customers_tenant() -> None:
    tenant = make_tenant()
    assert lifecycle_selectors.tenant_of(tenant.customer) == tenant
    tenant.stage = TenantStage.DELETING
    tenant.save()
    assert lifecycle_selectors.tenant_of(tenant.customer) is None


def test_a_tenant_of_another_region_is_not_listed() -> None:
    tenant = make_tenant(region="ap-south-2")
    assert lifecycle_selectors.tenant_of(tenant.customer) is None
    assert not lifecycle_selectors.tenants_for(make_staff()).exists()


def test_pauses_are_due_for_review_on_their_date() -> None:
    today = timezone.localdate()
    due = make_tenant(is_paused=True, pause_review_on=today)
    make_tenant(is_paused=True, pause_review_on=today + timedelta(days=1))
    make_tenant(is_paused=False, pause_review_on=today)
    assert list(lifecycle_selectors.due_for_review(today)) == [due]


def test_the_capacity_shows_quota_share_and_monthly_cost(settings: Settings) -> None:
    settings.SES_TENANTS, settings.TENANT_MONTHLY_PRICE = 8, 0.5
    make_tenant()
    make_tenant()
    assert lifecycle_selectors.capacity().monthly_cost == 0  # a thousand tenants are included
    settings.TENANTS_INCLUDED = 0
    found = lifecycle_selectors.capacity()
    assert (found.count, found.quota, found.share, found.monthly_cost) == (2, 8, 0.25, 1.0)


def test_the_list_filters_by_the_policy_in_ses_and_exports_what_differs() -> None:
    changed = make_tenant(policy="standard", ses_policy="none", is_paused=True, pause_reason="spam", sends_since=None)
    new = make_tenant(policy="strict", ses_policy="", stage="creating", standing=TenantStatus.UNKNOWN)
    sam = make_staff(Role.SUPPORT)
    for policy, expected in (("none", [changed]), ("standard", []), ("strict", [new])):
        assert list(lifecycle_selectors.find_tenants(viewer=sam, policy=policy)) == expected
    (row,) = lifecycle_selectors.export_rows(viewer=sam, filters=TenantListFilters(policy="none"))
    assert (row["policy"], row["ses_policy"], row["is_paused"], row["pause_reason"]) == (
        "standard",
        "none",
        "yes",
        "spam",
    )
    assert row["sends_since"] == ""


def test_every_tenant_is_in_a_group_of_its_status() -> None:
    for standing in TenantStatus:
        make_tenant(standing=standing)
    make_tenant(stage="creating", standing=TenantStatus.UNKNOWN)
    counts = lifecycle_selectors.counts(viewer=make_staff(Role.SUPPORT), filters=TenantListFilters())
    groups = ("suspended", "paused", "pausing", "resuming", "active", "creating", "unknown")
    assert [counts[group] for group in groups] == [1] * 7


def test_queries_find_the_tenants_that_are_stopped() -> None:
    stops: list[dict[str, Any]] = [
        {"is_paused": True},
        {"stopped_as": TenantStatus.SUSPENDED},
        {"aggregate": SendingStatus.DISABLED},
        {"amazon_status": SendingStatus.DISABLED},
    ]
    stopped = {make_tenant(**fields).pk for fields in stops}
    make_tenant(staff_status=SendingStatus.DISABLED)
    assert {each.pk for each in Tenant.objects.all() if each.is_stopped} == stopped
    assert set(Tenant.objects.filter(STOPPED).values_list("pk", flat=True)) == stopped
