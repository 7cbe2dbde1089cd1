"""What the URL of a list asks for, as every list reads it."""

from dataclasses import dataclass

import pytest
from django.db.models import Q
from django.http import QueryDict

from accounts.models.people import Customer
from inbound_admin.lib.lists import LONGEST, ListFilters, exactly, text_in
from tests.factories import make_customer


@dataclass(frozen=True)
class CustomerFilters(ListFilters):
    name: str = ""

    columns = {"name": "name"}  # noqa: RUF012  # as short as a test may be
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
def test_a_list_shows_what_its_url_asks_for_and_nonsense_filters_nothing(query: str, expected: list[str]) -> None:
    rows = Customer.objects.filter(pk__in=[make_customer("Beta").pk, make_customer("Alpha").pk])
    assert [row.name for row in CustomerFilters.read(QueryDict(query)).search(rows)] == expected


@pytest.mark.django_db
def test_groups_are_counted_under_the_other_filters_and_not_under_each_other() -> None:
    rows = Customer.objects.filter(pk__in=[make_customer("Beta").pk, make_customer("Alpha").pk])
    assert CustomerFilters(show="beta").counts(rows) == {"alpha": 1}
    assert CustomerFilters(name="Beta").counts(rows) == {"alpha": 0}


def test_a_sort_is_no_filter_and_a_text_no_other_filter() -> None:
    assert not CustomerFilters(sort="name").is_any
    assert CustomerFilters(q="x").is_any
    assert not CustomerFilters(q="x").active
    assert CustomerFilters(show="alpha").active


def test_a_text_is_cut_and_holds_nothing_that_the_database_cannot() -> None:
    query = QueryDict(mutable=True)
    query["q"] = " \x00 a\x00" + "b" * 5000
    assert text_in(query, "q") == "a" + "b" * (LONGEST - 3)
    assert text_in(query, "other") == ""


def test_what_is_false_or_empty_is_asked_for_and_none_is_not() -> None:
    assert exactly(a=None, b=False, c="") == Q(b=False, c="")
