"""A batch counts a pause once SES has confirmed it, and says whether the customer's mail stops."""

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import MemberRole
from accounts.roles import Role
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from notifications.models.webhooks import Event
from operations.models import Batch
from sandbox.process import Sandbox
from tenants.lifecycle.selectors import banner_for, customer_sentence
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tenants.status import services as status_services
from tenants.status_pass import services as status_pass_services
from tests.domains.factories import make_domain
from tests.factories import make_member, make_staff
from tests.tenants.factories import jobs_of, make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db
WORDS = {"reason": "spam", "text": "Forty reports.", "told": "We paused your sending: clean the list.", "review_on": ""}
PAUSE = "UpdateReputationEntityCustomerManagedStatus"


@pytest.fixture
def tess_client(client: Client) -> Client:
    client.force_login(make_staff(Role.TRUST_AND_SAFETY, email="tess@staff.example"))
    return client


def start(client: Client, tenant: Tenant, do: str = "pause", **words: str) -> str:
    """Start a batch of one tenant. Returns the URL of its page."""
    given = {**WORDS, **words, "tenant": [tenant.pk], "do": do}
    return str(client.post(reverse("operations:pause_many"), given)["Location"])


def read(tenant: Tenant) -> Tenant:
    status_services.read_tenant(tenant_id=tenant.pk)
    return Tenant.objects.get(pk=tenant.pk)


def test_a_pause_of_a_suspended_tenant_counts_once_ses_confirms_it(
    tess_client: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    sandbox.control.add_fault("denied", PAUSE, times=9)
    url = start(tess_client, tenant)
    with pytest.raises(AwsProblem):
        pause_services.apply_status(tenant_id=tenant.pk)
    page = tess_client.get(url).text
    assert "1 pausing." in page
    assert "The pause stays" not in page
    sandbox.control.clear_faults()
    pause_services.apply_status(tenant_id=tenant.pk)
    page = tess_client.get(url).text
    assert "1 paused." in page
    assert "The pause stays when AWS lifts the suspension." in page
    sandbox.control.release_tenant(tenant.name)
    assert read(tenant).standing == "paused"


def test_a_pause_on_top_of_one_by_the_policy_counts_once_ses_confirms_it(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    assert read(tenant).standing == "paused"
    url = start(tess_client, tenant)
    assert "1 pausing." in tess_client.get(url).text
    pause_services.apply_status(tenant_id=tenant.pk)
    assert "1 paused." in tess_client.get(url).text


def test_a_pause_that_was_ended_meanwhile_is_not_counted_as_paused(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    url = start(tess_client, tenant)
    pause_services.apply_status(tenant_id=tenant.pk)
    Tenant.objects.filter(pk=tenant.pk).update(is_paused=False)
    assert "1 changed." in tess_client.get(url).text


def test_a_batch_says_that_mail_still_leaves_while_sends_do_not_name_the_tenant(
    tess_client: Client, sandbox: Sandbox
) -> None:
    tenant = set_up_tenant(sends_at_once=False)
    preview = tess_client.get(reverse("operations:pause_many"), {"tenant": [tenant.pk], "do": "pause"}).text
    assert "Stops no mail yet" in preview
    assert "Sending stops." not in preview
    url = start(tess_client, tenant)
    pause_services.apply_status(tenant_id=tenant.pk)
    assert "Paused, confirmed by SES. This customer’s sends don’t name the tenant yet" in tess_client.get(url).text
    preview = tess_client.get(reverse("operations:pause_many"), {"tenant": [tenant.pk], "do": "resume"}).text
    assert "Sending resumes." not in preview
    assert Batch.objects.count() == 1


def test_a_pause_that_stops_no_mail_is_not_told_to_the_customer(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant(sends_at_once=False)
    make_member(tenant.customer, role=MemberRole.OWNER)
    review = tess_client.post(reverse("operations:pause", args=[tenant.pk]), {**WORDS, "step": "look"}).text
    assert "No email is sent" in review
    assert "The banner appears once the customer is migrated." in review
    pause_tenant(tenant)
    assert "tenants.tell" not in jobs_of(tenant)
    assert banner_for(tenant) is None
    assert customer_sentence(tenant) == "Sending is enabled."
    event = Event.objects.get(event="tenant.paused")
    assert (event.data["by"], event.data["through_tenant"]) == ("staff", False)
    assert event.data["why"] == "Sends don’t name this tenant yet, so no mail is stopped."


def test_a_pause_that_stops_only_receiving_tells_the_customer_that(sandbox: Sandbox) -> None:
    tenant = set_up_tenant(sends_at_once=False)
    make_member(tenant.customer, role=MemberRole.OWNER)
    pause_tenant(tenant, stops_receiving=True, told=WORDS["told"])
    status_services.notify_owners(tenant_id=tenant.pk, what="paused")
    sent, banner = mail.outbox[-1], banner_for(tenant)
    assert banner is not None
    assert sent.subject == banner.title == f"Receiving for {tenant.customer.name} is stopped"
    assert "We stopped receiving your mail: clean the list." in sent.body
    assert "your own mail is still sent." in sent.body
    assert "paused" not in sent.body


def test_an_email_about_a_pause_is_not_sent_after_the_sends_stopped_naming_the_tenant(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    make_member(tenant.customer, role=MemberRole.OWNER)
    pause_tenant(tenant)
    assert "tenants.tell" in jobs_of(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=None)
    before = len(mail.outbox)
    status_services.notify_owners(tenant_id=tenant.pk, what="paused")
    assert len(mail.outbox) == before


def test_an_event_of_a_suspension_during_a_resume_names_aws(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    pause_services.resume(tenant=tenant, because="Clean.", actor=make_tess())
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    event = Event.objects.get(event="tenant.suspended")
    assert (event.data["before"], event.data["by"]) == ("resuming", "amazon")


def test_the_details_of_a_batch_show_its_reason(tess_client: Client, sandbox: Sandbox) -> None:
    page = tess_client.get(start(tess_client, set_up_tenant(), reason="bounces")).text
    assert "High bounce rate" in page
    page = tess_client.get(reverse("operations:batch", args=[Batch.objects.get().pk])).text
    assert " UTC" in page


def test_the_page_of_a_suspended_tenant_that_staff_paused_offers_to_end_the_pause(
    tess_client: Client, sandbox: Sandbox
) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    pause_tenant(tenant)
    assert "Resume…" in tess_client.get(reverse("tenants:detail", args=[tenant.pk])).text
    page = tess_client.get(reverse("operations:resume", args=[tenant.pk])).text
    assert "Ends our pause. AWS still suspends the tenant" in page
    assert "Sending resumes." not in page


def test_a_pause_is_told_to_the_customer_once_their_sends_name_the_tenant(sandbox: Sandbox) -> None:
    """As a migration switches them: the pause stops their mail only from then on."""
    tenant = set_up_tenant(sends_at_once=False)
    pause_tenant(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=timezone.now())
    for _ in range(2):
        status_pass_services.read_all(now=timezone.now())
    assert jobs_of(tenant).count("tenants.tell") == 1
    sent = Event.objects.filter(event="tenant.paused").order_by("at")
    assert list(sent.values_list("data__through_tenant", "data__before")) == [(False, "pausing"), (True, "active")]


def test_pages_of_the_customer_show_the_status_of_their_mail(client: Client, sandbox: Sandbox) -> None:
    """A suspension of a tenant that their sends don't name yet stops nothing."""
    tenant = set_up_tenant(sends_at_once=False)
    verified = {"stage": "ready", "identity_status": "SUCCESS", "verified_at": timezone.now()}
    domain = make_domain("shop.com", customer=tenant.customer, **verified)
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    client.force_login(make_member(tenant.customer))
    for url in (reverse("customers:detail", args=[tenant.customer_id]), reverse("domains:sending", args=[domain.pk])):
        page = client.get(url).text
        assert "Sending is enabled." in page or "is sent as before" in page
        assert "uspended" not in page
