"""The page of differences: checked on demand, decided with a reason."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from operations.drift.core import TENANTS_AREA, Decision
from operations.drift.services import decide
from operations.drift_store import services as drift_store_services
from operations.drift_store.services import record_check
from operations.models import Difference, DriftCheck
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_difference
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
URL = "operations:differences"


@pytest.fixture
def olga(client: Client) -> Client:
    client.force_login(make_staff(Role.OPERATOR))
    return client


def test_before_the_first_check_nothing_is_called_fine(olga: Client) -> None:
    page = olga.get(reverse(URL)).content.decode()
    assert "Not checked yet" in page
    assert "No open differences" not in page


def test_nothing_is_called_fine_until_every_area_was_read(olga: Client) -> None:
    for area in ("tenants", "identities"):
        record_check(area, at=timezone.now())
    assert "No open differences" not in olga.get(reverse(URL)).text
    assert "No open differences" not in olga.get(reverse(URL), {"area": "rules"}).text
    assert "No open differences" in olga.get(reverse(URL), {"area": "tenants"}).text
    record_check("rules", at=timezone.now())
    assert "No open differences" in olga.get(reverse(URL)).text


def test_a_requested_check_is_followed_and_its_result_shown(olga: Client, sandbox: Sandbox) -> None:
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    olga.post(reverse("operations:look"))
    part = olga.get(reverse(URL), headers={"HX-Request": "true"}).content.decode()
    assert "eading" in part
    assert 'hx-trigger="every' in part
    tenant_drift_services.work()
    page = olga.get(reverse(URL)).content.decode()
    assert "Tenant by-hand (0 resources) has no customer here." in page
    assert "SES counts 1" in page


def test_a_failed_check_says_that_the_list_may_be_out_of_date(olga: Client) -> None:
    DriftCheck.objects.create(region="eu-west-1", area="tenants", problem="Amazon is not answering.")
    page = olga.get(reverse(URL)).content.decode()
    assert "this list may be out of date" in page
    assert "No open differences" not in page


def test_a_manually_created_tenant_is_adopted_for_a_customer(olga: Client, sandbox: Sandbox) -> None:
    customer = make_customer("Northwind")
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    url = reverse("operations:difference", args=[Difference.objects.get().pk])
    given = {"decision": "adopt", "because": "they made it"}
    refused = olga.post(url, given)
    assert refused.status_code == 422
    assert "Choose the customer" in refused.content.decode()
    assert olga.post(url, {**given, "customer": customer.pk})["Location"] == reverse(URL)
    assert Tenant.objects.get(customer=customer).name == "by-hand"


def test_an_ignored_difference_moves_to_the_ignored_list(olga: Client) -> None:
    row = make_difference(make_customer("Northwind"))
    url = reverse("operations:difference", args=[row.pk])
    assert olga.post(url, {"decision": "ignore", "because": ""}).status_code == 422
    olga.post(url, {"decision": "ignore", "because": "their own test"})
    assert row.sentence not in olga.get(reverse(URL)).content.decode()
    page = olga.get(f"{reverse(URL)}?show=ignored").content.decode()
    assert row.sentence in page
    assert "their own test" in page


def test_a_decision_from_a_page_that_showed_another_one_is_refused(olga: Client) -> None:
    """After "Accept from SES", "Restore in SES" would restore what was accepted, and say that ours is back."""
    customer = make_customer("Northwind")
    tenant = make_tenant(customer, name="northwind", ses_policy="none")
    sides = {"found": {"policy": "none"}, "wanted": {"policy": "standard"}}
    row = make_difference(customer, subject=tenant.name, place=tenant.name, **sides)
    url = reverse("operations:difference", args=[row.pk])
    seen = olga.get(url).context["form"]["seen"].value()
    assert f'value="{seen}"' in olga.get(url).text
    olga.post(url, {"decision": "adopt", "because": "as agreed", "seen": seen})
    answer = olga.post(url, {"decision": "restore", "because": "not changed by us", "seen": seen}, follow=True)
    assert "somebody else made changes after you opened this page" in answer.text
    row.refresh_from_db()
    assert (row.decision, row.because) == ("adopt", "as agreed")


def test_of_two_decisions_at_once_the_first_is_kept(db: None) -> None:
    """Both have read it while it was open: the second is refused before it has an effect."""
    olga = make_staff(Role.OPERATOR)
    tenant = make_tenant(make_customer("Northwind"), name="northwind", ses_policy="none")
    sides = {"found": {"policy": "none"}, "wanted": {"policy": "standard"}}
    row = make_difference(tenant.customer, subject=tenant.name, place=tenant.name, **sides)
    later = Difference.objects.get(pk=row.pk)
    decide(difference=row, decision=Decision.ADOPT, because="as agreed", actor=olga)
    with pytest.raises(Refused, match="decided in the meantime: Accept from SES"):
        decide(difference=later, decision=Decision.RESTORE, because="not changed by us", actor=olga)
    row.refresh_from_db()
    assert row.decision == "adopt"


def test_support_can_see_but_not_decide(client: Client) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    url = reverse("operations:difference", args=[make_difference().pk])
    assert "Decide</button>" not in client.get(url).content.decode()
    assert client.post(url, {"decision": "ignore", "because": "x"}).status_code == 403
    assert client.post(reverse("operations:look")).status_code == 403


def test_differences_are_filtered_by_area(olga: Client) -> None:
    make_difference(sentence="The policy is another.")
    make_difference(area="identities", kind="gone", sentence="Amazon does not know shop.com.", key="gone shop.com")
    url = reverse("operations:differences")
    page = olga.get(url + "?area=identities").content.decode()
    assert "does not know shop.com" in page
    assert "The policy is another." not in page
    assert "The policy is another." in olga.get(url + "?area=nonsense").content.decode()


def test_a_difference_of_the_rules_links_to_the_plan(olga: Client) -> None:
    found = make_difference(area="rules", kind="not_as_wanted", may_restore=False, key="not_as_wanted 1")
    page = olga.get(reverse("operations:difference", args=[found.pk])).content.decode()
    assert reverse("receipt_rules:plan") in page
    assert 'value="restore"' not in page


def test_a_rule_that_no_plan_deletes_links_to_the_rules(olga: Client) -> None:
    found = make_difference(area="rules", kind="extra", may_restore=False, key="extra theirs")
    page = olga.get(reverse("operations:difference", args=[found.pk])).content.decode()
    assert "Plans never delete an unmanaged rule" in page
    assert reverse("receipt_rules:plan") not in page
