"""A thousand customers migrate completely despite faults and crashes of the worker."""

import pytest

from inbound_admin.lib import aws
from operations.models import ItemState
from sandbox.process import Sandbox
from tests.faults.test_migrating import assert_all_migrated, fault_kinds, run_until_done
from tests.operations.factories import make_sender, start_migration

pytestmark = [pytest.mark.soak, pytest.mark.django_db]


def test_a_thousand_customers_migrate_completely_despite_faults_and_crashes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [make_sender(domains=3) for _ in range(1000)]
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    aws.account_id()
    migration = start_migration(*customers)
    for fault, nth in zip(fault_kinds(), range(5, 9000, 97), strict=False):
        sandbox.control.add_fault(fault, nth=nth)
    for nth in (1500, 7000):
        sandbox.control.add_fault("exit_after", nth=nth)
    run_until_done()
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert_all_migrated(customers)
