"""What the URL of a list requests, as every list reads it."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower
from django.http import QueryDict
from pytest_django import DjangoAssertNumQueries

from accounts.models.people import Customer
from domains.models.domains import Domain
from inbound_admin.lib import lists
from inbound_admin.lib.filters import distinct_values, has_part, has_part_in_any_case, searched
from inbound_admin.lib.kept_values import PROCESS
from inbound_admin.lib.lists import (
    LONGEST,
    ListFilters,
    ListPage,
    exactly,
    kept_count,
    kept_pairs,
    text_in,
)
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member


@dataclass(frozen=True)
class CustomerFilters(ListFilters):
    name: str = ""

    columns = {"name": "name"}  # noqa: RUF012  # short, for a test
    sorts = {"name": ("name",), "-name": ("-name",)}  # noqa: RUF012
    uncounted = ("beta",)

    def groups(self) -> dict[str, Q]:
        return {"alpha": Q(name="Alpha"), "beta": Q(name="Beta")}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Alpha", "Beta"]),
        ("sort=-name", ["Beta", "Alpha"]),
        ("sort=nonsense&show=nonsense&page=x&unknown=x", ["Alpha", "Beta"]),
        ("show=beta", ["Beta"]),
        ("name=Alpha", ["Alpha"]),
        ("name=Alpha&show=beta", []),
    ],
)
@pytest.mark.django_db
def test_a_list_follows_its_url_and_ignores_invalid_filters(query: str, expected: list[str]) -> None:
    rows = Customer.objects.filter(pk__in=[make_customer("Beta").pk, make_customer("Alpha").pk])
    assert [row.name for row in CustomerFilters.read(QueryDict(query)).search(rows)] == expected


@pytest.mark.django_db
def test_groups_are_counted_under_the_other_filters_but_not_each_other() -> None:
    rows = Customer.objects.filter(pk__in=[make_customer("Beta").pk, make_customer("Alpha").pk])
    assert CustomerFilters(show="beta").counts(rows) == {"alpha": 1, "all": 2}
    assert CustomerFilters(name="Beta").counts(rows) == {"alpha": 0, "all": 1}


def test_a_sort_is_no_filter_and_a_search_no_active_filter() -> None:
    assert not CustomerFilters(sort="name").is_any
    assert CustomerFilters(q="x").is_any
    assert not CustomerFilters(q="x").active
    assert CustomerFilters(show="alpha").active


def test_a_search_text_is_truncated_and_stripped_of_nul() -> None:
    query = QueryDict(mutable=True)
    query["q"] = " \x00 a\x00" + "b" * 5000
    assert text_in(query, "q") == "a" + "b" * (LONGEST - 3)
    assert text_in(query, "other") == ""


def test_exact_filters_include_false_and_empty_but_not_none() -> None:
    assert exactly(a=None, b=False, c="") == Q(b=False, c="")


def walk_pages(rows: QuerySet[Customer], start: str, step: str, per_page: int = 3) -> list[list[str]]:
    """Return the names on each page, walking forwards or backwards."""
    found, page_parameter = [], start
    while True:
        page: ListPage[Customer] = ListPage(rows, page_parameter, per_page)
        found.append([row.name for row in page])
        if not getattr(page, f"has_{step}")():
            return found
        page_parameter = str(getattr(page, f"{step}_page_number")())


ORDERS = [
    ("name",),
    ("-name",),
    (F("created_at").desc(nulls_last=True), "name"),
    (Lower("name"),),
    (Lower("name"), "id"),
    ("members__email", "-name"),
    (F("members__email").asc(nulls_first=True),),
]


@pytest.mark.parametrize("counted", [1, 6, 1000])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.django_db
def test_every_row_is_on_one_page_in_order_at_any_counting_limit(
    order: tuple[Any, ...], counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_COUNTED", counted)
    some = [make_customer(name) for name in ("b", "a", "A", "d", "c", "c", "e", "f", "B", "g")]
    for each in some[::3]:
        make_member(each)
    rows = Customer.objects.filter(pk__in=[each.pk for each in some]).order_by(*order)
    expected = [row.name for row in rows.order_by(*rows.query.order_by, "-pk" if order[-1] == "-name" else "pk")]
    assert [name for page in walk_pages(rows, "", "next") for name in page] == expected
    assert [name for page in reversed(walk_pages(rows, "last", "previous")) for name in page] == expected
    assert [name for page in walk_pages(rows.reverse(), "", "next") for name in page] == expected[::-1]
    assert [row.name for row in ListPage.every_row(rows, at_once=3)] == expected


@pytest.mark.django_db
def test_a_list_counts_up_to_its_limit_and_shows_more_with_a_plus(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Customer.objects.filter(pk__in=[make_customer(name).pk for name in ("Alpha", "Alpha", "Alpha", "Beta")])
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    assert str(ListPage(rows, "", 1).count) == "2+"
    assert {key: str(number) for key, number in CustomerFilters().counts(rows).items()} == {"alpha": "2+", "all": "2+"}
    assert {key: str(number) for key, number in CustomerFilters(name="Beta").counts(rows).items()} == {
        "alpha": "0",
        "all": "1",
    }


@pytest.mark.django_db
def test_group_counts_of_many_rows_are_cached_and_those_of_few_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = [make_customer(name) for name in ("Alpha", "Alpha", "Beta", "Beta")]
    rows = Customer.objects.filter(pk__in=[each.pk for each in some])
    monkeypatch.setattr(lists, "KEPT_FROM", 3)
    assert CustomerFilters().counts(rows) == {"alpha": 2, "all": 4}
    Customer.objects.filter(pk=some[2].pk).update(name="Alpha")
    assert CustomerFilters().counts(rows) == {"alpha": 2, "all": 4}
    cache.clear()
    caches[PROCESS].clear()
    monkeypatch.setattr(lists, "KEPT_FROM", 4)
    assert CustomerFilters().counts(rows) == {"alpha": 3, "all": 4}
    Customer.objects.filter(pk=some[3].pk).update(name="Alpha")
    assert CustomerFilters().counts(rows) == {"alpha": 4, "all": 4}


@pytest.mark.parametrize(
    "text", ["h", "ha", "har", "HARBOUR", "bour", "100%", "ß", "straße", "STRASSE", "ωΣ", "x" * 50]
)
@pytest.mark.django_db
def test_a_case_insensitive_search_matches_icontains(text: str) -> None:
    names = ("Harbour Books", "harbour", "HAR", "rah", "100% Wool", "1000", "Straße", "STRASSE", "ωσ", "ΩΣ", "ha")
    made = Customer.objects.filter(pk__in=[make_customer(name).pk for name in names])
    found = made.filter(has_part_in_any_case("name", text))
    assert set(found) == set(made.filter(name__icontains=text))


@pytest.mark.parametrize(
    "page_parameter", ["", "0", "x", "-1", "after-", "after-x:y:z", "before-e30", "99999999999", "٣"]
)
@pytest.mark.django_db
def test_an_invalid_page_gives_a_page(page_parameter: str) -> None:
    rows = Customer.objects.filter(pk__in=[make_customer(name).pk for name in "abcd"])
    page: ListPage[Customer] = ListPage(rows, page_parameter, 3)
    assert len(page) in (1, 3)


@pytest.mark.django_db
def test_a_page_takes_as_many_queries_however_many_rows_and_the_first_one_less(django_assert_num_queries: Any) -> None:
    rows = Customer.objects.filter(pk__in=[make_customer(name).pk for name in "abcdefg"])
    for page_parameter, number in (("", 3), ("2", 4)):
        with django_assert_num_queries(number):
            page: ListPage[Customer] = ListPage(rows, page_parameter, 3)
            assert page.count == 7


@pytest.mark.parametrize("text", ["h", "ha", "har", "HARBOUR", "our-b", "100%", "a_b", "x" * 50])
@pytest.mark.django_db
def test_a_search_finds_a_part_of_a_name_anywhere(text: str) -> None:
    names = ("harbour-books.com", "har.com", "rah.com", "100%.com", "1000.com", "a_b.com", "axb.com", "ha", "h")
    made = [make_domain(name) for name in names]
    found = Domain.objects.filter(has_part("name", text), pk__in=[each.pk for each in made])
    assert {each.name for each in found} == {name for name in names if text.lower() in name}


@pytest.mark.parametrize("front", [1, 4, 1000])
@pytest.mark.parametrize("text", ["shop", "shop-1", "ho", "other", "SHOP-0"])
@pytest.mark.parametrize("order", [("name",), ("-name",), ("created_at",), ("provider", "name")])
@pytest.mark.django_db
def test_a_search_shows_the_same_rows_for_any_front_size(
    order: tuple[str, ...], text: str, front: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "FRONT", front)
    made = [make_domain(f"{name}-{number}.com") for number in range(4) for name in ("shop", "other")]
    rows = Domain.objects.filter(has_part("name", text), pk__in=[each.pk for each in made[:7]]).order_by(*order)
    expected = list(rows.order_by(*order, "-pk" if order[-1] == "-name" else "pk"))
    found: list[Domain] = [row for number in "12345" for row in ListPage(rows, number, 2)][: len(expected)]
    assert found == expected
    assert list(ListPage.every_row(rows, at_once=2)) == expected


@pytest.mark.django_db
def test_a_frequent_part_is_found_without_the_parts_index(django_assert_num_queries: Any) -> None:
    for number in range(4):
        make_domain(f"shop-{number}.com")
    rows = Domain.objects.filter(has_part("name", "shop")).order_by("name")
    with django_assert_num_queries(2) as frequent:
        assert len(ListPage(rows, "", 3)) == 3
    assert not [each for each in frequent.captured_queries if "name_parts" in each["sql"]]
    with django_assert_num_queries(3) as rare:
        assert len(ListPage(rows, "", 4)) == 4
    assert ["name_parts" in each["sql"] for each in rare.captured_queries] == [False, True, False]


@pytest.mark.django_db
def test_distinct_values_are_unique_and_from_the_given_rows() -> None:
    for provider in ("hover", "", "wix", "hover"):
        make_domain(provider=provider)
    assert distinct_values(Domain.objects.all(), "provider") == ["hover", "wix"]
    assert distinct_values(Domain.objects.filter(provider="wix"), "provider") == ["wix"]


@pytest.mark.django_db
def test_an_impossible_query_counts_as_zero_without_a_query() -> None:
    make_customer("Alpha")
    assert kept_count(Customer.objects.none()) == 0
    assert kept_count(Customer.objects.filter(pk__in=[])) == 0
    assert kept_count(Customer.objects.all()) == 1


@pytest.mark.django_db
def test_the_counts_of_the_groups_say_how_many_rows_the_list_has() -> None:
    rows = Customer.objects.filter(pk__in=[make_customer(name).pk for name in ("Alpha", "Alpha", "Beta")])
    for filters, number in ((CustomerFilters(), 3), (CustomerFilters(show="alpha"), 2), (CustomerFilters(show="x"), 3)):
        assert filters.total_of(filters.counts(rows)) == filters.search(rows).count() == number
    uncounted = CustomerFilters(show="beta")
    assert uncounted.total_of(uncounted.counts(rows)) is None


@pytest.mark.django_db
def test_a_page_whose_rows_are_counted_counts_them_no_more(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    rows = Customer.objects.filter(pk__in=[make_customer(name).pk for name in ("Alpha", "Beta", "Gamma")])
    page: ListPage[Customer] = ListPage(rows.order_by("name"), "", 2, 3)
    with django_assert_num_queries(0):
        assert (page.count, page.num_pages) == (3, 2)
    whole: ListPage[Customer] = ListPage(rows.order_by("name"), "", 3, 7)
    assert whole.count == 3  # what is shown counts more than what was counted a minute ago


@pytest.mark.django_db
def test_a_customers_rows_are_searched_without_the_index_of_parts() -> None:
    """That index would give the rows of everybody, and the customer's own index has few."""
    own, other = make_domain("harbour-one.example"), make_domain("harbour-two.example")
    everybody = searched(Domain.objects.filter(has_part("name", "harbour")))
    theirs = searched(Domain.objects.filter(has_part("name", "harbour"), customer=own.customer_id))
    assert ("name_parts" in str(everybody.query), "name_parts" in str(theirs.query)) == (True, False)
    assert (set(everybody), list(theirs)) == ({own, other}, [own])


@pytest.mark.django_db
def test_combinations_of_values_are_kept_for_many_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    make_domain("a.example", provider="One")
    rows = Domain.objects.all()
    assert kept_pairs(rows, "provider", "stage") == [("One", "starting")]
    Domain.objects.update(provider="Two")
    assert kept_pairs(rows, "provider", "stage") == [("Two", "starting")]
    monkeypatch.setattr(lists, "KEPT_FROM", 0)
    kept_pairs(rows, "provider", "stage")
    Domain.objects.update(provider="Three")
    assert kept_pairs(rows, "provider", "stage") == [("Two", "starting")]


@pytest.mark.django_db
def test_a_list_whose_count_is_zero_is_not_read(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        page = ListPage(Domain.objects.order_by("name"), "last", 50, total=0)
        assert (list(page), page.has_other_pages(), int(page.count), page.number) == ([], False, 0, 1)
