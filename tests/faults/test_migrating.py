"""A migration with AWS calls interrupted in every way: the next run ends like an undisturbed one."""

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
from tests.faults.initial_state import InitialState
from tests.operations.factories import make_ready, make_sender, start_migration, tenants_in_ses

pytestmark = pytest.mark.django_db
WAYS: tuple[tuple[FaultKind, int], ...] = (
    ("exit_after", 3),
    ("cut_after", 3),
    ("cut_after", 1),
    ("throttle", 1),
)


def run() -> bool:
    """Return False if it was interrupted, as the worker would see it."""
    try:
        migration_steps_services.work()
    except (AwsProblem, ProcessCut):
        return False
    return True


def run_until_done(most: int = 200) -> int:
    """Repeat the job as the worker does; return the number of runs."""
    return next(number for number in range(1, most) if run())


def assert_all_migrated(customers: list[Customer]) -> None:
    """Check in SES that each customer's identities are in their own tenant, and in no other."""
    in_ses = tenants_in_ses()
    assert len(in_ses) == len(customers)
    seen: list[str] = []
    for customer in customers:
        tenant = Tenant.objects.get(customer=customer)
        names = Domain.objects.filter(customer=customer, tenant=tenant).values_list("name", flat=True)
        own = {*map(aws.identity_arn, names)}
        identities = {arn for arn in in_ses[tenant.name] if ":identity/" in arn}
        assert identities == own
        assert any(arn.endswith(f":configuration-set/{tenant.configuration_set}") for arn in in_ses[tenant.name])
        seen += identities
    assert len(seen) == len(set(seen)) == Domain.objects.count()


def start_one_migration() -> Migration:
    aws.account_id()  # read once in a process, so it is no call of the job
    customer = make_sender(domains=1)
    make_ready("adopted.example", customer, adopted=True)
    return start_migration(customer)


def start_one_rollback() -> Migration:
    """Migrate the customer and request the rollback."""
    migration = start_one_migration()
    assert run()
    tenant_migration_services.roll_back(migration=migration, actor=None, because="as a test")
    return migration


def set_attempts(attempts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", attempts)
    aws.account_id()


def outcome_of_migration(migration: Migration) -> tuple[object, ...]:
    item = migration.items.get()
    log = Change.objects.filter(customer_id=item.customer_id).order_by("pk").values_list("what", flat=True)
    steps = tuple(item.steps.values_list("kind", "state"))
    names = tuple(sorted(len(arns) for arns in tenants_in_ses().values()))
    return item.state, item.problem, steps, names, tuple(log)


def test_a_migration_interrupted_anywhere_ends_like_an_undisturbed_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with InitialState(sandbox, start_one_migration) as initial_state:
        migration = initial_state.restore()
        assert run()
        number, plain = sum(sandbox.control.call_counts().values()), outcome_of_migration(migration)
        assert plain[0] == ItemState.DONE
        for (kind, attempts), nth in product(WAYS, range(1, number + 1)):
            migration = initial_state.restore()
            set_attempts(attempts, monkeypatch)
            sandbox.control.add_fault(kind, nth=nth)
            cut = not run()
            assert sandbox.control.faults() == (), f"call {nth} was not made"
            assert cut or attempts > 1, f"{kind} at call {nth} had no effect"
            assert not cut or run(), f"{kind} at call {nth}: the next run does not end"
            assert outcome_of_migration(migration) == plain, f"{kind} at call {nth}"


def test_a_rollback_interrupted_anywhere_ends_like_an_undisturbed_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with InitialState(sandbox, start_one_rollback) as initial_state:
        migration = initial_state.restore()
        assert run()
        number, plain = sum(sandbox.control.call_counts().values()), outcome_of_migration(migration)
        assert plain[0] == ItemState.ROLLED_BACK
        for (kind, attempts), nth in product(WAYS, range(1, number + 1)):
            migration = initial_state.restore()
            set_attempts(attempts, monkeypatch)
            sandbox.control.add_fault(kind, nth=nth)
            assert run() or run(), f"{kind} at call {nth}: the next run does not end"
            assert outcome_of_migration(migration) == plain, f"{kind} at call {nth}"


def test_thirty_customers_migrate_completely_despite_faults_and_two_crashes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [make_sender(domains=3) for _ in range(30)]
    set_attempts(1, monkeypatch)
    migration = start_migration(*customers)
    for fault, nth in zip(fault_kinds(), range(5, 270, 7), strict=False):
        sandbox.control.add_fault(fault, nth=nth)
    for nth in (50, 230):
        sandbox.control.add_fault("exit_after", nth=nth)
    runs = run_until_done()
    assert sandbox.control.faults() == ()
    assert runs > 30, "the faults had no effect"
    migration.refresh_from_db()
    assert (migration.state, migration.waits_because) == (MigrationState.DONE, "")
    assert set(migration.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert_all_migrated(customers)


def fault_kinds() -> Iterator[FaultKind]:
    kinds: tuple[FaultKind, ...] = ("throttle", "error", "cut_after", "cut_before")
    return cycle(kinds)
