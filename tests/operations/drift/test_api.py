"""The API decides on many differences at once."""

import pytest

from accounts.roles import Role
from inbound_admin.lib import aws
from operations.drift.core import IDENTITIES_AREA, TENANTS_AREA, UNOWNED
from operations.drift_store import services as drift_store_services
from operations.models import Difference
from operations.tenant_drift import services as tenant_drift_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.api_client import Api, api_of, ok, refused
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_difference

pytestmark = pytest.mark.django_db
DECISIONS = "/api/v2/drift/decisions"


@pytest.fixture
def olga() -> Api:
    return api_of(make_staff(Role.OPERATOR), "read", "write", "staff")


def test_adopting_many_tenants_continues_after_a_refused_one(olga: Api, sandbox: Sandbox) -> None:
    for number in range(4):
        aws.client("sesv2").create_tenant(TenantName=f"tenant{number}")
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    offered = {f"tenant{number}": make_customer(f"Customer {number}") for number in range(3)}
    for row in Difference.objects.all():
        Difference.objects.filter(pk=row.pk).update(customer=offered.get(row.subject))
    asked = {"decision": "adopt", "because": "They were theirs", "area": "tenants", "kind": "unknown"}
    body = ok(olga.post(DECISIONS, asked))
    assert (body["decided"], body["remaining"]) == (3, 1)
    assert [row["subject"] for row in body["data"] if row["problem"]] == ["tenant3"]
    assert {tenant.name: tenant.customer for tenant in Tenant.objects.all()} == offered


def test_only_the_chosen_differences_are_ignored(olga: Api) -> None:
    first, second, other = (make_difference(make_customer()) for _ in range(3))
    asked = {"decision": "ignore", "because": "their own test", "ids": [first.pk, second.pk, "nobody's"]}
    assert ok(olga.post(DECISIONS, asked))["decided"] == 2
    assert list(Difference.objects.filter(decision="").values_list("pk", flat=True)) == [other.pk]


def test_a_decision_requires_a_choice_and_unowned_identities_require_an_import(olga: Api) -> None:
    row = make_difference(make_customer())
    refused(olga.post(DECISIONS, {"decision": "ignore", "because": "x"}), 400, "WHICH")
    Difference.objects.filter(pk=row.pk).update(area=IDENTITIES_AREA, kind=UNOWNED)
    refused(olga.post(DECISIONS, {"decision": "adopt", "because": "x", "ids": [row.pk]}), 422, "BY_IMPORT")
    assert Difference.objects.get().decision == ""
