"""Measures the lookup that the delivery function makes for each message.

Only the selector has a bound. The full request with its key is shown too, measured in process: network and web server
come on top.
"""

import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import quantiles
from typing import TYPE_CHECKING

from benchmarks import database
from benchmarks.rows import Row, at_most, shown
from domains.models.domains import Domain
from receipt_rules.models.endpoints import Endpoint

if TYPE_CHECKING:
    from django.test import Client

    from domains.models.domains import Domain
    from receipt_rules.models.endpoints import Endpoint

DOMAINS, EACH = 5_000, 10
TIMES = 300
MOST_MS = 10.0


def rows() -> Iterator[Row]:
    """Yield the p99 in milliseconds for a message with one recipient, and for one with a hundred."""
    with database.fresh():
        _fill()
        client, size = _asking(), f"{DOMAINS * EACH:,} addresses"
        yield at_most(f"lookup, p99 among {size}", _best(_selecting, 1), "ms", MOST_MS)
        yield shown(f"lookup as a request, p99 among {size}", _best(partial(_requesting, client), 1), "ms")
        yield shown(f"the same of 100 recipients, p99 among {size}", _best(partial(_requesting, client), 100), "ms")


def _asking() -> "Client":
    from django.test import Client

    from accounts.api_keys.services import create_api_key
    from accounts.models.people import User

    person = User.objects.create_superuser("bench@inbound-admin.example")
    secret = create_api_key(user=person, name="bench", scopes=["route"], actor=None).secret
    return Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {secret}"})


def _fill() -> None:
    from django.db import connection
    from django.utils import timezone

    from accounts.models.people import Customer
    from domains.models.domains import Domain, Stage
    from inbound_admin.lib.sealed import seal_values
    from receipt_rules.models.endpoints import Endpoint

    customer = Customer.objects.create(name="Benchmark")
    config = seal_values({"url": "https://a.example/"})
    endpoint = Endpoint.objects.create(customer=customer, name="desk", type="webhook", sealed_config=config)
    known = {"stage": Stage.READY, "proven_at": timezone.now()}
    domains = Domain.objects.bulk_create(
        Domain(name=f"customer-{number}.com", region="eu-west-1", customer=customer, **known)
        for number in range(DOMAINS)
    )
    _fill_domains(domains, endpoint)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as autovacuum does on a live database, but not while we measure


def _fill_domains(domains: "list[Domain]", endpoint: "Endpoint") -> None:
    from receipt_rules.models.addresses import Address, CatchAll

    Address.objects.bulk_create(
        (
            Address(address=f"a{number}@{domain.name}", domain=domain, endpoint=endpoint)
            for domain in domains
            for number in range(EACH)
        ),
        batch_size=2_000,
    )
    CatchAll.objects.bulk_create(CatchAll(domain=domain, endpoint=endpoint) for domain in domains)


def _selecting(asked: list[str]) -> bool:
    from receipt_rules.route_lookup.selectors import route_lookup

    return all(route.endpoint for route in route_lookup(asked))


def _requesting(client: "Client", asked: list[str]) -> bool:
    answer = client.post("/api/v2/route-lookup", {"recipients": asked}, "application/json")
    return answer.status_code == 200 and all(each["endpoint"] for each in answer.json()["data"])


def _best(ask: Callable[[list[str]], bool], recipients: int) -> float:
    """Return the best of three rounds, to exclude other load of the machine."""
    return min(_p99(ask, recipients) for _ in range(3))


def _p99(ask: Callable[[list[str]], bool], recipients: int) -> float:
    gc.collect()
    gc.freeze()  # what filling the database left in memory isn't the server's
    took = []
    for turn in range(TIMES // recipients + 100):
        asked = [f"a{number % 12}@customer-{(turn * 7 + number) % DOMAINS}.com" for number in range(recipients)]
        began = time.perf_counter()
        all_found = ask(asked)
        took.append((time.perf_counter() - began) * 1000)
        assert all_found
    return round(quantiles(took[1:], n=100)[-1], 2)  # the first one connects and imports
