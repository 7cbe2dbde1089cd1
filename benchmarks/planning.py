"""Plans for rules: their time and memory by number of recipients. Calls are counted in `receiving`.

Measures a plan as the worker makes it: from addresses, catch-alls and a live set to the steps, their digest and the
consequences for each address. Time is processor time, because a plan waits for nothing. Memory is the peak of Python's
allocations, the addresses included.
"""

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.rows import Row, at_most, shown
from receipt_rules.planner.core.desired import DesiredEntries, without_covered
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import S3, Lambda, RuleDelivery, RuleSet

SIZES = (1_000, 10_000, 100_000)
SECONDS = 2.0
MEGABYTES = 300.0
NOTHING = RuleSet("inbound-admin")

_HANDLER = Lambda("arn:aws:lambda:eu-west-1:123456789012:function:inbound-mail-handler")
SHARED = RuleDelivery((S3("inbound-mail"), _HANDLER))


def rows() -> list[Row]:
    """Return all rows. Takes about half a minute, mostly under the memory tracer."""
    return [row for size in SIZES for row in size_rows(size)]


def size_rows(size: int) -> list[Row]:
    """Measure a first plan into an empty rule set, and a change of one address in a hundred."""
    bounds = (SECONDS, MEGABYTES) if size == max(SIZES) else None
    live = _plan(without_covered(_addresses(size)), NOTHING).after
    found = []
    for name, start, actual in (("first", 0, NOTHING), ("1 % changed", size // 100, live)):
        seconds, megabytes = _measured(partial(_whole, size, start, actual))
        what = f"{name} plan, {size:,} recipients"
        if bounds:
            found += [at_most(what, seconds, "s", bounds[0]), at_most(f"{what}, memory", megabytes, "MB", bounds[1])]
        else:
            found += [shown(what, seconds, "s"), shown(f"{what}, memory", megabytes, "MB")]
    return found


def _whole(number: int, start: int, actual: RuleSet) -> Plan:
    plan = _plan(without_covered(_addresses(number, start=start)), actual)
    assert plan.summary
    return plan


def _plan(desired: DesiredEntries, actual: RuleSet) -> Plan:
    return make_plan(desired, actual)


def _measured(run: Callable[[], object]) -> tuple[float, float]:
    """Return processor seconds, the fastest of three runs, and megabytes of a fourth run under the tracer."""
    took = []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    tracemalloc.start()
    try:
        run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return min(took), peak / 1e6


def _addresses(number: int, *, start: int = 0, delivery: RuleDelivery = SHARED) -> Mapping[str, RuleDelivery]:
    """Return addresses, three for each domain."""
    numbers = range(start, start + number)
    return {f"{('info', 'sales', 'billing')[each % 3]}@d{each // 3}.example.com": delivery for each in numbers}
