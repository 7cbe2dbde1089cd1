"""What a customer changes at two domains at the same moment is one pending change, with all of it."""

from functools import partial

import pytest
from django.db import transaction

from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.jobs import queue_customer_change
from receipt_rules.models.runs import PendingChange
from sandbox.process import Sandbox
from tests.factories import make_customer
from tests.receipt_rules.factories import make_verified, rule_count, set_up_receiving
from tests.transactions import result_of_second

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_two_addresses_added_at_once_both_are_applied(sandbox: Sandbox) -> None:
    set_up_receiving()
    alice = make_customer("Alice")
    for name in ("shop.com", "else.com"):
        make_verified(name, customer=alice)
    first, second = (
        partial(addresses_services.add_address, text=text, customer=alice, actor=None)
        for text in ("a@shop.com", "a@else.com")
    )
    assert not isinstance(result_of_second(first, second), Exception)
    assert PendingChange.objects.get().recipients == ["a@else.com", "a@shop.com"]
    auto_apply_services.work()
    assert (rule_count("a@shop.com"), rule_count("a@else.com")) == (1, 1)


def test_of_a_change_of_all_recipients_and_one_of_some_at_once_all_count() -> None:
    alice = make_customer("Alice")
    every = partial(queue_customer_change, alice, None)
    some = partial(queue_customer_change, alice, None, recipients=["a@shop.com"], domains=["dom_1"])
    result_of_second(every, transaction.atomic(some))
    assert (PendingChange.objects.get().recipients, PendingChange.objects.get().domains) == (None, [])


def test_a_change_can_be_queued_outside_of_a_transaction() -> None:
    queue_customer_change(make_customer("Alice"), None, recipients=["a@shop.com"], domains=["dom_1"])
    assert PendingChange.objects.get().recipients == ["a@shop.com"]
