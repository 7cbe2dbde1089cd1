"""All tenants are read page by page; a pass continues where it stopped, and unchanged tenants are cheap."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsProblem
from sandbox.aws.state import regions
from sandbox.process import Sandbox
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.models.tenants import SesAccount, Tenant
from tenants.status.core import TenantStatus
from tenants.status_pass import services as status_pass_services
from tests.factories import make_staff
from tests.tenants.factories import set_up_tenant

pytestmark = pytest.mark.django_db


def test_tenants_are_read_in_pages_together_with_the_account(sandbox: Sandbox) -> None:
    tenants = [set_up_tenant() for _ in range(3)]
    sandbox.control.suspend_tenant(tenants[1].name)
    sandbox.control.clear_calls()
    assert status_pass_services.read_all(now=timezone.now()) == 3
    assert sandbox.control.call_counts() == {"GetAccount": 1, "ListReputationEntities": 1}
    standings = Tenant.objects.order_by("created_at").values_list("standing", flat=True)
    assert list(standings) == ["active", "suspended", "active"]


def test_a_failed_page_changes_no_tenant(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    sandbox.control.add_fault("error", "ListReputationEntities")
    with pytest.raises(AwsProblem):
        status_pass_services.read_all(now=timezone.now())
    assert Tenant.objects.get(pk=tenant.pk).standing == TenantStatus.ACTIVE


def test_staff_see_since_when_no_status_could_be_read(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tenant keeps its last status meanwhile, which may no longer be true."""
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    set_up_tenant()
    client.force_login(make_staff(Role.SUPPORT))
    url, unread = reverse("tenants:list"), "statuses-unread"
    assert unread not in client.get(url).text
    since = []
    for _ in range(2):
        sandbox.control.add_fault("denied", "ListReputationEntities")
        with pytest.raises(AwsDenied):
            status_pass_services.read_all(now=timezone.now())
        since.append(SesAccount.objects.get().pass_failing_since)
    assert since[0] == since[1] is not None
    page = client.get(url).text
    assert unread in page
    assert "AWS denied access" in page
    status_pass_services.read_all(now=timezone.now())
    assert unread not in client.get(url).text


def _queries_of_a_pass() -> int:
    with CaptureQueriesContext(connection) as queries:
        status_pass_services.read_all(now=timezone.now())
    return len(queries)


def test_unchanged_tenants_need_no_query_of_their_own(sandbox: Sandbox) -> None:
    set_up_tenant()
    status_pass_services.read_all(now=timezone.now())
    single = _queries_of_a_pass()
    for _ in range(3):
        set_up_tenant()
    status_pass_services.read_all(now=timezone.now())
    before = timezone.now()
    assert _queries_of_a_pass() == single
    assert Tenant.objects.filter(read_at__gt=before, read_problem="").count() == 4


def test_throttling_during_a_pass_keeps_its_results_and_position(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    monkeypatch.setattr(lifecycle_gateway, "PAGE", 1)
    tenants = [set_up_tenant() for _ in range(3)]
    for tenant in tenants:
        sandbox.control.suspend_tenant(tenant.name)
    sandbox.control.add_fault("throttle", "ListReputationEntities", nth=2)
    with pytest.raises(AwsBusy):
        status_pass_services.read_all(now=timezone.now())
    assert Tenant.objects.filter(standing=TenantStatus.SUSPENDED).count() == 1
    sandbox.control.clear_calls()
    assert status_pass_services.read_all(now=timezone.now()) == 2
    assert sandbox.control.call_counts() == {"GetAccount": 1, "ListReputationEntities": 2}
    assert Tenant.objects.filter(standing=TenantStatus.SUSPENDED).count() == 3
    assert SesAccount.objects.get().pass_place == ""


def test_a_position_that_ses_rejects_is_discarded(sandbox: Sandbox) -> None:
    set_up_tenant()
    status_pass_services.read_all(now=timezone.now())
    SesAccount.objects.update(pass_place="of another day")
    with pytest.raises(AwsProblem):
        status_pass_services.read_all(now=timezone.now())
    assert status_pass_services.read_all(now=timezone.now()) == 1


def _drop_reputation(tenant: Tenant) -> None:
    for _, state in regions():
        if tenant.name in state.tenants:
            state.tenants[tenant.name].has_reputation = False


def test_a_tenant_that_never_sent_is_read_once_a_day(sandbox: Sandbox) -> None:
    _drop_reputation(set_up_tenant())
    assert status_pass_services.read_all(now=timezone.now()) == 1  # it was listed before
    assert status_pass_services.read_all(now=timezone.now()) == 0
    assert status_pass_services.read_all(now=timezone.now() + timedelta(days=2)) == 1
    assert Tenant.objects.get().read_problem == ""


def test_a_missing_tenant_that_was_listed_before_is_noticed_at_once(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    status_pass_services.read_all(now=timezone.now())
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    status_pass_services.read_all(now=timezone.now())
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.read_problem != "") == (TenantStatus.UNKNOWN, True)
