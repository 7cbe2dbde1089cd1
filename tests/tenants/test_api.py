"""The tenant API: what customers and staff see, and that slow work is accepted at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.roles import Role
from audit.models import ActorKind, Change
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.models.reputation import Finding, RateSample
from tenants.models.tenants import Tenant, TenantStage
from tests.api_client import Api, api_of, ok, refused
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
TENANTS = "/api/v2/tenants"


@pytest.fixture
def olga() -> Api:
    return api_of(make_staff(Role.OPERATOR), "read", "write", "staff", name="deploy")


def test_a_customer_sees_their_tenants_status_without_staff_notes() -> None:
    customer = make_customer("Alice Ltd")
    paused = {"is_paused": True, "standing": "paused", "pause_text": "secret note", "pause_told": "Clean your list."}
    tenant = make_tenant(customer, **paused)
    make_tenant(make_customer("Bob Ltd"))
    alice = api_of(make_member(customer))
    (row,) = ok(alice.get(TENANTS))["data"]
    assert (row["id"], row["standing"], row["told"]) == (tenant.pk, "paused", "Clean your list.")
    one = alice.get(f"{TENANTS}/{tenant.pk}")
    assert not {"forStaff", "layers"} & set(ok(one))
    assert "secret note" not in one.content.decode()


def test_staff_see_each_layer_and_the_status_from_ses(olga: Api) -> None:
    tenant = make_tenant(bounce_rate=0.02)
    one = ok(olga.get(f"{TENANTS}/{tenant.pk}"))
    assert (one["forStaff"]["amazonStatus"], one["forStaff"]["bounceRate"]) == ("ENABLED", 0.02)
    assert one["forStaff"]["complaintRate"] is None  # unknown, which isn't 0
    assert [layer["name"] for layer in one["layers"]][:3] == ["account", "amazon", "staff"]


def test_a_tenant_is_created_by_the_worker_and_its_status_url_shows_when_it_is_ready(
    olga: Api, sandbox: Sandbox
) -> None:
    customer = make_customer("Alice Ltd")
    begun = ok(olga.post(TENANTS, {"customerId": customer.pk, "policy": "strict"}), 202)
    assert ok(olga.get(begun["statusUrl"]))["stage"] == "creating"
    lifecycle_services.create_in_ses(tenant_id=begun["id"])
    created = ok(olga.get(begun["statusUrl"]))
    assert (created["stage"], created["standing"], created["forStaff"]["policy"]) == ("ready", "active", "strict")
    refused(olga.post(TENANTS, {"customerId": customer.pk}), 409, "TENANT_EXISTS")
    refused(olga.post(TENANTS, {"customerId": "cus_none"}), 400, "CUSTOMER_MISSING")
    sam = api_of(make_staff(Role.SUPPORT))
    assert sam.post(TENANTS, {"customerId": "cus_none"}).status_code == 403  # permission first


def test_a_change_by_an_api_key_is_logged_with_the_key_and_its_person(olga: Api) -> None:
    tenant = make_tenant()
    ok(olga.put(f"{TENANTS}/{tenant.pk}/policy", {"policy": "none", "because": "They are ours."}), 202)
    change = Change.objects.get(what="tenant.policy")
    assert change.actor_kind == ActorKind.KEY
    assert "with API key deploy (" in change.actor_name
    assert change.because == "They are ours."


def test_deleting_a_tenant_requires_its_name(olga: Api) -> None:
    tenant = make_tenant(name="northwind")
    refused(olga.delete(f"{TENANTS}/{tenant.pk}"), 422, "NAME_NOT_TYPED")
    ok(olga.delete(f"{TENANTS}/{tenant.pk}?confirm=northwind"), 202)
    assert Tenant.objects.get().stage == TenantStage.DELETING


def test_rates_are_listed_by_hour_and_unmeasured_ones_are_null(olga: Api) -> None:
    tenant, now = make_tenant(bounce_rate=0.2), timezone.now()
    for hours, bounce, sent in ((1, None, 10.0), (2, 0.2, 5.0), (24 * 9, 0.1, 1.0)):
        at = now - timedelta(hours=hours)
        RateSample.objects.create(tenant=tenant, region=tenant.region, at=at, bounce=bounce, sent=sent)
    reputation = ok(olga.get(f"{TENANTS}/{tenant.pk}/reputation", days=7))
    assert [hour["bounceRate"] for hour in reputation["hours"]] == [0.2, None]
    assert (reputation["sent"], reputation["risk"] > 0) == (15.0, True)
    assert ok(olga.get(f"{TENANTS}/{tenant.pk}/reputation", days=30))["sent"] == 16.0
    refused(olga.get(f"{TENANTS}/{tenant.pk}/reputation", days=31), 400, "MALFORMED")
    assert ok(olga.get("/api/v2/account/reputation"))["sent"] is None


def test_findings_are_listed_with_our_titles_by_state(olga: Api) -> None:
    tenant, now = make_tenant(), timezone.now()
    Finding.objects.create(tenant=tenant, kind="BOUNCE", impact="HIGH", status="OPEN", opened_at=now)
    Finding.objects.create(tenant=tenant, kind="DKIM", impact="LOW", status="FIXED", opened_at=now, over_at=now)
    address = f"{TENANTS}/{tenant.pk}/findings"
    assert [row["title"] for row in ok(olga.get(address))["data"]] == ["High bounce rate"]
    assert [row["kind"] for row in ok(olga.get(address, state="over"))["data"]] == ["DKIM"]
    assert ok(olga.get(address, state="all"))["pagination"]["total"] == 2


def test_a_read_can_be_requested_every_30_seconds(olga: Api) -> None:
    address = f"{TENANTS}/{make_tenant().pk}/reputation"
    ok(olga.post(address), 202)
    answer = olga.post(address)
    refused(answer, 429, "RATE_LIMITED")
    assert answer["Retry-After"] == "30"
