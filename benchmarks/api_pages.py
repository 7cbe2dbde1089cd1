"""Compares API pages of 100,000 domains with those of 100, in one run: first page, last page, a customer's own."""

import time
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING, Any

from accounts.models.people import Customer, User
from benchmarks import database
from benchmarks.rows import Row, at_most, shown

if TYPE_CHECKING:
    from accounts.models.people import Customer, User

FEW, MANY, PAGE = 100, 100_000, 50
TIMES = 9
WORST_RATIO = 3.0  # the page itself is the same work; only counting all matches grows


def rows() -> Iterator[Row]:
    """Yield the median of each page in milliseconds, and the ratio between many and few."""
    with database.fresh():
        yield from _measured()


def _measured() -> Iterator[Row]:
    from django.conf import settings
    from django.db import connection

    from accounts.models.people import Customer, User

    settings.API_CALLS_PER_MINUTE = 0
    customer = Customer.objects.create(name="Benchmark")
    member, staff = User.objects.create_user("member@bench.example"), User.objects.create_superuser("staff@b.example")
    customer.members.add(member)
    few: dict[str, float] = {}
    for count, start, owner in ((FEW, 0, customer), (MANY, FEW, Customer.objects.create(name="Everybody else"))):
        _fill(owner, start, count)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE domains_domain")
        for name, call in _calls(member, staff, count).items():
            took = _median(call)
            yield shown(f"API, {name}, with {count:,} domains", round(took, 1), "ms")
            if name in few:
                title = f"API, {name}, {count:,} beside {FEW} domains"
                yield at_most(title, round(took / few[name], 2), "times", WORST_RATIO)
            few.setdefault(name, took)


def _fill(customer: "Customer", start: int, end: int) -> None:
    """Create one row with Django and the others as copies, since a hundred thousand objects would take long."""
    from django.db import connection

    from domains.models.domains import Domain, Stage

    first = Domain.objects.create(name=_name(start), region="eu-west-1", customer=customer, stage=Stage.READY)
    columns = [field.column for field in Domain._meta.concrete_fields if field.column not in ("id", "name")]
    named = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO domains_domain (id, name, {named})"  # noqa: S608  # columns of our own model
            f" SELECT 'dom_' || number, 'customer-' || lpad(number::text, 6, '0') || '.com', {named}"
            " FROM domains_domain, generate_series(%s, %s) AS number WHERE id = %s",
            [start + 1, end - 1, first.pk],
        )


def _name(number: int) -> str:
    return f"customer-{number:06}.com"


def _calls(member: "User", staff: "User", count: int) -> dict[str, Any]:
    """Return a function for each call."""
    own, everybody = _client(member, "read"), _client(staff, "read", "staff")
    return {
        "a customer's page of its own 100": lambda: own(0),
        "staff's first page of all": lambda: everybody(0),
        "staff's last page of all": lambda: everybody(count - PAGE),
    }


def _client(user: "User", *scopes: str) -> Any:
    from django.test import Client

    from accounts.api_keys.services import create_api_key

    secret = create_api_key(user=user, name="bench", scopes=scopes, actor=None).secret
    client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {secret}"})

    def call(offset: int) -> None:
        answer = client.get("/api/v2/domains", {"limit": PAGE, "offset": offset})
        assert answer.status_code == 200, answer.content
        assert len(answer.json()["data"]) == PAGE

    return call


def _median(call: Any) -> float:
    call()
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)
