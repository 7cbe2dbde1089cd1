"""The pause pages of a tenant: a preview of what stops, and "paused" only once SES has confirmed it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.lanes import WorkLane
from operations.batches import services as batches_services
from operations.models import Batch
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.jobs import queue_customer_change
from sandbox.process import Sandbox
from tenants.jobs import queue_status
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_ready, migrate
from tests.receipt_rules.factories import make_address, rule_count, set_up_receiving
from tests.tenants.factories import make_tenant, set_up_tenant

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
WORDS = {
    "reason": "spam",
    "text": "Forty reports since noon.",
    "told": "Your shop sends to people who never asked.",
    "review_on": "",
}


@pytest.fixture
def tess_client(client: Client) -> Client:
    client.force_login(make_staff(Role.TRUST_AND_SAFETY, email="tess@staff.example"))
    return client


def apply_in_ses(tenant: Tenant) -> None:
    """Apply a requested pause or resume, as the worker does."""
    pause_services.apply_status(tenant_id=tenant.pk)


def pause_url(tenant: Tenant) -> str:
    return reverse("operations:pause", args=[tenant.id])


def page_of(client: Client, tenant: Tenant) -> str:
    return client.get(reverse("tenants:detail", args=[tenant.id])).text


def make_paused_tenant(**fields: Any) -> Tenant:
    off: dict[str, Any] = {"is_paused": True, "standing": "paused", "staff_status": "DISABLED", "aggregate": "DISABLED"}
    return make_tenant(**{**off, "pause_reason": "spam", "pause_text": "Reports.", **fields})


def test_the_preview_shows_what_stops_and_what_continues(tess_client: Client) -> None:
    tenant = make_tenant(make_customer("Acme"), sends_since=None)
    domain = make_domain("acme.example", customer=tenant.customer, tenant=tenant)
    tenant.resources.create(kind="identity", arn="arn:x:identity/acme.example", name=domain.name)
    page = tess_client.get(pause_url(tenant)).text
    assert "Pause sending for Acme?" in page
    assert "acme.example" in page
    assert "A pause only stops sending. This customer has no address that receives mail." in page
    assert "Some mail may keep sending" in page  # the customer's senders don't name the tenant yet


def test_a_pause_requires_a_reason_and_a_text(tess_client: Client) -> None:
    tenant = make_tenant()
    answer = tess_client.post(pause_url(tenant), {**WORDS, "reason": "", "text": " ", "step": "look"})
    assert answer.status_code == 422
    assert "The tenant was not paused" in answer.text
    assert WORDS["told"] in answer.text
    tenant.refresh_from_db()
    assert not tenant.is_paused


def test_the_review_shows_the_customers_notification_before_the_pause(tess_client: Client) -> None:
    tenant = make_tenant(make_customer("Acme"))
    make_member(tenant.customer, email="alice@acme.example")
    page = tess_client.post(pause_url(tenant), {**WORDS, "step": "look"}).text
    assert "Sending for Acme is paused" in page
    assert page.count(WORDS["told"]) == 3  # the banner, the email, and the form's hidden field
    assert "alice@acme.example" in page
    tenant.refresh_from_db()
    assert not tenant.is_paused


def test_the_form_can_be_changed_after_the_review(tess_client: Client) -> None:
    tenant = make_tenant()
    page = tess_client.post(pause_url(tenant), {**WORDS, "step": "change"})
    assert page.status_code == 200
    assert WORDS["text"] in page.text
    assert "Review pause" in page.text


def test_a_tenant_is_pausing_until_ses_confirms_the_pause(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=timezone.now())
    answer = tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    assert answer["Location"] == reverse("tenants:detail", args=[tenant.id])
    page = page_of(tess_client, tenant)
    assert 'data-standing="pausing"' in page
    assert "Mail may still be sent" in page
    apply_in_ses(tenant)
    page = page_of(tess_client, tenant)
    assert 'data-standing="paused"' in page
    assert "paused (confirmed by SES)" in page
    assert WORDS["text"] in page


def delay_status(tenant: Tenant, seconds: int) -> None:
    """Simulate a refusal by SES: the worker stores the reason and queues a later job."""
    Tenant.objects.filter(pk=tenant.pk).update(
        status_problem="We couldn't set it: AWS had an internal error. Try again in a minute."
    )
    ProcrastinateJob.objects.filter(task_name="tenants.status").delete()
    queue_status(tenant, in_seconds=seconds)


def test_a_delayed_pause_shows_its_next_attempt_and_can_be_retried(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    delay_status(tenant, 300)
    page = page_of(tess_client, tenant)
    problem = page.partition('id="status-problem"')[2].partition("</form>")[0]
    assert "AWS had an internal error. We try again <time" in problem
    assert "Try again in a minute" not in page
    assert "Pause requested by our team. SES hasn’t confirmed it yet." in page
    assert "Not paused by our team" not in page
    answer = tess_client.post(reverse("tenants:try_now", args=[tenant.id]), follow=True)
    assert "Trying now." in answer.text
    assert "We try again now." in answer.text
    assert ProcrastinateJob.objects.get(task_name="tenants.status").scheduled_at is None
    apply_in_ses(tenant)
    assert 'data-standing="paused"' in page_of(tess_client, tenant)
    assert (
        "already has its requested status"
        in tess_client.post(answer.request["PATH_INFO"] + "try-now/", follow=True).text
    )


def test_a_resume_in_progress_can_be_stopped(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    apply_in_ses(tenant)
    assert f'href="{pause_url(tenant)}"' not in page_of(tess_client, tenant)
    tess_client.post(reverse("operations:resume", args=[tenant.id]), {"because": "By mistake."})
    page = page_of(tess_client, tenant)
    assert 'data-standing="resuming"' in page
    assert f'href="{pause_url(tenant)}"' in page
    assert "Resume requested by our team. SES hasn’t confirmed it yet." in page
    assert "Paused in SES, not from here" not in page
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    apply_in_ses(tenant)
    assert 'data-standing="paused"' in page_of(tess_client, tenant)


@pytest.fixture
def receiving(sandbox: Sandbox) -> Tenant:
    """Return Northwind's tenant; Northwind receives mail at billing@northwind.example."""
    customer = make_customer("Northwind")
    make_address("billing@northwind.example", make_ready("northwind.example", customer))
    set_up_receiving()
    migrate(customer)
    return Tenant.objects.get(customer=customer)


def review_with_receiving(client: Client, tenant: Tenant) -> str:
    return client.post(pause_url(tenant), {**WORDS, "stops_receiving": "on", "step": "look"}).text


def digest_in(page: str) -> str:
    return page.partition('name="receiving_digest" value="')[2].partition('"')[0]


def test_the_review_shows_the_impact_of_stopping_receiving(tess_client: Client, receiving: Tenant) -> None:
    page = review_with_receiving(tess_client, receiving)
    assert "rule inbound-admin-001" in page.partition("Receiving stops too")[2]
    assert "Mail to your addresses isn’t delivered to you" in page
    answer = tess_client.post(
        pause_url(receiving),
        {**WORDS, "stops_receiving": "on", "receiving_digest": digest_in(page), "step": "pause"},
    )
    assert answer.status_code == 302
    assert "Being stopped. SES may still accept mail." in page_of(tess_client, receiving)
    auto_apply_services.work()
    assert ("Stopped too" in page_of(tess_client, receiving), rule_count("billing@northwind.example")) == (True, 0)


def test_rules_that_changed_after_the_review_are_shown_again(tess_client: Client, receiving: Tenant) -> None:
    stale = digest_in(review_with_receiving(tess_client, receiving))
    make_address("sales@northwind.example", receiving.domains.get())
    queue_customer_change(receiving.customer, None)
    auto_apply_services.work()
    answer = tess_client.post(
        pause_url(receiving), {**WORDS, "stops_receiving": "on", "receiving_digest": stale, "step": "pause"}
    )
    assert answer.status_code == 422
    assert "changed after the preview" in answer.text
    assert digest_in(answer.text) != stale
    receiving.refresh_from_db()
    assert not receiving.is_paused


def test_unreadable_rules_prevent_the_pause_and_keep_the_form(
    tess_client: Client, receiving: Tenant, sandbox: Sandbox
) -> None:
    sandbox.control.add_fault("error", "DescribeActiveReceiptRuleSet", times=3)
    page = review_with_receiving(tess_client, receiving)
    assert "Receiving can’t be stopped now" in page
    assert WORDS["text"] in page
    receiving.refresh_from_db()
    assert not receiving.is_paused


def test_resuming_requires_a_reason(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    apply_in_ses(tenant)
    url = reverse("operations:resume", args=[tenant.id])
    assert "Forty reports since noon." in tess_client.get(url).text
    assert tess_client.post(url, {"because": ""}).status_code == 422
    assert tess_client.post(url, {"because": "They removed the list."}).status_code == 302
    assert 'data-standing="resuming"' in page_of(tess_client, tenant)
    apply_in_ses(tenant)
    assert 'data-standing="active"' in page_of(tess_client, tenant)


def test_a_suspension_by_aws_cannot_be_resumed_and_the_page_says_why(tess_client: Client) -> None:
    tenant = make_paused_tenant(is_paused=False, standing="suspended", amazon_status="DISABLED")
    url = reverse("operations:resume", args=[tenant.id])
    page = tess_client.get(url).text
    assert "Resume is not available" in page
    assert "AWS Support" in page
    assert 'name="because"' not in page
    answer = tess_client.post(url, {"because": "We want it."})
    assert answer.status_code == 422
    assert "AWS suspended this tenant" in answer.text
    assert "Resume…" not in page_of(tess_client, tenant)


def test_resuming_despite_open_findings_says_that_it_reinstates(tess_client: Client) -> None:
    tenant = make_paused_tenant(impact="HIGH")
    page = tess_client.get(reverse("operations:resume", args=[tenant.id])).text
    assert "reinstated" in page


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.OPERATOR])
@pytest.mark.parametrize("name", ["pause", "resume"])
def test_pausing_and_resuming_require_the_permission(role: Role, name: str) -> None:
    tenant = make_tenant()
    client = Client()
    client.force_login(make_staff(role))
    url = reverse(f"operations:{name}", args=[tenant.id])
    assert client.get(url).status_code == 403
    assert client.post(url, {**WORDS, "step": "pause", "because": "x"}).status_code == 403
    tenant.refresh_from_db()
    assert not tenant.is_paused
    assert "Pause…" not in page_of(client, tenant)


def test_a_bulk_pause_lists_the_result_for_each_tenant(tess_client: Client) -> None:
    on, off = make_tenant(name="still-on"), make_paused_tenant(name="off-already")
    page = tess_client.get(reverse("operations:pause_many"), {"tenant": [on.id, off.id], "do": "pause"}).text
    assert "Pause 2 tenants?" in page
    assert "Sending stops" in page
    assert "Already paused" in page
    assert not Batch.objects.exists()


def test_a_pausing_tenant_is_not_called_paused(tess_client: Client) -> None:
    off, pausing = make_paused_tenant(name="off-already"), make_tenant(name="on-its-way")
    Tenant.objects.filter(pk=pausing.pk).update(is_paused=True, standing="pausing", status_asked_at=timezone.now())
    page = tess_client.get(reverse("operations:pause_many"), {"tenant": [off.id, pausing.id], "do": "pause"}).text
    assert page.count("Already paused. Nothing changes.") == 1
    assert page.count("Already being paused. SES hasn’t confirmed it yet, so mail may still be sent.") == 1


def test_an_empty_selection_explains_how_to_select_tenants(tess_client: Client) -> None:
    assert "No tenants selected" in tess_client.get(reverse("operations:pause_many")).text


def test_a_refused_tenant_in_a_batch_does_not_stop_the_others(tess_client: Client, sandbox: Sandbox) -> None:
    on, off = set_up_tenant(), make_paused_tenant(name="off-already")
    answer = tess_client.post(reverse("operations:pause_many"), {**WORDS, "tenant": [on.id, off.id], "do": "pause"})
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("operations:batch", args=[batch.pk])
    page = tess_client.get(answer["Location"]).text
    assert "1 pausing, 1 failed." in page
    assert "hx-trigger" in page
    apply_in_ses(on)
    part = tess_client.get(answer["Location"], headers=HTMX).text
    assert "<html" not in part
    assert "1 paused, 1 failed." in part
    assert "hx-trigger" not in part
    assert set(Change.objects.filter(bulk_id=batch.pk).values_list("object_id", flat=True)) == {on.id}


def test_only_failed_items_are_retried(tess_client: Client) -> None:
    on, off = make_tenant(name="on"), make_paused_tenant(name="off")
    tess_client.post(reverse("operations:pause_many"), {**WORDS, "tenant": [on.id, off.id], "do": "pause"})
    batch = Batch.objects.get()
    Tenant.objects.filter(pk=off.pk).update(is_paused=False, standing="active")
    tess_client.post(reverse("operations:retry_bulk", args=[batch.pk]))
    off.refresh_from_db()
    assert off.is_paused
    asked = Change.objects.filter(bulk_id=batch.pk, what="tenant.pause_asked")
    assert sorted(asked.values_list("object_name", flat=True)) == ["off", "on"]


def test_several_tenants_can_be_resumed(tess_client: Client) -> None:
    one, two = make_paused_tenant(), make_paused_tenant(is_paused=False, amazon_status="DISABLED", standing="suspended")
    url = reverse("operations:pause_many")
    page = tess_client.get(url, {"tenant": [one.id, two.id], "do": "resume"}).text
    assert "Resume 2 tenants?" in page
    assert "AWS suspended this tenant" in page
    answer = tess_client.post(url, {"tenant": [one.id, two.id], "do": "resume", "because": "All is well."})
    shown = tess_client.get(answer["Location"]).text
    assert "1 resuming, 1 failed." in shown


def test_an_interrupted_bulk_pause_is_queued_as_urgent_and_repeats_nothing(tess_client: Client) -> None:
    one, two = make_tenant(name="one"), make_tenant(name="two")
    tess_client.post(reverse("operations:pause_many"), {**WORDS, "tenant": [one.id, two.id], "do": "pause"})
    batch = Batch.objects.get()
    job = ProcrastinateJob.objects.get(task_name="operations.urgent_bulk")
    assert (job.queue_name, job.priority) == ("urgent", WorkLane.URGENT)
    batch.items.filter(name="two").update(state="waiting")
    Tenant.objects.filter(pk=two.pk).update(is_paused=False, standing="active")
    batches_services.work_urgent()
    two.refresh_from_db()
    assert two.is_paused
    assert Change.objects.filter(what="tenant.pause_asked", object_id=one.id).count() == 1


def test_a_bulk_pause_requires_a_reason(tess_client: Client) -> None:
    tenant = make_tenant()
    answer = tess_client.post(reverse("operations:pause_many"), {"tenant": [tenant.id], "do": "pause", "reason": ""})
    assert answer.status_code == 422
    assert not Batch.objects.exists()


def test_support_can_see_a_batch_but_not_start_or_retry_one(tess_client: Client) -> None:
    tenant = make_tenant()
    tess_client.post(reverse("operations:pause_many"), {**WORDS, "tenant": [tenant.id], "do": "pause"})
    sam = Client()
    sam.force_login(make_staff(Role.SUPPORT))
    batch = Batch.objects.get()
    assert sam.get(reverse("operations:batch", args=[batch.pk])).status_code == 200
    assert sam.get(reverse("operations:pause_many")).status_code == 403
    assert sam.post(reverse("operations:retry_bulk", args=[batch.pk])).status_code == 403


def test_a_pause_that_does_not_stop_mail_is_not_called_paused(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=None)
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    apply_in_ses(tenant)
    page = page_of(tess_client, tenant)
    assert "their mail still leaves" in page
    assert "paused (confirmed by SES)" not in page


@pytest.mark.parametrize(("reason", "text"), [("payment", "a payment is overdue"), ("bounces", "messages bounce")])
def test_the_customers_text_follows_from_the_reason(
    tess_client: Client, sandbox: Sandbox, reason: str, text: str
) -> None:
    tenant = set_up_tenant()
    given = {**WORDS, "reason": reason, "told": ""}
    assert text in tess_client.post(pause_url(tenant), {**given, "step": "look"}).text
    tess_client.post(pause_url(tenant), {**given, "step": "pause"})
    tenant.refresh_from_db()
    assert text in tenant.pause_told


def test_a_pausing_tenant_is_not_counted_as_paused(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    page_of(tess_client, tenant)  # consumes the flash message that names the tenant
    list_url = reverse("tenants:list")
    assert tenant.name not in tess_client.get(list_url, {"show": "paused"}).text
    assert tenant.name in tess_client.get(list_url, {"show": "pausing"}).text
    overview = tess_client.get(reverse("operations:overview")).text
    assert "1 tenant is still pausing: mail may still be sent" in overview
    assert "1 tenant is paused" not in overview


def test_the_pages_say_who_can_plan_a_migration(tess_client: Client) -> None:
    make_customer("Northwind")
    sentence = "Only operators and administrators can plan migrations."
    assert sentence in tess_client.get(reverse("operations:migrations")).text
    refused = tess_client.get(reverse("operations:plan_migration"))
    assert refused.status_code == 403
    assert "Only operators and administrators can plan" in refused.text
