"""What a user waits for at the scale of `make fill`: each page with its queries and bytes, beside Django's changelists.

`python -m benchmarks.visits [part of a name]` measures a filled database, as DATABASE_URL names it.
"""

import gzip
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from django.test import Client

TIMES = 15
SLOW_SECONDS = 1.0  # then a few times are enough


@dataclass(frozen=True)
class Visit:
    """One page as it was answered."""

    name: str
    url: str
    milliseconds: float
    p95: float
    queries: int
    kilobytes: float
    compressed: float


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    django.setup()
    print(f"{'page':44}{'p50 ms':>9}{'p95 ms':>9}{'queries':>9}{'KB':>8}{'gzip':>7}")
    for each in visits(sys.argv[1] if len(sys.argv) > 1 else ""):
        print(
            f"{each.name:44}{each.milliseconds:9.0f}{each.p95:9.0f}{each.queries:9}"
            f"{each.kilobytes:8.0f}{each.compressed:7.0f}",
            flush=True,
        )
    return 0


def visits(part: str = "") -> Iterator[Visit]:
    """By staff who see all, in this order."""
    from django.test import Client

    from accounts.models.people import User

    people = User.objects.filter(email="bench@inbound-admin.example")
    staff = people.first() or User.objects.create_superuser("bench@inbound-admin.example")
    client = Client(SERVER_NAME="localhost")
    client.force_login(staff)
    for name, url in pages().items():
        if part in name:
            yield measure(client, name, url)


def pages() -> dict[str, str]:
    from django.urls import reverse

    from accounts.models.people import Customer
    from domains.models.domains import Domain

    domain = Domain.objects.order_by("pk")[0]
    last = Domain.objects.count() // 50
    big = Customer.objects.get(pk=Domain.objects.get(name__startswith="harbour-foods-100").customer_id)
    domains, addresses, tenants = reverse("domains:list"), reverse("receipt_rules:addresses"), reverse("tenants:list")
    return {
        "overview": "/",
        "domains": domains,
        "domains, one state": f"{domains}?show=verified",
        "domains, sorted by checked": f"{domains}?sort=checked",
        "domains, last page": f"{domains}?page={last}",
        "domains, by customer, last page": f"{domains}?sort=customer&page={last}",
        "domains, part of a name": f"{domains}?q=copper",
        "domains, nothing found": f"{domains}?q=zebra",
        "domains of a large customer": f"{domains}?customer={big.pk}",
        "addresses": addresses,
        "addresses, part of a name": f"{addresses}?q=copper-books-42",
        "addresses, nothing found": f"{addresses}?q=zebra",
        "addresses, last page": f"{addresses}?page={last * 10}",
        "addresses, switched off": f"{addresses}?show=off",
        "addresses of a large customer": f"{addresses}?customer={big.pk}",
        "domain": reverse("domains:detail", args=[domain.pk]),
        "tenants": tenants,
        "search": reverse("operations:find") + "?q=copper",
        "change log": reverse("operations:changes"),
        "change log, searched": reverse("operations:changes") + "?q=copper",
        "customers": reverse("customers:list"),
        "add a domain": reverse("domains:add"),
        "rules": reverse("receipt_rules:rules"),
        "plan": reverse("receipt_rules:plan"),
        "simulator": reverse("receipt_rules:simulator"),
        "admin: domains": reverse("admin:domains_domain_changelist"),
        "admin: domains, searched": reverse("admin:domains_domain_changelist") + "?q=copper",
        "admin: addresses": reverse("admin:receipt_rules_address_changelist"),
        "admin: tenants": reverse("admin:tenants_tenant_changelist"),
    }


def measure(client: "Client", name: str, url: str) -> Visit:
    from django.core.signals import request_started
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    client.get(url)  # the first one compiles templates
    request_started.disconnect(reset_queries)
    with CaptureQueriesContext(connection) as queries:
        began = time.perf_counter()
        answer = client.get(url)
        first = time.perf_counter() - began
    request_started.connect(reset_queries)
    assert answer.status_code < 400 or answer.status_code >= 500, (name, url, answer.status_code)
    took = [_timed(client, url) for _ in range(3 if first > SLOW_SECONDS else TIMES)]
    content = getattr(answer, "content", b"")
    size, small = len(content) / 1024, len(gzip.compress(content, 6)) / 1024
    return Visit(name, url, median(took), quantiles(took, n=20)[-1], len(queries), size, small)


def _timed(client: "Client", url: str) -> float:
    began = time.perf_counter()
    client.get(url)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
