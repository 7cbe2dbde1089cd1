"""Pausing a tenant on its page: what stops is read before, and "paused" is said when Amazon has confirmed it."""

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
from tests.receipt_rules.factories import make_address, set_up_receiving, taken
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


def tell_amazon(tenant: Tenant) -> None:
    """What the worker does with a pause or a resume that was asked for."""
    pause_services.apply_status(tenant_id=tenant.pk)


def pause_url(tenant: Tenant) -> str:
    return reverse("operations:pause", args=[tenant.id])


def page_of(client: Client, tenant: Tenant) -> str:
    return client.get(reverse("tenants:detail", args=[tenant.id])).text


def paused(**fields: Any) -> Tenant:
    off: dict[str, Any] = {"is_paused": True, "standing": "paused", "staff_status": "DISABLED", "aggregate": "DISABLED"}
    return make_tenant(**{**off, "pause_reason": "spam", "pause_text": "Reports.", **fields})


def test_before_a_pause_one_reads_what_stops_and_what_goes_on(tess_client: Client) -> None:
    tenant = make_tenant(make_customer("Acme"))
    domain = make_domain("acme.example", customer=tenant.customer, tenant=tenant)
    tenant.resources.create(kind="identity", arn="arn:x:identity/acme.example", name=domain.name)
    page = tess_client.get(pause_url(tenant)).text
    assert "Pause sending for Acme?" in page
    assert "acme.example" in page
    assert "A pause only stops sending. This customer has no address that receives mail." in page
    assert "Some mail may keep sending" in page  # the customer's senders do not name it yet


def test_a_pause_needs_a_reason_and_words(tess_client: Client) -> None:
    tenant = make_tenant()
    answer = tess_client.post(pause_url(tenant), {**WORDS, "reason": "", "text": " ", "step": "look"})
    assert answer.status_code == 422
    assert "The tenant was not paused" in answer.text
    assert WORDS["told"] in answer.text
    tenant.refresh_from_db()
    assert not tenant.is_paused


def test_one_sees_what_the_customer_gets_before_anything_is_paused(tess_client: Client) -> None:
    tenant = make_tenant(make_customer("Acme"))
    make_member(tenant.customer, email="alice@acme.example")
    page = tess_client.post(pause_url(tenant), {**WORDS, "step": "look"}).text
    assert "Sending for Acme is paused" in page
    assert page.count(WORDS["told"]) == 3  # the banner, the mail, and what goes along with the button
    assert "alice@acme.example" in page
    tenant.refresh_from_db()
    assert not tenant.is_paused


def test_what_was_typed_can_be_changed_after_the_look(tess_client: Client) -> None:
    tenant = make_tenant()
    page = tess_client.post(pause_url(tenant), {**WORDS, "step": "change"})
    assert page.status_code == 200
    assert WORDS["text"] in page.text
    assert "Review pause" in page.text


def test_it_says_pausing_until_amazon_has_confirmed_it(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=timezone.now())
    answer = tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    assert answer["Location"] == reverse("tenants:detail", args=[tenant.id])
    page = page_of(tess_client, tenant)
    assert 'data-standing="pausing"' in page
    assert "Mail may still be sent" in page
    tell_amazon(tenant)
    page = page_of(tess_client, tenant)
    assert 'data-standing="paused"' in page
    assert "paused (confirmed by SES)" in page
    assert WORDS["text"] in page


def delay(tenant: Tenant, seconds: int) -> None:
    """What the worker leaves when SES refuses: the reason, and a job for later."""
    Tenant.objects.filter(pk=tenant.pk).update(
        status_problem="We couldn't set it: AWS had an internal error. Try again in a minute."
    )
    ProcrastinateJob.objects.filter(task_name="tenants.status").delete()
    queue_status(tenant, in_seconds=seconds)


def test_a_delayed_pause_names_the_next_attempt_and_it_can_be_made_now(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    delay(tenant, 300)
    page = page_of(tess_client, tenant)
    problem = page.partition('id="status-problem"')[2].partition("</form>")[0]
    assert "AWS had an internal error. We try again <time" in problem
    assert "Try again in a minute" not in page
    assert "Pause requested by our team. SES hasn’t applied it yet." in page
    assert "Not paused by our team" not in page
    answer = tess_client.post(reverse("tenants:try_now", args=[tenant.id]), follow=True)
    assert "Trying now." in answer.text
    assert "We try again now." in answer.text
    assert ProcrastinateJob.objects.get(task_name="tenants.status").scheduled_at is None
    tell_amazon(tenant)
    assert 'data-standing="paused"' in page_of(tess_client, tenant)
    assert (
        "already has its requested status"
        in tess_client.post(answer.request["PATH_INFO"] + "try-now/", follow=True).text
    )


def test_a_resume_by_mistake_can_be_stopped_while_it_is_under_way(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    tell_amazon(tenant)
    assert f'href="{pause_url(tenant)}"' not in page_of(tess_client, tenant)
    tess_client.post(reverse("operations:resume", args=[tenant.id]), {"because": "By mistake."})
    page = page_of(tess_client, tenant)
    assert 'data-standing="resuming"' in page
    assert f'href="{pause_url(tenant)}"' in page
    assert "Resume requested by our team. SES hasn’t applied it yet." in page
    assert "Paused in SES, not from here" not in page
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    tell_amazon(tenant)
    assert 'data-standing="paused"' in page_of(tess_client, tenant)


@pytest.fixture
def receiving(sandbox: Sandbox) -> Tenant:
    """Northwind's, who take mail at billing@northwind.example."""
    customer = make_customer("Northwind")
    make_address("billing@northwind.example", make_ready("northwind.example", customer))
    set_up_receiving()
    migrate(customer)
    return Tenant.objects.get(customer=customer)


def look_with_receiving(client: Client, tenant: Tenant) -> str:
    return client.post(pause_url(tenant), {**WORDS, "stops_receiving": "on", "step": "look"}).text


def digest_in(page: str) -> str:
    return page.partition('name="receiving_digest" value="')[2].partition('"')[0]


def test_what_stopping_to_receive_changes_is_read_before(tess_client: Client, receiving: Tenant) -> None:
    page = look_with_receiving(tess_client, receiving)
    assert "Receiving stops too" in page
    assert "Mail to your addresses is rejected while sending is paused" in page
    answer = tess_client.post(
        pause_url(receiving),
        {**WORDS, "stops_receiving": "on", "receiving_digest": digest_in(page), "step": "pause"},
    )
    assert answer.status_code == 302
    assert "Stopped too" in page_of(tess_client, receiving)
    auto_apply_services.work()
    assert taken("billing@northwind.example") == 0


def test_rules_that_changed_meanwhile_are_shown_again_before_the_pause(tess_client: Client, receiving: Tenant) -> None:
    stale = digest_in(look_with_receiving(tess_client, receiving))
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


def test_when_amazon_is_silent_about_the_rules_the_words_stay_and_nothing_is_paused(
    tess_client: Client, receiving: Tenant, sandbox: Sandbox
) -> None:
    sandbox.control.add_fault("error", "DescribeActiveReceiptRuleSet", times=3)
    page = look_with_receiving(tess_client, receiving)
    assert "Receiving can’t be stopped now" in page
    assert WORDS["text"] in page
    receiving.refresh_from_db()
    assert not receiving.is_paused


def test_it_is_resumed_with_a_reason(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    tell_amazon(tenant)
    url = reverse("operations:resume", args=[tenant.id])
    assert "Forty reports since noon." in tess_client.get(url).text
    assert tess_client.post(url, {"because": ""}).status_code == 422
    assert tess_client.post(url, {"because": "They removed the list."}).status_code == 302
    assert 'data-standing="resuming"' in page_of(tess_client, tenant)
    tell_amazon(tenant)
    assert 'data-standing="active"' in page_of(tess_client, tenant)


def test_what_amazon_suspended_cannot_be_resumed_and_the_page_says_who_can(tess_client: Client) -> None:
    tenant = paused(standing="suspended", amazon_status="DISABLED", amazon_cause="Complaints.")
    url = reverse("operations:resume", args=[tenant.id])
    page = tess_client.get(url).text
    assert "Resume is not available" in page
    assert "AWS Support" in page
    assert 'name="because"' not in page
    answer = tess_client.post(url, {"because": "We want it."})
    assert answer.status_code == 422
    assert "AWS suspended this tenant" in answer.text
    assert "Resume…" not in page_of(tess_client, tenant)


def test_a_resume_over_open_findings_says_that_it_reinstates(tess_client: Client) -> None:
    tenant = paused(impact="HIGH")
    page = tess_client.get(reverse("operations:resume", args=[tenant.id])).text
    assert "reinstated" in page


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.OPERATOR])
@pytest.mark.parametrize("name", ["pause", "resume"])
def test_who_may_not_pause_is_refused_the_page_and_the_act(role: Role, name: str) -> None:
    tenant = make_tenant()
    client = Client()
    client.force_login(make_staff(role))
    url = reverse(f"operations:{name}", args=[tenant.id])
    assert client.get(url).status_code == 403
    assert client.post(url, {**WORDS, "step": "pause", "because": "x"}).status_code == 403
    tenant.refresh_from_db()
    assert not tenant.is_paused
    assert "Pause…" not in page_of(client, tenant)


def test_several_are_listed_each_with_what_would_come_of_it(tess_client: Client) -> None:
    on, off = make_tenant(name="still-on"), paused(name="off-already")
    page = tess_client.get(reverse("operations:pause_many"), {"tenant": [on.id, off.id], "do": "pause"}).text
    assert "Pause 2 tenants?" in page
    assert "Sending stops" in page
    assert "Already paused" in page
    assert not Batch.objects.exists()


def test_what_is_still_pausing_is_not_called_paused(tess_client: Client) -> None:
    off, pausing = paused(name="off-already"), make_tenant(name="on-its-way")
    Tenant.objects.filter(pk=pausing.pk).update(is_paused=True, standing="pausing")
    page = tess_client.get(reverse("operations:pause_many"), {"tenant": [off.id, pausing.id], "do": "pause"}).text
    assert page.count("Already paused. Nothing changes.") == 1
    assert page.count("Already being paused. SES hasn’t confirmed it yet, so mail may still be sent.") == 1


def test_none_chosen_says_how_to_choose(tess_client: Client) -> None:
    assert "No tenants selected" in tess_client.get(reverse("operations:pause_many")).text


def test_of_several_one_refusal_stops_no_other_and_all_carry_one_id(tess_client: Client, sandbox: Sandbox) -> None:
    on, off = set_up_tenant(), paused(name="off-already")
    answer = tess_client.post(reverse("operations:pause_many"), {**WORDS, "tenant": [on.id, off.id], "do": "pause"})
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("operations:batch", args=[batch.pk])
    page = tess_client.get(answer["Location"]).text
    assert "1 pausing, 1 failed." in page
    assert "hx-trigger" in page
    tell_amazon(on)
    part = tess_client.get(answer["Location"], headers=HTMX).text
    assert "<html" not in part
    assert "1 paused, 1 failed." in part
    assert "hx-trigger" not in part
    assert set(Change.objects.filter(bulk_id=batch.pk).values_list("object_id", flat=True)) == {on.id}


def test_only_what_failed_is_tried_again(tess_client: Client) -> None:
    on, off = make_tenant(name="on"), paused(name="off")
    tess_client.post(reverse("operations:pause_many"), {**WORDS, "tenant": [on.id, off.id], "do": "pause"})
    batch = Batch.objects.get()
    Tenant.objects.filter(pk=off.pk).update(is_paused=False, standing="active")
    tess_client.post(reverse("operations:retry_batch", args=[batch.pk]))
    off.refresh_from_db()
    assert off.is_paused
    asked = Change.objects.filter(bulk_id=batch.pk, what="tenant.pause_asked")
    assert sorted(asked.values_list("object_name", flat=True)) == ["off", "on"]


def test_several_are_resumed(tess_client: Client) -> None:
    one, two = paused(), paused(amazon_status="DISABLED", standing="suspended")
    url = reverse("operations:pause_many")
    page = tess_client.get(url, {"tenant": [one.id, two.id], "do": "resume"}).text
    assert "Resume 2 tenants?" in page
    assert "AWS suspended this tenant" in page
    answer = tess_client.post(url, {"tenant": [one.id, two.id], "do": "resume", "because": "All is well."})
    shown = tess_client.get(answer["Location"]).text
    assert "1 resuming, 1 failed." in shown


def test_what_a_crash_left_of_a_pause_is_queued_as_urgent_and_asked_once(tess_client: Client) -> None:
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


def test_nothing_is_done_to_several_without_a_reason(tess_client: Client) -> None:
    tenant = make_tenant()
    answer = tess_client.post(reverse("operations:pause_many"), {"tenant": [tenant.id], "do": "pause", "reason": ""})
    assert answer.status_code == 422
    assert not Batch.objects.exists()


def test_support_sees_a_batch_and_starts_none(tess_client: Client) -> None:
    tenant = make_tenant()
    tess_client.post(reverse("operations:pause_many"), {**WORDS, "tenant": [tenant.id], "do": "pause"})
    sam = Client()
    sam.force_login(make_staff(Role.SUPPORT))
    batch = Batch.objects.get()
    assert sam.get(reverse("operations:batch", args=[batch.pk])).status_code == 200
    assert sam.get(reverse("operations:pause_many")).status_code == 403
    assert sam.post(reverse("operations:retry_batch", args=[batch.pk])).status_code == 403


def test_a_pause_that_stops_nothing_is_not_said_to(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=None)
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    tell_amazon(tenant)
    page = page_of(tess_client, tenant)
    assert "their mail still leaves" in page
    assert "paused (confirmed by SES)" not in page


@pytest.mark.parametrize(("reason", "told"), [("payment", "a payment is overdue"), ("bounces", "messages bounce")])
def test_the_customers_words_follow_from_the_reason(
    tess_client: Client, sandbox: Sandbox, reason: str, told: str
) -> None:
    tenant = set_up_tenant()
    given = {**WORDS, "reason": reason, "told": ""}
    assert told in tess_client.post(pause_url(tenant), {**given, "step": "look"}).text
    tess_client.post(pause_url(tenant), {**given, "step": "pause"})
    tenant.refresh_from_db()
    assert told in tenant.pause_told


def test_pausing_is_not_counted_as_paused(tess_client: Client, sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    tess_client.post(pause_url(tenant), {**WORDS, "step": "pause"})
    page_of(tess_client, tenant)  # takes the message that names it
    list_url = reverse("tenants:list")
    assert tenant.name not in tess_client.get(list_url, {"show": "paused"}).text
    assert tenant.name in tess_client.get(list_url, {"show": "pausing"}).text
    overview = tess_client.get(reverse("operations:overview")).text
    assert "1 tenant is still pausing: mail may still be sent" in overview
    assert "1 tenant is paused" not in overview


def test_who_may_plan_a_migration_is_said_to_who_may_not(tess_client: Client) -> None:
    make_customer("Northwind")
    sentence = "Only operators and administrators can plan migrations."
    assert sentence in tess_client.get(reverse("operations:migrations")).text
    refused = tess_client.get(reverse("operations:plan_migration"))
    assert refused.status_code == 403
    assert "Only operators and administrators can plan" in refused.text
