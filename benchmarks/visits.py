"""What a user waits for at the scale of `make fill`: pages, lists of the API, exports, beside a bare Django admin.

Server time of a request in one process, which has loaded URLs and templates and frozen them as gunicorn.conf.py does.
Each request of ours has one of the changelist of the same rows in a bare admin (`benchmarks.bare`) beside it, in turn,
so that the ratio holds on a machine that others use too; a search has the same search beside it. "admin: …" are pages
of ours as well: the product's own admin. Counts of large lists are kept for a minute: what the first visitor of a
minute waits for is measured apart. `make bench` fills a database of its own with BENCH_DOMAINS (100,000) and measures
it; `python -m benchmarks.visits [part of a name]` measures that of DATABASE_URL.
"""

import gzip
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import django

from benchmarks import database
from benchmarks.rows import Row, at_most, shown

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models.people import Customer, User

TIMES = 40
SLOW_SECONDS, TIMES_OF_SLOW = 1.0, 5
P95_MS, PLAN_MS, OF_BARE = 50.0, 100.0, 0.5
KILOBYTES, COMPRESSED = 120.0, 15.0
EMAIL = "bench@inbound-admin.example"
Call = Callable[[], Any]


@dataclass(frozen=True)
class Visit:
    """One visit of a page. `first`: the very first visit, including cached counts."""

    name: str
    first: float
    milliseconds: float
    p95: float
    of_bare: float
    queries: int
    kilobytes: float
    compressed: float


def main() -> int:
    """Print one line for each visit."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.bare.settings")
    django.setup()
    print(f"{'page':44}{'first':>9}{'p50 ms':>9}{'p95 ms':>9}{'of bare':>9}{'queries':>9}{'KB':>8}{'gzip':>7}")
    for each in visits(sys.argv[1] if len(sys.argv) > 1 else ""):
        print(
            f"{each.name:44}{each.first:9.0f}{each.milliseconds:9.0f}{each.p95:9.0f}{each.of_bare:9.2f}"
            f"{each.queries:9}{each.kilobytes:8.0f}{each.compressed:7.0f}",
            flush=True,
        )
    return 0


def rows() -> Iterator[Row]:
    """Each figure of each visit with what it is held to. Filling takes minutes: so `one_change` has the same rows."""
    from benchmarks import data, one_change

    domains = int(os.environ.get("BENCH_DOMAINS", "100000"))
    with database.fresh():
        data.fill(domains)
        for each in visits():
            yield from _rows_of(each, f"{each.name}, {domains:,} domains")
        yield from one_change.rows()


def _rows_of(visit: Visit, name: str) -> Iterator[Row]:
    yield shown(f"{name}, p50", round(visit.milliseconds, 1), "ms")
    yield at_most(f"{name}, p95", round(visit.p95, 1), "ms", PLAN_MS if visit.name == "plan" else P95_MS)
    if not visit.name.startswith("admin"):
        yield at_most(f"{name}, beside the bare admin's list", round(visit.of_bare, 2), "times", OF_BARE)
    yield shown(f"{name}, queries", visit.queries, "queries")
    if visit.kilobytes:
        yield at_most(f"{name}, size", round(visit.kilobytes, 1), "KB", KILOBYTES)
        yield at_most(f"{name}, compressed", round(visit.compressed, 1), "KB", COMPRESSED)


def visits(part: str = "") -> Iterator[Visit]:
    """Yield visits by staff who see everything, and by the owner of a large customer, in this order."""
    from django.conf import settings
    from django.test import Client

    from accounts.models.people import User
    from inbound_admin.memory import load_and_freeze

    load_and_freeze()
    settings.API_CALLS_PER_MINUTE = 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"  # the owner of a new key is emailed
    staff = User.objects.filter(email=EMAIL).first() or User.objects.create_superuser(EMAIL)
    client = Client(SERVER_NAME="localhost")
    client.force_login(staff)
    for name, url in pages().items():
        if part in name:
            yield measure(name, _page(client, url), _page(client, bare_of(name)))
    owner = Client(SERVER_NAME="localhost")
    owner.force_login(_owner())
    for name, url in pages_of_owner().items():
        if part in name:
            yield measure(name, _page(owner, url), _page(client, bare_of(name)))
    for name, url in exports().items():
        if part in name:
            yield measure(name, _first_byte(client, url), _page(client, bare_of(name)))
    call = _caller(staff)
    for name, (url, query) in lists().items():
        if part in name:
            yield measure(name, call(url, query), _page(client, bare_of(name)))


def _owner() -> "User":
    from accounts.models.people import Membership, User

    email = "owner@inbound-admin.example"
    owner = User.objects.filter(email=email).first() or User.objects.create_user(email)
    Membership.objects.get_or_create(customer=large_customer(), user=owner, defaults={"role": "owner"})
    return owner


def bare_of(name: str) -> str:
    """Return the bare admin's changelist of the same rows, with the same search; else the first page.

    For pages without a list, that of domains.
    """
    from django.urls import reverse

    which = "receipt_rules_address" if "address" in name else "tenants_tenant" if "tenant" in name else "domains_domain"
    _, _, query = pages().get(name, "").partition("?")
    return reverse(f"bare:{which}_changelist") + (f"?{query}" if query.startswith("q=") else "")


def pages() -> dict[str, str]:
    from django.urls import reverse

    from domains.models.domains import Domain

    domain = Domain.objects.order_by("pk")[0]
    domains, addresses, tenants = reverse("domains:list"), reverse("receipt_rules:addresses"), reverse("tenants:list")
    return {
        "overview": reverse("operations:overview"),
        "domains": domains,
        "domains, one state": f"{domains}?show=verified",
        "domains, sorted by checked": f"{domains}?sort=checked",
        "domains, last page": f"{domains}?page=last",
        "domains, by customer, last page": f"{domains}?sort=customer&page=last",
        "domains, part of a name": f"{domains}?q=copper",
        "domains, nothing found": f"{domains}?q=zebra",
        "addresses": addresses,
        "addresses, part of a name": f"{addresses}?q=copper-books-42",
        "addresses, nothing found": f"{addresses}?q=zebra",
        "addresses, last page": f"{addresses}?page=last",
        "addresses, switched off": f"{addresses}?show=off",
        "domain": reverse("domains:detail", args=[domain.pk]),
        **_pages_of_large_customer(large_customer()),
        **_pages_of_staff(tenants),
    }


def large_customer() -> "Customer":
    """Return the customer with the most domains: a twentieth of all, see `benchmarks.data`."""
    from django.db.models import Count

    from accounts.models.people import Customer
    from domains.models.domains import Domain

    most = Domain.objects.order_by().values("customer").annotate(number=Count("pk")).order_by("-number")[0]
    return Customer.objects.get(pk=most["customer"])


def _pages_of_large_customer(big: "Customer") -> dict[str, str]:
    from django.urls import reverse

    from tenants.models.tenants import Tenant

    domains, addresses = reverse("domains:list"), reverse("receipt_rules:addresses")
    tenant = Tenant.objects.get(customer=big)
    return {
        "large customer": reverse("customers:detail", args=[big.pk]),
        "domains of a large customer": f"{domains}?customer={big.pk}",
        "addresses of a large customer": f"{addresses}?customer={big.pk}",
        "addresses of a large customer, last page": f"{addresses}?customer={big.pk}&page=last",
        "tenant of a large customer": reverse("tenants:detail", args=[tenant.pk]),
        "tenant of a large customer, pause": reverse("operations:pause", args=[tenant.pk]),
        "tenant of a large customer, delete": reverse("tenants:delete", args=[tenant.pk]),
        "tenant of a large customer, migrate": reverse("operations:move", args=[big.pk]),
    }


def pages_of_owner() -> dict[str, str]:
    """Return what an owner of the large customer sees."""
    from django.urls import reverse

    addresses = reverse("receipt_rules:addresses")
    return {
        "owner: overview": reverse("operations:overview"),
        "owner: domains": reverse("domains:list"),
        "owner: domains, part of a name": reverse("domains:list") + "?q=copper",
        "owner: addresses": addresses,
        "owner: addresses, last page": f"{addresses}?page=last",
        "owner: addresses, part of a name": f"{addresses}?q=copper",
        "owner: change log": reverse("operations:changes"),
    }


def _pages_of_staff(tenants: str) -> dict[str, str]:
    from django.urls import reverse

    return {
        "tenants": tenants,
        "search": reverse("operations:find") + "?q=copper",
        "change log": reverse("operations:changes"),
        "change log, searched": reverse("operations:changes") + "?q=copper",
        "customers": reverse("customers:list"),
        "add a domain": reverse("domains:add"),
        "rules": reverse("receipt_rules:rules"),
        "one rule": reverse("receipt_rules:rule", args=[last_known_rule()]),
        "plan": reverse("receipt_rules:plan"),
        "simulator": reverse("receipt_rules:simulator"),
        "admin: domains": reverse("admin:domains_domain_changelist"),
        "admin: domains, searched": reverse("admin:domains_domain_changelist") + "?q=copper",
        "admin: addresses": reverse("admin:receipt_rules_address_changelist"),
        "admin: tenants": reverse("admin:tenants_tenant_changelist"),
    }


def last_known_rule() -> str:
    """Return the name of the first rule of the set as last read."""
    from receipt_rules.live.selectors import last_read

    read = last_read()
    assert read is not None
    return read.rule_set.rules[0].name


def exports() -> dict[str, str]:
    from django.urls import reverse

    return {
        "first byte of the export of domains": reverse("domains:export", args=["csv"]),
        "first byte of the export of tenants": reverse("tenants:export", args=["csv"]),
        "first byte of the export of changes": reverse("operations:export_changes", args=["csv"]),
    }


def lists() -> dict[str, tuple[str, dict[str, int]]]:
    from domains.models.domains import Domain
    from receipt_rules.models.addresses import Address

    size = 50
    return {
        "API: domains": ("domains", {"limit": size}),
        "API: domains, last page": ("domains", {"limit": size, "offset": Domain.objects.count() - size}),
        "API: email-addresses": ("email-addresses", {"limit": size}),
        "API: email-addresses, last page": (
            "email-addresses",
            {"limit": size, "offset": Address.objects.count() - size},
        ),
        "API: tenants": ("tenants", {"limit": size}),
        "API: audit": ("audit", {"limit": size}),
    }


def _page(client: "Client", url: str) -> Call:
    return lambda: client.get(url)


def _first_byte(client: "Client", url: str) -> Call:
    """Read up to the first part only."""

    def call() -> None:
        answer: Any = client.get(url)
        assert answer.status_code == 200
        if answer.streaming:
            assert next(iter(answer.streaming_content))
            answer.close()

    return call


def _caller(staff: Any) -> Callable[[str, dict[str, int]], Call]:
    from django.test import Client

    from accounts.api_keys.services import create_api_key

    secret = create_api_key(user=staff, name="bench", scopes=("read", "staff"), actor=None).secret
    client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {secret}"})
    return lambda url, query: lambda: client.get(f"/api/v2/{url}", query)


def measure(name: str, call: Call, bare: Call) -> Visit:
    from django.core.signals import request_started
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    bare()
    first, _ = _timed(call)
    request_started.disconnect(reset_queries)
    with CaptureQueriesContext(connection) as queries:
        again, answer = _timed(call)
        number = len(queries)
    request_started.connect(reset_queries)
    assert answer is None or answer.status_code in (200, 503), (name, answer.status_code)
    took, beside = _in_turn(call, bare, of_ours=_times(again), of_theirs=_times(_timed(bare)[0]))
    content = getattr(answer, "content", b"")
    size, small = len(content) / 1024, len(gzip.compress(content, 6)) / 1024
    ratio = median(took) / median(beside)
    return Visit(name, first, median(took), _p95(took), ratio, number, size, small if size else 0)


def _in_turn(ours: Call, theirs: Call, *, of_ours: int, of_theirs: int) -> tuple[list[float], list[float]]:
    took, beside = [], []
    for number in range(max(of_ours, of_theirs)):
        if number < of_ours:
            took.append(_timed(ours)[0])
        if number < of_theirs:
            beside.append(_timed(theirs)[0])
    return took, beside


def _times(milliseconds: float) -> int:
    return TIMES_OF_SLOW if milliseconds > SLOW_SECONDS * 1000 else TIMES


def _p95(took: list[float]) -> float:
    """Never more than was measured: the samples are all there are, not some of many."""
    return quantiles(took, n=20, method="inclusive")[-1]


def _timed(call: Call) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = call()
    return (time.perf_counter() - began) * 1000, answer


if __name__ == "__main__":
    sys.exit(main())
