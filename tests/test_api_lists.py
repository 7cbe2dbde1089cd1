"""Every list of the API: its pages, and that the number of queries does not grow with the rows."""

from typing import Any

import pytest
from django.core.cache import cache, caches
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib.api import schemas
from inbound_admin.lib.kept_values import PROCESS
from sandbox.process import Sandbox
from tests.api_client import Api, api_of, description, ok
from tests.api_rows import World, make_more_rows, make_world
from tests.factories import make_staff
from tests.receipt_rules.factories import make_verified

pytestmark = pytest.mark.django_db


def _lists() -> list[str]:
    """Return the paths whose response is paginated, according to the description."""
    schema = description()
    found = []
    for path, methods in schema["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get(200, {})
        reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
        model = schema["components"]["schemas"].get(reference.rpartition("/")[2], {})
        if "pagination" in model.get("properties", {}):
            found.append(path)
    return found


LISTS = _lists()


@pytest.fixture
def world(sandbox: Sandbox, settings: Settings) -> World:
    settings.API_CALLS_PER_MINUTE = 0  # a test reads every list
    return make_world()


def _staff() -> Api:
    return api_of(make_staff(Role.ADMIN), "read", "staff")


def test_all_lists_are_found() -> None:
    assert len(LISTS) >= 20
    assert {"/api/v2/domains", "/api/v1.1/domains", "/api/v2/tenants", "/api/v2/audit", "/api/v2/drift"} <= set(LISTS)


@pytest.mark.parametrize("who", ["alice", "staff"])
def test_the_number_of_queries_does_not_grow_with_the_rows(who: str, world: World) -> None:
    caller = api_of(world.alice) if who == "alice" else _staff()
    make_more_rows(world, start=0, end=1)
    addresses = [path.format(**world.ids) for path in LISTS]
    closed = [address for address in addresses if caller.get(address).status_code == 403]
    assert who == "alice" or not closed
    counted = {address: _queries_and_rows(caller, address) for address in addresses if address not in closed}
    make_more_rows(world, start=1, end=4)
    for address, (few, shown) in counted.items():
        many, more = _queries_and_rows(caller, address)
        assert more > shown, f"more rows have to be made for {address}"
        assert many <= few, f"{address}: {few} queries for {shown} rows, {many} for {more}"


def _queries_and_rows(caller: Api, address: str) -> tuple[int, int]:
    caller.get(address)
    with CaptureQueriesContext(connection) as queries:
        body = ok(caller.get(address))
    return len(queries), len(body["data"])


def test_counts_are_cached_for_many_rows_and_not_for_few(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    staff = _staff()
    assert ok(staff.get("/api/v2/domains"))["meta"]["totalCount"] == 1
    make_verified("two.com")
    monkeypatch.setattr(schemas, "MANY", 1)
    assert ok(staff.get("/api/v2/domains"))["meta"]["totalCount"] == 2
    make_verified("three.com")
    assert ok(staff.get("/api/v2/domains"))["meta"]["totalCount"] == 2
    assert ok(staff.get("/api/v2/domains", search="three"))["meta"]["totalCount"] == 1
    cache.clear()
    caches[PROCESS].clear()
    assert ok(staff.get("/api/v2/domains"))["meta"]["totalCount"] == 3


def test_the_pages_of_a_list_show_each_row_once(world: World) -> None:
    make_more_rows(world, start=0, end=3)
    caller = _staff()
    for path in LISTS:
        address = path.format(**world.ids)
        whole = ok(caller.get(address))
        pages: list[Any] = []
        for offset in range(whole["pagination"]["total"]):
            page = ok(caller.get(address, limit=1, offset=offset))
            assert page["pagination"]["hasMore"] == (offset + 1 < whole["pagination"]["total"]), address
            pages += page["data"]
        assert pages == whole["data"], address


@pytest.mark.parametrize("kept", [True, False])
def test_distant_pages_show_each_row_once_in_sequence_and_directly(
    kept: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_more_rows(world, start=0, end=3)
    monkeypatch.setattr(schemas, "FAR", 1)
    caller = _staff()
    for path in LISTS:
        address = path.format(**world.ids)
        whole = ok(caller.get(address))
        pages: list[Any] = []
        for offset in range(whole["pagination"]["total"] + 2):
            if not kept:
                cache.clear()
                caches[PROCESS].clear()
            page = ok(caller.get(address, limit=1, offset=offset))
            assert page["pagination"]["hasMore"] == (offset + 1 < whole["pagination"]["total"]), address
            pages += page["data"]
        assert pages == whole["data"], address


def _five_distant_domains(monkeypatch: pytest.MonkeyPatch) -> Api:
    for name in ("b", "d", "f", "h", "j"):
        make_verified(f"{name}.com")
    monkeypatch.setattr(schemas, "FAR", 1)
    return _staff()


def _names_at(caller: Api, offset: int) -> list[str]:
    found = ok(caller.get("/api/v2/domains", limit=2, offset=offset, search=".com"))
    return [each["domain"] for each in found["data"]]


@pytest.mark.usefixtures("sandbox")
def test_paging_neither_skips_nor_repeats_rows_while_others_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller = _five_distant_domains(monkeypatch)
    whole = _names_at(caller, 0) + _names_at(caller, 2) + _names_at(caller, 4)
    assert len(set(whole)) == 5
    cache.clear()
    caches[PROCESS].clear()
    seen = _names_at(caller, 0)
    Domain.objects.filter(name=seen[0]).delete()
    seen += _names_at(caller, 2)
    make_verified("a.com")
    make_verified("z.com")
    seen += _names_at(caller, 4)
    assert [name for name in seen if name in whole] == whole


@pytest.mark.usefixtures("sandbox")
def test_the_last_page_is_read_from_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = _five_distant_domains(monkeypatch)
    with CaptureQueriesContext(connection) as queries:
        assert len(_names_at(caller, 4)) == 1
    assert not [each["sql"] for each in queries if "OFFSET 3" in each["sql"] or "OFFSET 4" in each["sql"]]
