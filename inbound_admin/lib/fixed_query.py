"""Queries that pages make at each visit, with the same conditions: Django builds their SQL once for each process.

To build the SQL of a small query takes Django longer than PostgreSQL takes to answer it, and the overview has 18.

    _LAST_RUN = FixedQuery(lambda: Run.objects.filter(region=settings.AWS_REGION).order_by("-ended_at"))
    _LAST_RUN.first()

The SQL is kept for each region and set of arguments. Everything else that the query depends on must be in the
database: a time or a permission that `build` reads by itself would be that of the first visit.

Arguments that a column is only compared with, such as IDs, come first and are counted by `compared`: the SQL is the
same for all of them. They are never None.

    _OF_PERSON = FixedQuery(lambda person: Membership.objects.filter(user_id=person), compared=1)
    _OF_PERSON.exists(person.pk)
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

Row = TypeVar("Row", bound=Model)
Plain = str | int | bool | tuple[str, ...] | None
Given = Plain | list[str]
Sql = tuple[str, tuple[Any, ...]]
MOST_KEPT = 256  # sets of arguments of one query
_COUNT, _EXISTS, _ONE, _ALL = "SELECT COUNT(*) FROM ({}) AS found", "SELECT EXISTS ({})", "{} LIMIT 1", "{}"


class Compared(Value):
    """The place of an argument in the parameters of a query."""

    def as_sql(self, _compiler: SQLCompiler, _connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class FixedQuery(Generic[Row]):
    """`build` returns the query for plain arguments, which are the same whenever its result is.

    Its first `compared` arguments are given to it as `Compared`.
    """

    def __init__(self, build: Callable[..., QuerySet[Row, Any]], *, compared: int = 0) -> None:
        self.build, self.compared = build, compared
        self._sql_of = lru_cache(maxsize=MOST_KEPT)(self._built)

    def count(self, *given: Given) -> int:
        return int(self._fetched(_COUNT, given)[0][0])

    def exists(self, *given: Given) -> bool:
        return bool(self._fetched(_EXISTS, given)[0][0])

    def values(self, *given: Given) -> list[tuple[Any, ...]]:
        """Return the rows of a `values_list`, as PostgreSQL returns them: JSON is text."""
        return self._fetched(_ALL, given)

    def models(self, *given: Given) -> list[Row]:
        return self._models(_ALL, given)

    def first(self, *given: Given) -> Row | None:
        """As `first` of a query that has an order, or one row at most."""
        return next(iter(self._models(_ONE, given)), None)

    def _fetched(self, form: str, given: tuple[Given, ...]) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(*self._query(form, given)[1])
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def _models(self, form: str, given: tuple[Given, ...]) -> list[Row]:
        model, (sql, values) = self._query(form, given)
        return list(model._default_manager.raw(sql, values))

    def _query(self, form: str, given: tuple[Given, ...]) -> tuple[type[Row], Sql]:
        model, (sql, values) = self._sql_of(form, settings.AWS_REGION, given[self.compared :])
        return model, (sql, tuple(given[each.value] if isinstance(each, Compared) else each for each in values))

    def _built(self, form: str, _region: str, plain: tuple[Plain, ...]) -> tuple[type[Row], Sql]:
        rows = self.build(*map(Compared, range(self.compared)), *plain)
        if form in (_COUNT, _EXISTS):
            rows = rows.order_by().values("pk")
        sql, values = rows.query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
        return rows.model, (form.format(sql), tuple(values))
