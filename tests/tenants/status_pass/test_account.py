"""Sending that is stopped for our whole AWS account: seen by everybody, and nobody reads that mail is sent."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import MemberRole, User
from accounts.roles import Role
from inbound_admin.lib import aws
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from notifications.models.webhooks import Event
from operations.pause.selectors import predict_resume
from sandbox.process import Sandbox
from tenants.customer_notices.core import NOBODY_SENDS, RESUMED
from tenants.models.tenants import SesAccount, Tenant
from tenants.pause import services as pause_services
from tenants.status import services as status_services
from tenants.status.core import ACCOUNT_STOPPED
from tenants.status_pass import services as status_pass_services
from tenants.tasks import read
from tests.factories import make_member, make_staff
from tests.tenants.factories import make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db
TITLE = "Sending is stopped for our whole AWS account"


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def tenant(sandbox: Sandbox) -> Tenant:
    found = set_up_tenant()
    make_member(found.customer, role=MemberRole.OWNER, email="owner@northwind.com")
    Tenant.objects.filter(pk=found.pk).update(sends_since=timezone.now())
    return Tenant.objects.get(pk=found.pk)


def set_account(sandbox: Sandbox, enforcement: str, *, sends: bool) -> None:
    sandbox.control.set_account("eu-west-1", enforcement=enforcement, sending_enabled=sends)
    status_pass_services.read_account()


STOPS = [("SHUTDOWN", False), ("SHUTDOWN", True), ("HEALTHY", False)]


@pytest.mark.parametrize(("enforcement", "sends"), STOPS)
def test_every_page_export_and_answer_of_the_api_says_it(
    sandbox: Sandbox, tenant: Tenant, enforcement: str, sends: bool
) -> None:
    set_account(sandbox, enforcement, sends=sends)
    tess = client_of(make_tess())
    pages = {name: tess.get(reverse(f"tenants:{name}")).text for name in ("list", "account")}
    pages["detail"] = tess.get(reverse("tenants:detail", args=[tenant.pk])).text
    pages["overview"] = tess.get(reverse("operations:overview")).text
    assert {name for name, page in pages.items() if TITLE not in page} == set()
    assert "Account stopped" in pages["list"]
    assert "Account stopped" in pages["detail"]
    assert "Sending is enabled." not in pages["detail"]
    for person in (make_tess(), tenant.customer.memberships.get().user):
        shown = client_of(person).get(f"/api/v2/tenants/{tenant.pk}").json()
        assert (shown["accountStopped"], shown["sentence"]) == (True, ACCOUNT_STOPPED)
    state = tess.get("/api/v2/account/reputation").json()["state"]
    assert (state["stopped"], state["enforcement"], state["sends"]) == (True, enforcement, sends)
    exported = tess.get(reverse("tenants:export", args=["json"])).getvalue()
    assert [row["account_stopped"] for row in json.loads(exported)] == ["yes"]


def test_nobody_is_told_that_a_customer_can_send_again_while_the_account_is_stopped(
    sandbox: Sandbox, tenant: Tenant
) -> None:
    pause_tenant(tenant)
    set_account(sandbox, "SHUTDOWN", sends=False)
    tenant = Tenant.objects.get(pk=tenant.pk)
    assert ACCOUNT_STOPPED in predict_resume(tenant).sentence
    pause_services.resume(tenant=tenant, because="Cleaned up.", actor=make_tess())
    pause_services.apply_status(tenant_id=tenant.pk)
    mail.outbox.clear()
    status_services.notify_owners(tenant_id=tenant.pk, what=RESUMED)
    (sent,) = mail.outbox
    assert "again" not in f"{sent.subject} {sent.body}"
    assert NOBODY_SENDS in sent.body
    event = Event.objects.get(event="tenant.resumed")
    assert (event.data["account_stopped"], event.data["why"]) == (True, ACCOUNT_STOPPED)


def alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.filter(kind="account.reputation").order_by("since").values_list("state", "severity"))


def test_staff_are_alerted_of_a_review_again_of_a_stop_and_of_the_end(sandbox: Sandbox) -> None:
    for role in (Role.TRUST_AND_SAFETY, Role.OPERATOR, Role.SUPPORT):
        make_staff(role)
    status_pass_services.read_account()
    assert alerts() == []
    set_account(sandbox, "PROBATION", sends=True)
    assert alerts() == [(AlertState.OPEN, "medium")]
    assert "reviewing" in Alert.objects.get().why
    told = Alert.objects.get().told_at
    assert Alert.objects.get().notices.count() == 3
    set_account(sandbox, "SHUTDOWN", sends=False)
    assert alerts() == [(AlertState.OPEN, "high")]
    assert Alert.objects.get().told_at != told
    assert ACCOUNT_STOPPED in Alert.objects.get().why
    set_account(sandbox, "HEALTHY", sends=True)
    assert alerts() == [(AlertState.RECOVERED, "high")]


def test_a_failed_read_of_the_account_ends_no_alert_and_is_shown(
    sandbox: Sandbox, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    set_account(sandbox, "SHUTDOWN", sends=False)
    sandbox.control.add_fault("denied", "GetAccount", times=None)
    status_pass_services.read_account()
    assert alerts() == [(AlertState.OPEN, "high")]
    tess = client_of(make_tess())
    for page in (reverse("tenants:account"), reverse("tenants:detail", args=[tenant.pk])):
        text = tess.get(page).text
        assert TITLE in text
        assert "denied access" in text
    layer = tess.get(f"/api/v2/tenants/{tenant.pk}").json()["layers"][0]
    assert "denied access" in layer["problem"]
    assert layer["readAt"] is not None
    state = tess.get("/api/v2/account/reputation").json()["state"]
    assert (state["stopped"], "denied access" in state["problem"]) == (True, True)


def test_a_read_that_a_person_asks_for_reads_the_account_too_but_not_again_and_again(
    sandbox: Sandbox, tenant: Tenant
) -> None:
    reads = []
    for minutes in (0, 0, 2):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            read(tenant_id=tenant.pk)
        reads.append(SesAccount.objects.get().read_at)
    assert reads[0] == reads[1] != reads[2]
