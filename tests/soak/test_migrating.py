"""A thousand customers migrate whole through faults and deaths of the worker."""

import pytest

from inbound_admin.lib import aws
from operations.models import ItemState
from sandbox.process import Sandbox
from tests.faults.test_migrating import assert_whole, faults, run_to_the_end
from tests.operations.factories import make_sender, start

pytestmark = [pytest.mark.soak, pytest.mark.django_db]


def test_a_thousand_customers_with_three_domains_each(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    customers = [make_sender(domains=3) for _ in range(1000)]
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    aws.account_id()
    migration = start(*customers)
    for fault, nth in zip(faults(), range(5, 9000, 97), strict=False):
        sandbox.control.add_fault(fault, nth=nth)
    for nth in (1500, 7000):
        sandbox.control.add_fault("exit_after", nth=nth)
    run_to_the_end()
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert_whole(customers)
