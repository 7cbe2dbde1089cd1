"""A pause of ours that somebody ended in SES is not over here: it is not told as over, and can be repeated."""

from functools import partial

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import MemberRole
from accounts.roles import Role
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from notifications.models.webhooks import Event
from operations.pause import services as operations_pause_services
from sandbox.process import Sandbox
from tenants.customer_notices.core import RESUMED
from tenants.lifecycle.selectors import banner_for, customer_sentence, layers_of
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tenants.status import core
from tenants.status import services as status_services
from tenants.status_pass import services as status_pass_services
from tests.factories import make_member, make_staff
from tests.tenants.factories import jobs_of, make_tess, pause_tenant, reputation_entity_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


def read(tenant: Tenant) -> Tenant:
    status_services.read_tenant(tenant_id=tenant.pk)
    return Tenant.objects.get(pk=tenant.pk)


def set_in_ses(tenant: Tenant, status: str) -> None:
    aws.client("sesv2").update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, SendingStatus=status
    )


@pytest.fixture
def undone(sandbox: Sandbox) -> Tenant:
    """Return a paused tenant that somebody enabled in SES, as it is read."""
    tenant = set_up_tenant()
    make_member(tenant.customer, role=MemberRole.OWNER, email="owner@northwind.com")
    pause_tenant(tenant, stops_receiving=True)
    tell(tenant)
    mail.outbox.clear()
    set_in_ses(tenant, "ENABLED")
    return read(tenant)


def tell(tenant: Tenant) -> list[str]:
    """Send every email that a status of the tenant can cause, as its jobs do. Returns the subjects that were due."""
    if "tenants.tell" in jobs_of(tenant):
        for what in ("paused", "suspended", RESUMED):
            status_services.notify_owners(tenant_id=tenant.pk, what=what)
    return [str(each.subject) for each in mail.outbox]


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(state=AlertState.OPEN).order_by("kind").values_list("kind", flat=True))


def events() -> list[tuple[str, str]]:
    sent = Event.objects.filter(event__in=("tenant.paused", "tenant.suspended", "tenant.resumed"))
    return list(sent.order_by("at", "pk").values_list("event", "data__by"))


def test_the_customer_is_not_told_that_sending_is_enabled(undone: Tenant) -> None:
    status_services.notify_owners(tenant_id=undone.pk, what=RESUMED)
    assert [mail.outbox, events()] == [[], [("tenant.paused", "staff")]]
    banner = banner_for(undone)
    assert banner is not None
    assert "Mail to your addresses isn’t delivered to you" in banner.goes_on
    assert "Some mail may still be sent" in banner.told
    assert "enabled" not in customer_sentence(undone)


def test_staff_get_an_alert_until_it_is_paused_again(undone: Tenant) -> None:
    alert = Alert.objects.get(kind="tenant.pause_undone", state=AlertState.OPEN)
    assert alert.severity == "high"
    assert not Alert.objects.filter(kind="sending.rejected").exists()
    pause_tenant(undone, applied=False)
    assert open_alerts() == ["tenant.pause_undone"]
    pause_services.apply_status(tenant_id=undone.pk)
    assert open_alerts() == []


def test_pages_say_it_and_offer_to_pause_again(undone: Tenant) -> None:
    client = Client()
    client.force_login(make_staff(Role.TRUST_AND_SAFETY, email="t@staff.example"))
    page = client.get(reverse("tenants:detail", args=[undone.pk])).text
    assert "The pause was undone in SES" in page
    assert "Not paused by our team" not in page
    assert "It stays stopped until the tenant is resumed" in page
    assert reverse("operations:pause", args=[undone.pk]) in page
    assert "hx-trigger" not in page  # nothing is on its way
    assert layers_of(undone)[2].cause == core.UNDONE
    assert "held_up" in client.get(reverse("tenants:list") + "?show=held_up").text
    assert undone.name in client.get(reverse("tenants:list") + "?show=held_up").text
    preview = operations_pause_services.preview(tenant=undone)
    assert (preview.changes_anything, "undone in SES" in preview.outcome) == (True, True)
    with pytest.raises(Refused, match="ended the pause in SES"):
        pause_services.retry_status(tenant=undone, actor=make_tess())


def test_it_is_paused_again_with_receiving_still_stopped(undone: Tenant) -> None:
    pause_tenant(undone, reason="phishing", stops_receiving=False)
    assert reputation_entity_in_ses(undone)["CustomerManagedStatus"]["Status"] == "DISABLED"
    assert (undone.standing, undone.pause_reason, undone.stops_receiving) == ("paused", "phishing", True)
    assert (undone.status_problem, undone.pause_is_undone) == ("", False)
    with pytest.raises(Refused, match="already paused"):
        pause_tenant(undone)


def test_a_review_does_not_keep_a_pause_that_ses_does_not_have(undone: Tenant) -> None:
    tess = make_tess()
    keep = partial(pause_services.keep_paused, because="Still sends spam.", review_on=None, actor=tess)
    with pytest.raises(Refused, match="mail may be sent"):
        keep(tenant=undone)
    client = Client()
    client.force_login(tess)
    page = client.get(reverse("tenants:keep", args=[undone.pk])).text
    assert "can’t be kept paused" in page
    assert ">Keep paused<" not in page
    pause_tenant(undone, applied=False)
    with pytest.raises(Refused, match="hasn’t confirmed the pause"):
        keep(tenant=undone)
    pause_services.apply_status(tenant_id=undone.pk)
    keep(tenant=undone)


def test_everything_says_that_mail_is_sent_and_not_that_a_pause_is_under_way(undone: Tenant) -> None:
    assert undone.standing == "undone"
    client = Client()
    client.force_login(make_tess())
    detail, api = reverse("tenants:detail", args=[undone.pk]), f"/api/v2/tenants/{undone.pk}"
    assert "The pause was undone in SES. Mail is sent." in client.get(detail).text
    assert client.get(api).json()["standing"] == "undone"
    assert "undone" in list_of(client, "tenants:list", show="undone")
    assert "1 tenant is sending: the pause was undone in SES" in client.get(reverse("operations:overview")).text


def list_of(client: Client, name: str, **query: str) -> str:
    return client.get(reverse(name), query).text


def test_a_pause_that_is_set_again_in_ses_is_no_problem_any_more(undone: Tenant) -> None:
    set_in_ses(undone, "DISABLED")
    tenant = read(undone)
    assert (tenant.standing, tenant.status_problem, open_alerts()) == ("paused", "", [])


@pytest.mark.parametrize("by", [pause_services.resume, pause_services.accept_status])
def test_the_customer_is_told_once_staff_decide_that_it_may_send(undone: Tenant, by: object) -> None:
    assert callable(by)
    by(tenant=undone, because="The list is clean.", actor=make_tess())
    pause_services.apply_status(tenant_id=undone.pk)
    tenant = read(undone)
    assert tell(tenant) == [f"Sending for {tenant.customer.name} is enabled again"]
    assert jobs_of(tenant).count("tenants.tell") == 1 + 1  # of the first pause, and of this
    assert events() == [("tenant.paused", "staff"), ("tenant.resumed", "staff")]
    assert (tenant.standing, tenant.status_problem, open_alerts()) == ("active", "", [])


def test_a_pause_that_is_ended_in_ses_under_a_suspension_can_be_repeated(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    pause_tenant(tenant)
    set_in_ses(tenant, "ENABLED")
    tenant = read(tenant)
    assert (tenant.standing, tenant.pause_is_undone) == ("suspended", True)
    assert "tenant.pause_undone" in open_alerts()
    pause_tenant(tenant)
    sandbox.control.release_tenant(tenant.name)
    assert read(tenant).standing == "paused"


BY = {"policy": "policy", "hand": "outside"}


@pytest.mark.parametrize("stop", ["policy", "hand", "aws"])
def test_a_pause_of_a_stopped_tenant_reaches_the_owners(sandbox: Sandbox, stop: str) -> None:
    """SES sends nothing before and after, but our reason and message are new to them."""
    tenant = set_up_tenant()
    make_member(tenant.customer, role=MemberRole.OWNER, email="owner@northwind.com")
    if stop == "policy":
        sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    elif stop == "hand":
        set_in_ses(tenant, "DISABLED")
    else:
        sandbox.control.suspend_tenant(tenant.name)
    tenant = read(tenant)
    ProcrastinateJob.objects.all().delete()
    pause_tenant(tenant, told="Please call us at once.")
    assert jobs_of(tenant).count("tenants.tell") == 1
    mail.outbox.clear()
    status_services.notify_owners(tenant_id=tenant.pk, what="paused")
    (sent,) = mail.outbox
    assert sent.subject == f"Sending for {tenant.customer.name} is paused"
    assert "Please call us at once." in sent.body
    first = ("tenant.suspended", "amazon") if stop == "aws" else ("tenant.paused", BY[stop])
    assert events() == [first, ("tenant.paused", "staff")]
    read(tenant)
    assert jobs_of(tenant).count("tenants.tell") == 1


def test_a_pause_that_was_undone_before_an_update_is_found_by_the_next_pass(undone: Tenant) -> None:
    """The version before stored it as enabled, and SES's answer has not changed since."""
    Alert.objects.all().delete()
    Tenant.objects.filter(pk=undone.pk).update(standing="active", status_problem="")
    status_pass_services.read_all(now=timezone.now())
    undone.refresh_from_db()
    assert (undone.standing, undone.pause_is_undone, bool(undone.status_problem)) == ("undone", True, True)
    assert open_alerts() == ["tenant.pause_undone"]
    assert tell(undone) == []
