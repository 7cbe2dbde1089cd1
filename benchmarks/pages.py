"""Compares the list and a domain's page with many domains to the same with few, in one run."""

import time
from collections.abc import Iterator
from statistics import quantiles
from typing import TYPE_CHECKING

from accounts.models.people import Customer
from benchmarks import database
from benchmarks.rows import Row, at_most, shown

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models.people import Customer

FEW, MANY = 100, 10_000
TIMES = 40
WORST_RATIO = 5.0


def rows() -> Iterator[Row]:
    """Return each page's p95 in milliseconds, and the ratio between many and few."""
    with database.fresh():
        yield from _measured()


def _measured() -> Iterator[Row]:
    from accounts.models.people import Customer

    customer = Customer.objects.create(name="Benchmark")
    client, urls = _viewer(), {}
    few: dict[str, float] = {}
    for count, start in ((FEW, 0), (MANY, FEW)):
        _fill(customer, start, count)
        urls = _pages()
        for name, url in urls.items():
            p95 = _p95(client, url)
            yield shown(f"{name}, p95 with {count} domains", round(p95, 1), "ms")
            if name in few:
                yield at_most(f"{name}, {count} beside {FEW} domains", round(p95 / few[name], 2), "times", WORST_RATIO)
            few.setdefault(name, p95)


def _viewer() -> "Client":
    """Return a client of a staff member, who sees all domains."""
    from django.test import Client

    from accounts.models.people import User

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("bench@inbound-admin.example"))
    return client


def _fill(customer: "Customer", start: int, end: int) -> None:
    from domains.models.domains import Domain, Stage

    Domain.objects.bulk_create(
        Domain(name=f"customer-{number}.com", region="eu-west-1", customer=customer, stage=Stage.READY)
        for number in range(start, end)
    )


def _pages() -> dict[str, str]:
    from django.urls import reverse

    from domains.models.domains import Domain

    one = Domain.objects.earliest("name")
    return {
        "list of domains": reverse("domains:list"),
        "list, searched": reverse("domains:list")
        + "?q=customer-77.",  # one match in both, so the search is measured, not the rows
        "page of a domain": reverse("domains:detail", args=[one.pk]),
    }


def _p95(client: "Client", url: str) -> float:
    client.get(url)  # the first visit compiles templates
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        assert client.get(url).status_code == 200
        took.append((time.perf_counter() - began) * 1000)
    return quantiles(took, n=20)[-1]
