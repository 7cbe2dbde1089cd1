"""Counts the SES calls of a tenant migration at the sandbox, and the time at our rate limit."""

from benchmarks import database
from benchmarks.aws_calls import pointed_at
from benchmarks.rows import Row, at_most, shown
from sandbox.process import Sandbox

CUSTOMERS, DOMAINS = 20, 3
OF_CUSTOMER = 6  # and two for each domain


def rows() -> list[Row]:
    """Return the rows, measured on a separate database."""
    with database.fresh(), Sandbox() as sandbox, pointed_at(sandbox):
        calls = _calls(sandbox)
    each = (calls - 2) / CUSTOMERS  # two calls list all tenants and all identities, for all customers together
    return [
        at_most(f"AWS calls to migrate a customer with {DOMAINS} domains", each, "calls", OF_CUSTOMER + 2 * DOMAINS),
        shown(f"A thousand such customers at {_pace():g} calls a second", each * 1000 / _pace() / 3600, "hours"),
    ]


def _calls(sandbox: Sandbox) -> int:
    from operations.models import ItemState
    from tests.operations import factories

    sandbox.control.reset()
    for _ in range(CUSTOMERS):
        factories.make_sender(domains=DOMAINS)
    sandbox.control.clear_calls()
    migration = factories.migrate(choice=factories.all_customers())
    assert not migration.items.exclude(state=ItemState.DONE).exists()
    return sum(factories.ses_call_counts(sandbox).values())


def _pace() -> float:
    return 0.9  # the default of AWS_CALLS_PER_SECOND; here it is 0
