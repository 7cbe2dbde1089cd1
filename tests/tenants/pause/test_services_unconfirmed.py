"""Until a read since the request says so, no page, export or answer of the API shows a pause or resume as done."""

import pytest
from django.test import Client
from django.urls import reverse

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tests.tenants.factories import make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("wants_pause", [True, False])
def test_a_read_from_before_the_request_confirms_nothing_anywhere(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, wants_pause: bool
) -> None:
    """The answer to the opposite request was lost, so the last read is as wanted while SES has the opposite."""
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant, tess = set_up_tenant(), make_tess()
    if wants_pause:
        pause_tenant(tenant)
    sandbox.control.add_fault("cut_after", "UpdateReputationEntityCustomerManagedStatus")
    if wants_pause:
        pause_services.resume(tenant=tenant, because="Cleaned up.", actor=tess)
    else:
        pause_tenant(tenant, applied=False)
    with pytest.raises(AwsProblem):
        pause_services.apply_status(tenant_id=tenant.pk)
    if wants_pause:
        pause_tenant(tenant, applied=False)
    else:
        pause_services.resume(tenant=tenant, because="A mistake.", actor=tess)
    client = Client()
    client.force_login(tess)
    waits, never = ("pausing", "Sending is paused") if wants_pause else ("resuming", "Sending is enabled.")
    page = client.get(reverse("tenants:detail", args=[tenant.pk])).text
    assert (f'data-standing="{waits}"' in page, f"data-summary>{never}" in page) == (True, False)
    shown = client.get(f"/api/v2/tenants/{tenant.pk}").json()
    assert (shown["standing"], shown["layers"][2]["allows"]) == (waits, None)
    assert f",{waits}," in client.get(reverse("tenants:export", args=["csv"])).getvalue().decode()
    assert client.get(reverse("tenants:list"), {"show": "paused"}).text.count(tenant.name) == 0
    pause_services.apply_status(tenant_id=tenant.pk)
    assert Tenant.objects.get(pk=tenant.pk).standing == ("paused" if wants_pause else "active")
