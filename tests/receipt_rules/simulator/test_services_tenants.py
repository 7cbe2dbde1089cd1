"""The simulator shows the customer and the tenant's status for each recipient."""

import pytest

from receipt_rules.models.runs import ReceivingStop
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.simulator.services import simulate
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.factories import make_customer
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db


def test_each_customer_is_listed_once_with_their_tenants_status(sandbox: Sandbox) -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_verified("alice.com", customer=alice)
    make_address("a@alice.com", domain)
    make_address("b@alice.com", domain)
    make_address("c@bob.com", make_verified("bob.com", customer=bob))
    tenant = Tenant.objects.create(customer=alice, region=domain.region, name="alice-1", standing="paused")
    ReceivingStop.objects.create(customer=alice, asked_at=domain.created_at)
    found = simulate(envelope=["a@alice.com", "b@alice.com", "c@bob.com"], live=RuleSet(""))
    assert [holder.sentence for holder in found.holders] == [
        f"Alice: the tenant {tenant.name}, paused; receiving stopped by staff",
        "Bob: no tenant yet",
    ]
