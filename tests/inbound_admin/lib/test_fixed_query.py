from typing import Any

import pytest
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries, Settings

from domains.models.domains import Domain
from inbound_admin.lib.filters import in_values
from inbound_admin.lib.fixed_query import FixedQuery
from tests.domains.factories import make_domain

pytestmark = pytest.mark.django_db


def _named(*names: str) -> FixedQuery[Domain]:
    return FixedQuery(lambda: Domain.objects.filter(name__in=names).order_by("-name"))


def test_each_form_answers_as_the_query_itself() -> None:
    for name in ("a.example", "b.example", "c.example"):
        make_domain(name)
    of_two, of_none = _named("a.example", "b.example"), _named("d.example")
    assert (of_two.count(), of_none.count()) == (2, 0)
    assert (of_two.exists(), of_none.exists()) == (True, False)
    assert [each.name for each in of_two.models()] == ["b.example", "a.example"]
    assert (of_two.first(), of_none.first()) == (Domain.objects.get(name="b.example"), None)
    values = FixedQuery(lambda: Domain.objects.order_by("name").values_list("name", "receives")[:2])
    assert values.values() == [("a.example", True), ("b.example", True)]


def test_a_model_is_read_whole_except_for_what_is_deferred(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    domain = make_domain("a.example", mx_facts={"a.example": "here"})
    found = FixedQuery(lambda: Domain.objects.defer("summary")).first()
    assert found is not None
    with django_assert_num_queries(0):
        assert (found.pk, found.mx_facts, found.created_at) == (domain.pk, {"a.example": "here"}, domain.created_at)
    assert found.get_deferred_fields() == {"summary"}


def test_a_later_visit_sees_what_changed_without_another_build() -> None:
    builds = []
    query = FixedQuery(lambda: builds.append("built") or Domain.objects.all())  # type: ignore[func-returns-value]  # None
    assert query.count() == 0
    make_domain("a.example")
    assert (query.count(), builds) == (1, ["built"])


def test_each_argument_and_region_has_its_own(settings: Settings) -> None:
    make_domain("a.example")
    query = FixedQuery(lambda name: Domain.objects.filter(name=name, region=settings.AWS_REGION))
    assert (query.count("a.example"), query.count("b.example"), query.count("a.example")) == (1, 0, 1)
    settings.AWS_REGION = "ca-central-1"
    assert query.count("a.example") == 0


def test_a_percent_sign_in_a_condition_is_no_placeholder() -> None:
    make_domain("a.example", summary="100 % of it")
    assert FixedQuery(lambda: Domain.objects.filter(summary__contains="% of")).count() == 1


def test_what_a_column_is_compared_with_may_differ_without_another_build() -> None:
    first, second = make_domain("a.example"), make_domain("b.example")
    builds = []

    def built(domain: Any, receives: bool) -> "QuerySet[Domain]":
        builds.append(receives)
        return Domain.objects.filter(name=domain, receives=receives)

    query = FixedQuery(built, compared=1)
    assert (query.first("a.example", True), query.first("b.example", True)) == (first, second)
    assert (query.exists("a.example", False), query.count("%", True)) == (False, 0)
    assert builds == [True, False, True]  # of each form


def test_a_list_can_be_compared_with() -> None:
    for name in ("a.example", "b.example", "c.example"):
        make_domain(name)
    query = FixedQuery(lambda names: Domain.objects.filter(in_values("name", names)).order_by("name"), compared=1)
    assert [each.name for each in query.models(["c.example", "a.example"])] == ["a.example", "c.example"]
    assert (query.count([]), query.count(["b.example"])) == (0, 1)
