"""Eight people at once: requests a second and waiting times, ours beside a bare Django admin of the same rows.

The server of the README (gunicorn.conf.py) on the database of DATABASE_URL, filled by `make fill`, with a process for
each processor or as many as WEB_CONCURRENCY says. The clients wait for each answer before they ask again: all for our
pages for some seconds, then for the bare admin's (`benchmarks.bare`) as long, and so on.
`python -m benchmarks.load [seconds of a phase]`.
"""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from statistics import quantiles

import django

CLIENTS, PHASES, SECONDS = 8, 3, 10.0
PATIENCE_SECONDS = 60
# The same rows and searches for our pages and the bare admin's.
OURS = ("domains", "domains, part of a name", "domain", "addresses", "tenants", "domains, last page")
BARE = ("bare: domains", "bare: domains, searched", "bare: a domain", "bare: addresses", "bare: tenants")


@dataclass
class Load:
    """Milliseconds of each response, and the total seconds."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds

    @property
    def p99(self) -> float:
        return quantiles(self.milliseconds, n=100)[-1]


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.bare.settings")
    os.environ.setdefault("WEB_CONCURRENCY", str(len(os.sched_getaffinity(0))))
    django.setup()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    cookie, addresses = _cookie(), _addresses()
    ours, bare = Load(), Load()
    with _serving() as port:
        for names in (OURS, BARE):  # after this, templates and cached counts are loaded
            _phase(Load(), port, cookie, [addresses[name] for name in names], 3.0)
        for _ in range(PHASES):
            for which, names in ((ours, OURS), (bare, BARE)):
                _phase(which, port, cookie, [addresses[name] for name in names], seconds)
    print(f"{os.environ['WEB_CONCURRENCY']} web processes")
    print(f"{'':8}{'requests':>10}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for name, load in (("ours", ours), ("bare", bare)):
        middle = quantiles(load.milliseconds, n=2)[0]
        print(f"{name:8}{len(load.milliseconds):10}{load.per_second:10.1f}{middle:9.0f}{load.p99:9.0f}")
    return 0


def _cookie() -> str:
    from django.conf import settings
    from django.test import Client

    from accounts.models.people import User
    from benchmarks.visits import EMAIL

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.filter(email=EMAIL).first() or User.objects.create_superuser(EMAIL))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def _addresses() -> dict[str, str]:
    from django.urls import reverse

    from benchmarks.visits import bare_of, pages
    from domains.models.domains import Domain

    domain = Domain.objects.order_by("pk")[0]
    return pages() | {
        "bare: a domain": reverse("bare:domains_domain_change", args=[domain.pk]),
        "bare: domains": bare_of("domains"),
        "bare: domains, searched": bare_of("domains, part of a name"),
        "bare: addresses": bare_of("addresses"),
        "bare: tenants": bare_of("tenants"),
    }


@contextmanager
def _serving() -> Iterator[int]:
    """Yield the port of a gunicorn as deployed, which reads WEB_CONCURRENCY."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "inbound_admin.wsgi"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(PATIENCE_SECONDS * 10):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("The server did not start.")


def _phase(load: Load, port: int, cookie: str, addresses: Sequence[str], seconds: float) -> None:
    began = time.perf_counter()
    until = began + seconds
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = (islice(cycle(addresses), number, None) for number in range(CLIENTS))
        for took in clients.map(lambda mine: _ask_until(until, port, cookie, mine), asked):
            load.milliseconds += took
    load.seconds += time.perf_counter() - began


def _ask_until(until: float, port: int, cookie: str, addresses: Iterator[str]) -> list[float]:
    took = []
    while (began := time.perf_counter()) < until:
        line = http.client.HTTPConnection("localhost", port, timeout=PATIENCE_SECONDS)
        line.request("GET", next(addresses), headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
        answer = line.getresponse()
        answer.read()
        line.close()
        assert answer.status == 200, answer.status
        took.append((time.perf_counter() - began) * 1000)
    return took


if __name__ == "__main__":
    sys.exit(main())
