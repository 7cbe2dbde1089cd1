"""What the owner of a domain asked for at a subdomain comes back once another customer's domain there is deleted."""

import pytest

from accounts.models.people import Customer
from operations.domain_removal import services as domain_removal_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.runs import PendingChange
from sandbox.process import Sandbox
from tests.domains.factories import delete_marked_domain
from tests.factories import make_customer
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import make_address, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
NAME = "northwind.com"


@pytest.fixture
def alice(sandbox: Sandbox) -> Customer:
    """She receives at her domain and below; Bob has proven sub.northwind.com."""
    customer = make_customer("Alice")
    domain = make_ready(NAME, customer, adopted=True)
    bobs = make_ready(f"sub.{NAME}", make_customer("Bob"), adopted=True)
    for text in (f"info@{NAME}", f"x@sub.{NAME}", f"off@sub.{NAME}"):
        make_address(text, domain, is_active=not text.startswith("off"))
    addresses_services.add_address(text=f"bob@sub.{NAME}", customer=bobs.customer, actor=None)
    set_up_receiving()
    auto_apply_services.work()
    assert (rule_count(f"info@{NAME}"), rule_count(f"x@sub.{NAME}"), rule_count(f"bob@sub.{NAME}")) == (1, 0, 1)
    bobs.refresh_from_db()
    domain_removal_services.request_removal(domain=bobs, typed_name=bobs.name, actor=None)
    auto_apply_services.work()
    domain_removal_services.work()
    delete_marked_domain(domain_id=bobs.pk)
    return customer


def test_addresses_at_a_released_subdomain_receive_again_without_an_operator(alice: Customer) -> None:
    assert PendingChange.objects.get(customer=alice).recipients == [f"x@sub.{NAME}"]
    auto_apply_services.work()
    assert (rule_count(f"x@sub.{NAME}"), rule_count(f"bob@sub.{NAME}"), rule_count(f"off@sub.{NAME}")) == (1, 0, 0)
    assert not PendingChange.objects.exists()


def test_a_deleted_domain_of_nobody_above_queues_nothing(sandbox: Sandbox) -> None:
    alone = make_ready("alone.com", make_customer("Carol"))
    make_address("a@alone.org", make_ready("alone.org", alone.customer))
    alone.delete()
    unproven = make_ready(f"sub.{NAME}", make_customer("Bob"), proven_at=None)
    CatchAll.objects.create(domain=make_ready(NAME, make_customer("Alice")), subdomains=True)
    unproven.delete()
    assert not PendingChange.objects.exists()
