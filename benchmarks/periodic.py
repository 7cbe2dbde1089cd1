"""Measures the worker's periodic tasks that call neither SES nor DNS: queries, seconds, memory.

`python -m benchmarks.periodic` uses the database of DATABASE_URL, as `make fill` leaves it; the tasks' writes remain.
Memory is the peak of Python's allocations.
"""

import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import django


@dataclass(frozen=True)
class Cost:
    """Cost of one run of a task."""

    task: str
    queries: int
    seconds: float
    processor: float
    megabytes: float


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    django.setup()
    from django.test import override_settings

    from benchmarks.data import FUNCTION

    print(f"{'task':42}{'queries':>9}{'seconds':>9}{'processor':>11}{'MB':>8}")
    with override_settings(RECEIVING_FUNCTION=FUNCTION):
        for each in costs():
            figures = f"{each.queries:9}{each.seconds:9.2f}{each.processor:11.2f}{each.megabytes:8.1f}"
            print(f"{each.task:42}{figures}", flush=True)
    return 0


def costs() -> Iterator[Cost]:
    for task, run in tasks().items():
        run()  # excludes one-time work
        yield _cost(task, run)


def tasks() -> dict[str, Callable[[], object]]:
    """Return the tasks by their names in `inbound_admin.lib.lanes`."""
    from django.utils import timezone

    from domains import tasks as domains_tasks
    from notifications import tasks as notifications_tasks
    from operations.drift import services as drift_services
    from operations.reconciler import services as reconciler_services
    from receipt_rules.planner.services import read_desired_entries
    from receipt_rules.probes import services as probes_services
    from receipt_rules.transfers import services as transfers_services
    from tenants import tasks as tenants_tasks

    return {
        "domains.sweep": lambda: domains_tasks.sweep.func(timestamp=0),
        "domains.count_states": lambda: domains_tasks.count_states.func(timestamp=0),
        "domains.forget_old": lambda: domains_tasks.forget_old.func(timestamp=0),
        "domains.end_unproven": lambda: domains_tasks.end_unproven.func(timestamp=0),
        "operations.sweep, queues": lambda: reconciler_services.queue_unfinished(now=timezone.now()),
        "operations.sweep, differences": drift_services.import_rule_drift,
        "receipt_rules.sweep": lambda: transfers_services.alert_unread_transfers(now=timezone.now()),
        "notifications.unmuted": lambda: notifications_tasks.notify_unmuted.func(timestamp=0),
        "receipt_rules.probe_domains": lambda: probes_services.run_due(now=timezone.now()),
        "receipt_rules.look, rows that are wanted": read_desired_entries,
        "tenants.forget_old_rates": lambda: tenants_tasks.delete_old_rates.func(timestamp=0),
        "tenants.remind": lambda: tenants_tasks.remind_of_reviews.func(timestamp=0),
    }


def _cost(task: str, run: Callable[[], object]) -> Cost:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    began, busy = time.perf_counter(), time.process_time()
    with CaptureQueriesContext(connection) as queries:
        run()
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    tracemalloc.start()
    try:
        run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return Cost(task, len(queries), seconds, processor, peak / 1e6)


if __name__ == "__main__":
    sys.exit(main())
