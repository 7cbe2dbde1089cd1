"""A decision on many differences: chosen by kind or ticked, previewed, executed as a batch and followed."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy
from operations.batches import services as batches_services
from operations.drift.core import TENANTS_AREA, FoundDifference
from operations.drift_store import services as drift_store_services
from operations.models import Batch, Difference
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.factories import make_customer, make_member, make_staff
from tests.operations.factories import make_difference
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
URL = reverse("operations:decide_many")
BOARD = reverse("operations:differences")


@pytest.fixture
def olga(client: Client) -> Client:
    client.force_login(make_staff(Role.OPERATOR))
    return client


def make_unknown_tenants(number: int) -> None:
    for each in range(number):
        aws.client("sesv2").create_tenant(TenantName=f"by-hand-{each}")
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()


def offer_each_to_another_customer() -> None:
    for row in Difference.objects.all():
        Difference.objects.filter(pk=row.pk).update(customer=make_customer())


def make_policy_differences(number: int) -> list[Difference]:
    found = []
    for each in range(number):
        customer = make_customer()
        tenant = make_tenant(customer, name=f"t{each}", ses_policy="none")
        sides = {"found": {"policy": "none"}, "wanted": {"policy": "standard"}}
        found.append(make_difference(customer, key=f"policy {each}", subject=tenant.name, place=tenant.name, **sides))
    return found


def form_data(decision: str, number: int, **more: object) -> dict[str, object]:
    return {"decision": decision, "because": "as agreed", "typed": number, **more}


def test_all_differences_of_a_kind_are_previewed_decided_and_followed(olga: Client) -> None:
    rows = make_policy_differences(3)
    other = make_difference(area="identities", kind="gone", key="gone shop.com", place="shop.com")
    board = olga.get(BOARD).text
    assert "Resolve all 3" in board
    shown = olga.get(URL, {"area": "tenants", "kind": "policy"})
    assert "Resolve 3 differences" in shown.text
    assert rows[0].sentence in shown.text
    assert not Batch.objects.exists()
    choice = {"area": "tenants", "kind": "policy"}
    assert olga.post(URL, form_data("restore", 2, **choice)).status_code == 422
    assert olga.post(URL, form_data("restore", 3, **choice) | {"because": ""}).status_code == 422
    answer = olga.post(URL, form_data("restore", 3, **choice))
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("operations:bulk", args=[batch.pk])
    assert "3 pending." in olga.get(answer["Location"]).text
    batches_services.work()
    assert "3 fixing." in olga.get(answer["Location"]).text
    assert set(Difference.objects.filter(decision="restore")) == set(rows)
    assert not Difference.objects.get(pk=other.pk).decision
    assert set(Change.objects.filter(what="drift.restored").values_list("bulk_id", flat=True)) == {batch.pk}
    assert set(Change.objects.values_list("bulk_id", flat=True)) == {batch.pk}


def test_a_difference_whose_value_changed_after_the_preview_is_not_decided(olga: Client) -> None:
    (row,) = make_policy_differences(1)
    page = olga.get(URL, {"area": "tenants", "kind": "policy"}).text
    sent = dict(re.findall(r'name="(area|kind|until|seen)" value="([^"]*)"', page))
    strict = FoundDifference("policy", "policy 0 strict", row.subject, "Strict in SES.", place=row.place)
    drift_store_services.store(area="tenants", found=[strict], now=timezone.now())
    answer = olga.post(URL, form_data("ignore", 1, **sent))
    assert answer.status_code == 422
    assert "somebody else made changes after you opened this page" in answer.text
    assert not Batch.objects.exists()
    sent = dict(re.findall(r'name="(area|kind|until|seen)" value="([^"]*)"', answer.text))
    olga.post(URL, form_data("ignore", 1, **sent))
    assert Batch.objects.get().items.get().difference == Difference.objects.get(gone_at=None)


def test_a_difference_found_after_the_preview_is_not_decided(olga: Client) -> None:
    before = timezone.now()
    make_policy_differences(2)
    Difference.objects.filter(key="policy 0").update(first_seen_at=before)
    answer = olga.post(URL, form_data("ignore", 1, area="tenants", kind="policy", until=before.isoformat()))
    assert answer.status_code == 302
    assert [item.difference.key for item in Batch.objects.get().items.all() if item.difference] == ["policy 0"]


def test_only_ticked_differences_are_decided(olga: Client) -> None:
    first, _, third = make_policy_differences(3)
    board = olga.get(BOARD).text
    assert f'value="{first.pk}" form="chosen"' in board
    olga.post(URL, form_data("ignore", 2, difference=[first.pk, third.pk]))
    batches_services.work()
    assert set(Difference.objects.filter(decision="ignore")) == {first, third}


def test_tenants_are_adopted_for_the_suggested_or_the_chosen_customer(olga: Client, sandbox: Sandbox) -> None:
    make_unknown_tenants(3)
    alice, bob = make_customer("Alice"), make_customer("Bob")
    Difference.objects.filter(subject="by-hand-0").update(customer=alice)
    choice = {"area": "tenants", "kind": "unknown"}
    assert "Customer for tenants without a suggested customer" in olga.get(URL, choice).text
    Difference.objects.filter(subject="by-hand-2").delete()
    olga.post(URL, form_data("adopt", 2, customer=bob.pk, **choice))
    batches_services.work()
    assert dict(Tenant.objects.values_list("name", "customer__name")) == {"by-hand-0": "Alice", "by-hand-1": "Bob"}


def test_a_failed_decision_does_not_stop_the_others_and_can_be_retried(olga: Client, sandbox: Sandbox) -> None:
    make_unknown_tenants(2)
    Difference.objects.filter(subject="by-hand-0").update(customer=make_customer("Alice"))
    answer = olga.post(URL, form_data("adopt", 2, area="tenants", kind="unknown"))
    batches_services.work()
    page = olga.get(answer["Location"]).text
    assert "1 failed" in page
    assert "Choose the customer for this tenant." in page
    assert "Retry 1 failed" in page
    assert Tenant.objects.count() == 1


def test_access_denied_for_one_tenant_does_not_stop_the_others(olga: Client, sandbox: Sandbox) -> None:
    make_unknown_tenants(2)
    offer_each_to_another_customer()
    olga.post(URL, form_data("adopt", 2, area="tenants", kind="unknown"))
    sandbox.control.add_fault("denied", "GetTenant", nth=1, times=1)
    batches_services.work()
    states = Batch.objects.get().items.order_by("number").values_list("state", flat=True)
    assert list(states) == ["refused", "done"]


def test_all_decisions_wait_while_ses_does_not_answer_and_say_why(olga: Client, sandbox: Sandbox) -> None:
    make_unknown_tenants(2)
    offer_each_to_another_customer()
    answer = olga.post(URL, form_data("adopt", 2, area="tenants", kind="unknown"))
    sandbox.control.add_fault("throttle", "GetTenant", nth=1, times=99)
    with pytest.raises(AwsBusy):
        batches_services.work()
    first = Batch.objects.get().items.order_by("number").first()
    assert first is not None
    assert (first.state, bool(first.problem)) == ("waiting", True)
    assert "2 pending." in olga.get(answer["Location"]).text
    sandbox.control.clear_faults()
    batches_services.work()
    assert set(Batch.objects.get().items.values_list("state", flat=True)) == {"done"}


def test_a_decision_made_in_the_meantime_is_kept(olga: Client) -> None:
    (row,) = make_policy_differences(1)
    olga.post(URL, form_data("ignore", 1, area="tenants", kind="policy"))
    olga.post(reverse("operations:difference", args=[row.pk]), {"decision": "restore", "because": "as agreed"})
    batches_services.work()
    row.refresh_from_db()
    item = Batch.objects.get().items.get()
    assert (row.decision, item.state) == ("restore", "refused")
    assert "decided in the meantime" in item.problem


def test_a_worker_that_died_after_the_decision_logs_nothing_twice(olga: Client) -> None:
    make_policy_differences(1)
    olga.post(URL, form_data("ignore", 1, area="tenants", kind="policy"))
    batches_services.work()
    Batch.objects.get().items.update(state="waiting")
    batches_services.work()
    assert Change.objects.filter(what="drift.ignored").count() == 1
    assert Batch.objects.get().items.get().state == "done"


def test_kinds_that_cannot_be_decided_in_bulk_link_to_their_page(olga: Client) -> None:
    make_difference(area="rules", kind="stranger_active", key="a", may_restore=False)
    page = olga.get(URL, {"area": "rules", "kind": "stranger_active"}).text
    assert reverse("receipt_rules:plan") in page
    assert 'value="adopt"' not in page
    make_difference(area="identities", kind="unowned", key="b", may_restore=False)
    page = olga.get(URL, {"area": "identities", "kind": "unowned"}).text
    assert 'value="ignore"' in page
    assert 'value="adopt"' not in page


def test_an_empty_or_invalid_choice_finds_no_difference(olga: Client) -> None:
    make_policy_differences(1)
    for given in ({}, {"kind": "nonsense"}, {"difference": "nobody's"}, {"area": "tenants", "until": "2026-13-45"}):
        assert "No open difference" in olga.get(URL, given).text


def test_without_the_permission_nothing_can_be_decided(client: Client) -> None:
    make_policy_differences(1)
    for person in (make_member(), make_staff(Role.SUPPORT)):
        client.force_login(person)
        assert client.get(URL).status_code == 403
        assert client.post(URL, form_data("ignore", 1, area="tenants", kind="policy")).status_code == 403
    board = client.get(BOARD).text
    assert "The reputation policy" in board
    assert "Resolve by kind" not in board
    assert 'form="chosen"' not in board
    assert not Batch.objects.exists()


def test_a_sending_status_is_restored_only_by_people_who_may_resume(olga: Client, client: Client) -> None:
    """Restoring it resumes a tenant that SES's policy paused, so operators are only offered to ignore it."""
    tenant = make_tenant(make_customer(), name="t1")
    row = make_difference(tenant.customer, kind="status", key="status t1", subject="t1", place="t1")
    one = reverse("operations:difference", args=[row.pk])
    choice = {"area": "tenants", "kind": "status"}
    for url, query in ((URL, choice), (one, {})):
        offered = olga.get(url, query).text
        assert 'value="ignore"' in offered
        assert 'value="restore"' not in offered
    assert olga.post(URL, form_data("restore", 1, **choice)).status_code == 422
    assert olga.post(one, {"decision": "restore", "because": "as agreed"}).status_code == 422
    assert not Batch.objects.exists()
    assert "Trust &amp; Safety accepts or restores a sending status" in olga.get(one).text
    client.force_login(make_staff(Role.ADMIN))
    assert 'value="restore"' in client.get(URL, choice).text
    assert 'value="restore"' in client.get(one).text
