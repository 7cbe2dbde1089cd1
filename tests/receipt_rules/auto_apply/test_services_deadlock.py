"""Staff resume a customer's receiving at the moment at which the worker has applied the stop."""

import threading
from typing import Any

import pytest
from django.db.models.signals import post_delete

from accounts.roles import Role
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.runs import PendingChange, ReceivingStop
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import make_address, make_verified, rule_count, set_up_receiving
from tests.transactions import MOST_SECONDS, begin

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_resume_at_the_moment_at_which_the_stop_is_applied_waits_in_no_circle(sandbox: Sandbox) -> None:
    """The resume begins when the worker has removed the pending change, and settles the stop next."""
    alice, tess = make_customer("Alice"), make_staff(Role.TRUST_AND_SAFETY)
    make_address("a@alice.com", make_verified("alice.com", customer=alice))
    set_up_receiving()
    auto_apply_services.stop(customer=alice, because="phishing", actor=tess)
    ends: list[Any] = []
    begun: list[threading.Thread] = []

    def resume() -> None:
        auto_apply_services.resume(customer=alice, because="resolved", actor=tess)

    def meanwhile(**_: Any) -> None:
        if not begun:
            begun.append(begin(resume, ends))

    post_delete.connect(meanwhile, sender=PendingChange)
    try:
        auto_apply_services.work()
    finally:
        post_delete.disconnect(meanwhile, sender=PendingChange)
    begun[0].join(MOST_SECONDS)
    assert ends == [None]
    assert rule_count("a@alice.com") == 0
    auto_apply_services.work()
    assert rule_count("a@alice.com") == 1
    assert ReceivingStop.objects.get().settled_at is not None
