"""Imported addresses: who may own them, and that no run is queued for them."""

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Stage
from inbound_admin.lib.errors import Refused
from receipt_rules.legacy_import.services import Import, StoredImport, import_address
from receipt_rules.models.addresses import Address
from tests.domains.factories import make_domain
from tests.factories import make_customer
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db
BILLING = "billing@shop.com"


@pytest.fixture
def alice() -> Customer:
    return make_customer("Alice Ltd")


def import_billing(customer: Customer) -> StoredImport:
    of = Import(customer=customer, actor=None, because="Moved in", bulk_id="chg_1")
    return import_address(text=BILLING, endpoint=None, is_active=True, of=of)[1]


def test_an_address_at_another_customers_unproven_claim_does_not_block_the_import(alice: Customer) -> None:
    make_address(BILLING, make_domain("shop.com", customer=make_customer("Bob Ltd"), stage=Stage.CLAIM))
    make_verified("shop.com", customer=alice)
    assert import_billing(alice) is StoredImport.NEW
    assert Address.objects.filter(address=BILLING).count() == 2
    assert list(Change.objects.values_list("what", "customer_id", "bulk_id")) == [("address.added", alice.pk, "chg_1")]
    assert not ProcrastinateJob.objects.exists()


def test_an_unproven_claim_cannot_take_an_address_from_the_domains_owner(alice: Customer) -> None:
    bob = make_customer("Bob Ltd")
    make_address(BILLING, make_verified("shop.com", customer=bob))
    make_domain("shop.com", customer=alice, stage=Stage.CLAIM)
    with pytest.raises(Refused):
        import_billing(alice)
    assert Address.objects.get(address=BILLING).domain.customer == bob
