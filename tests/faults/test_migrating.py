"""A migration with Amazon's calls cut in each way: the next run ends where an undisturbed one does."""

from collections.abc import Iterator
from itertools import cycle, product

import pytest

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, Migration, MigrationState
from operations.tenant_migration import services as tenant_migration_services
from sandbox.aws.faults import ProcessCut
from sandbox.process import Sandbox
from sandbox.values import FaultKind
from tenants.models.tenants import Tenant
from tests.faults.initial_state import Beginning
from tests.operations.factories import make_ready, make_sender, start, tenants_at_amazon

pytestmark = pytest.mark.django_db
WAYS: tuple[tuple[FaultKind, int], ...] = (
    ("exit_after", 3),
    ("cut_after", 3),
    ("cut_after", 1),
    ("throttle", 1),
)


def run() -> bool:
    """False when it was cut, as the worker would see it."""
    try:
        migration_steps_services.work()
    except (AwsProblem, ProcessCut):
        return False
    return True


def run_to_the_end(most: int = 200) -> int:
    """As the worker repeats it; how many runs that took."""
    return next(number for number in range(1, most) if run())


def assert_whole(customers: list[Customer]) -> None:
    """By reading Amazon: everybody's identities are in their own tenant, and in no other."""
    there = tenants_at_amazon()
    assert len(there) == len(customers)
    seen: list[str] = []
    for customer in customers:
        tenant = Tenant.objects.get(customer=customer)
        names = Domain.objects.filter(customer=customer, tenant=tenant).values_list("name", flat=True)
        own = {*map(aws.identity_arn, names)}
        identities = {arn for arn in there[tenant.name] if ":identity/" in arn}
        assert identities == own
        assert any(arn.endswith(f":configuration-set/{tenant.configuration_set}") for arn in there[tenant.name])
        seen += identities
    assert len(seen) == len(set(seen)) == Domain.objects.count()


def begun() -> Migration:
    aws.account_id()  # is asked once a process, so it is no call of the job
    customer = make_sender(domains=1)
    make_ready("adopted.example", customer, adopted=True)
    return start(customer)


def moved() -> Migration:
    """And asked to go back."""
    migration = begun()
    assert run()
    tenant_migration_services.roll_back(migration=migration, actor=None, because="as a test")
    return migration


def allow(attempts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", attempts)
    aws.account_id()


def ends(migration: Migration) -> tuple[object, ...]:
    item = migration.items.get()
    log = Change.objects.filter(customer_id=item.customer_id).order_by("pk").values_list("what", flat=True)
    steps = tuple(item.steps.values_list("kind", "state"))
    names = tuple(sorted(len(arns) for arns in tenants_at_amazon().values()))
    return item.state, item.problem, steps, names, tuple(log)


def test_a_move_that_was_cut_anywhere_ends_as_if_it_were_not(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with Beginning(sandbox, begun) as beginning:
        migration = beginning.again()
        assert run()
        number, plain = sum(sandbox.control.call_counts().values()), ends(migration)
        assert plain[0] == ItemState.DONE
        for (kind, attempts), nth in product(WAYS, range(1, number + 1)):
            migration = beginning.again()
            allow(attempts, monkeypatch)
            sandbox.control.add_fault(kind, nth=nth)
            cut = not run()
            assert sandbox.control.faults() == (), f"call {nth} was not made"
            assert cut or attempts > 1, f"{kind} at call {nth} was not felt"
            assert not cut or run(), f"{kind} at call {nth}: the next run does not end"
            assert ends(migration) == plain, f"{kind} at call {nth}"


def test_a_move_back_that_was_cut_anywhere_ends_as_if_it_were_not(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Beginning(sandbox, moved) as beginning:
        migration = beginning.again()
        assert run()
        number, plain = sum(sandbox.control.call_counts().values()), ends(migration)
        assert plain[0] == ItemState.ROLLED_BACK
        for (kind, attempts), nth in product(WAYS, range(1, number + 1)):
            migration = beginning.again()
            allow(attempts, monkeypatch)
            sandbox.control.add_fault(kind, nth=nth)
            assert run() or run(), f"{kind} at call {nth}: the next run does not end"
            assert ends(migration) == plain, f"{kind} at call {nth}"


def test_a_hundred_customers_migrate_whole_through_faults_and_two_deaths_of_the_worker(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [make_sender(domains=3) for _ in range(100)]
    allow(1, monkeypatch)
    migration = start(*customers)
    for fault, nth in zip(faults(), range(5, 900, 23), strict=False):
        sandbox.control.add_fault(fault, nth=nth)
    for nth in (150, 700):
        sandbox.control.add_fault("exit_after", nth=nth)
    runs = run_to_the_end()
    assert sandbox.control.faults() == ()
    assert runs > 30, "the faults were not felt"
    migration.refresh_from_db()
    assert (migration.state, migration.waits_because) == (MigrationState.DONE, "")
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert_whole(customers)


def faults() -> Iterator[FaultKind]:
    kinds: tuple[FaultKind, ...] = ("throttle", "error", "cut_after", "cut_before")
    return cycle(kinds)
