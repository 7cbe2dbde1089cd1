"""What one change of one address costs on a filled database: the time from the click to the calls to SES.

The first call reads the current rules, because every plan needs them. The first call that changes a rule follows the
plan. In between, botocore mostly parses a rule set of 100,000 recipients. As in a worker, the process has read the
rules before and has frozen its memory.

`python -m benchmarks.one_change` measures the database of DATABASE_URL, as `make fill` leaves it; `make bench` measures
it with `visits`, on the same rows.
"""

import gc
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import django

from benchmarks.rows import Row, at_most, shown

if TYPE_CHECKING:
    from domains.models.domains import Domain

FIRST_CALL_MS, MEGABYTES, PLAN_SECONDS, PLAN_MEGABYTES = 300.0, 50.0, 3.0, 300.0
TIMES = 3
Measure = Callable[[float], float]


class _FirstChange(BaseException):
    """Ends the measurement before a rule is changed. No Exception: passes isolate those of one customer."""


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    django.setup()
    for row in rows():
        bound = "" if row.bound is None else f"at most {row.bound:,.0f}"
        print(f"{row.name:60}{row.value:12,.1f} {row.unit:4}{bound}")
    return 0


def rows() -> Iterator[Row]:
    """Yield the best of a few runs, so that other work of the machine doesn't count."""
    from benchmarks.aws_calls import pointed_at
    from receipt_rules.live.services import read_live
    from sandbox.process import Sandbox

    with Sandbox() as sandbox, pointed_at(sandbox):
        _write_rules()
        read_live()
        gc.collect()
        gc.freeze()
        call, change = (min(some) * 1000 for some in zip(*(_change(_seconds) for _ in range(TIMES)), strict=True))
        yield at_most("one change, until the first call to SES", round(call, 1), "ms", FIRST_CALL_MS)
        yield shown("one change, until the first call that changes a rule", round(change, 1), "ms")
        _, peak = _change(_peak)
        yield at_most("one change, memory meanwhile", round(peak, 1), "MB", MEGABYTES)
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


def _seconds(began: float) -> float:
    return time.perf_counter() - began


def _peak(began: float) -> float:
    return tracemalloc.get_traced_memory()[1] / 1e6


def _change(measure: Measure) -> tuple[float, float]:
    """Return seconds to the first SES call, and to the first that changes a rule. Raises RuntimeError if none would."""
    from domains.models.domains import Domain
    from receipt_rules.live import gateway
    from receipt_rules.models.runs import PendingChange

    domain = Domain.objects.filter(has_catch_all=False).earliest("pk")
    kept, found = (gateway.describe_active_rule_set, gateway.create_rule, gateway.update_rule), [0.0, 0.0]

    def read() -> object:
        found[0] = found[0] or measure(began)
        return kept[0]()

    def stop(*args: object, **kwargs: object) -> None:
        found[1] = measure(began)
        raise _FirstChange

    gateway.describe_active_rule_set = read  # type: ignore[assignment]
    gateway.create_rule = gateway.update_rule = stop  # where all rules are full, a new one is made
    if measure is _peak:
        tracemalloc.start()
    began = time.perf_counter()
    try:
        _press(domain)
        waits = PendingChange.objects.filter(customer=domain.customer_id).values_list("waits_because", flat=True)
        raise RuntimeError(f"No rule was to be changed. What waits: {list(waits)}")
    except _FirstChange:
        return found[0], found[1]
    finally:
        gateway.describe_active_rule_set, gateway.create_rule, gateway.update_rule = kept
        tracemalloc.stop()
        _clear(domain.customer_id)


def _press(domain: "Domain") -> None:
    """Add an address at a customer's domain, then run the worker."""
    from receipt_rules.addresses import services as addresses_services
    from receipt_rules.auto_apply import services as auto_apply_services

    addresses_services.add_address(text=f"bench@{domain.name}", customer=domain.customer, actor=None)
    auto_apply_services.apply_pending_changes()


def _clear(customer: str) -> None:
    from receipt_rules.models.addresses import Address
    from receipt_rules.models.runs import PendingChange, Run

    Run.objects.filter(customer=customer).delete()
    PendingChange.objects.filter(customer=customer).delete()
    Address.objects.filter(address__startswith="bench@").delete()


def _whole_plan() -> Iterator[Row]:
    from receipt_rules.live.services import read_live
    from receipt_rules.planner.services import EVERYTHING, plan_changes, read_desired_entries

    live = read_live()
    began = time.perf_counter()
    state = read_desired_entries()
    yield shown("whole region, rows that are wanted", round(_seconds(began), 2), "s")
    assert plan_changes(EVERYTHING, live, state).summary
    yield at_most("whole region, plan, rows included", round(_seconds(began), 2), "s", PLAN_SECONDS)
    tracemalloc.start()
    assert plan_changes(live=live).summary
    peak = _peak(began)
    tracemalloc.stop()
    yield at_most("whole region, memory of the plan", round(peak, 1), "MB", PLAN_MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
