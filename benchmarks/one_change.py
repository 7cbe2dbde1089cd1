"""Measures one customer's change of one address on a filled database, until the first call that changes a rule.

`python -m benchmarks.one_change` uses the database of DATABASE_URL, as `make fill` leaves it.
"""

import os
import sys
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import django


class _FirstChange(Exception):
    """Ends the measurement before a rule is changed."""


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    django.setup()
    for name, value in measured():
        print(f"{name:60}{value:12,.1f}")
    return 0


def measured() -> Iterator[tuple[str, float]]:
    from benchmarks.aws_calls import pointed_at
    from sandbox.process import Sandbox

    with Sandbox() as sandbox, pointed_at(sandbox):
        _write_rules()
        yield "milliseconds from press to the first change at SES", _until_first(_nothing) * 1000
        yield "megabytes meanwhile", _until_first(_peak) / 1e6
        yield from _whole_plan()


def _write_rules() -> None:
    """Write the database's rules into the sandbox's SES."""
    from inbound_admin.lib import aws
    from receipt_rules.live import gateway
    from receipt_rules.live.selectors import content_of, last_known

    known = last_known()
    assert known is not None
    client = aws.client("ses")
    client.create_receipt_rule_set(RuleSetName=known.name)
    after = ""
    for rule in content_of(known).ours:
        gateway.create_rule(known.name, rule, after=after)
        after = rule.name
    client.set_active_receipt_rule_set(RuleSetName=known.name)


def _nothing(began: float) -> float:
    return time.perf_counter() - began


def _peak(began: float) -> float:
    return float(tracemalloc.get_traced_memory()[1])


def _until_first(measure: Any) -> float:
    """Measure one new address of a customer's domain, then clean up. Raises an error if no rule would change."""
    from domains.models.domains import Domain
    from receipt_rules.addresses import services as addresses_services
    from receipt_rules.auto_apply import services as auto_apply_services
    from receipt_rules.live import gateway
    from receipt_rules.models.runs import PendingChange

    domain = Domain.objects.filter(has_catch_all=False).earliest("pk")
    kept, found = (gateway.create_rule, gateway.update_rule), [0.0]

    def stop(*args: object, **kwargs: object) -> None:
        found[0] = measure(began)
        raise _FirstChange

    gateway.create_rule = gateway.update_rule = stop  # if all rules are full, a new one is created
    if measure is _peak:
        tracemalloc.start()
    began = time.perf_counter()
    try:
        addresses_services.add_address(text=f"bench@{domain.name}", customer=domain.customer, actor=None)
        auto_apply_services.apply_pending_changes()
        waits = PendingChange.objects.filter(customer=domain.customer_id).values_list("waits_because", flat=True)
        raise RuntimeError(f"No rule was to be changed. What waits: {list(waits)}")
    except _FirstChange:
        pass
    finally:
        gateway.create_rule, gateway.update_rule = kept
        tracemalloc.stop()
        _clear(domain.customer_id)
    return found[0]


def _clear(customer: str) -> None:
    from receipt_rules.models.addresses import Address
    from receipt_rules.models.runs import PendingChange, Run

    Run.objects.filter(customer=customer).delete()
    PendingChange.objects.filter(customer=customer).delete()
    Address.objects.filter(address__startswith="bench@").delete()


def _whole_plan() -> Iterator[tuple[str, float]]:
    from receipt_rules.live.services import read_live
    from receipt_rules.planner.services import EVERYTHING, plan_for, read_desired_state

    live = read_live()
    began = time.perf_counter()
    rows = read_desired_state(entries_only=True)
    yield "seconds for all rows that are wanted", time.perf_counter() - began
    made = plan_for(EVERYTHING, live, rows)
    assert made.summary
    yield "seconds for the whole region's plan, rows included", time.perf_counter() - began
    tracemalloc.start()
    assert plan_for(EVERYTHING, live, read_desired_state(entries_only=True)).summary
    yield "megabytes of the whole region's plan", tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()


if __name__ == "__main__":
    sys.exit(main())
