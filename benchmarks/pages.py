"""How fast the list and a domain's page are with many domains, beside the same with few, in one run."""

import time
from collections.abc import Callable, Iterator
from statistics import quantiles

from benchmarks.rows import Row

FEW, MANY = 100, 10_000
TIMES = 40
WORST_RATIO = 4.0


def rows() -> Iterator[Row]:
    """p95 of a page in milliseconds, and how much slower many domains make it."""
    from tests.factories import make_customer

    from benchmarks.database import migrated

    with migrated():
        customer = make_customer("Benchmark")
        pages = _pages(_viewer())
        _fill(customer, FEW)
        few = {name: _p95(page) for name, page in pages.items()}
        _fill(customer, MANY - FEW, start=FEW)
        for name, page in pages.items():
            many = _p95(page)
            yield Row(f"{name}, p95 with {MANY} domains", round(many, 1), "ms", None, True)
            ratio = round(many / few[name], 2)
            yield Row(f"{name}, {MANY} beside {FEW} domains", ratio, "times", WORST_RATIO, ratio <= WORST_RATIO)


def _fill(customer: object, count: int, start: int = 0) -> None:
    from domains.models import Domain

    Domain.objects.bulk_create(
        Domain(name=f"customer-{number}.example-host.net", region="eu-west-1", customer=customer, stage="ready")
        for number in range(start, start + count)
    )
