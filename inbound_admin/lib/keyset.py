"""Keyset pagination: the columns of an order, and the rows after a given place in it.

A page that starts at a place costs only its own rows, however many come before it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

Row = TypeVar("Row", bound=Model)


def query_digest(rows: QuerySet[Any]) -> str:
    """Return the same digest for the same rows and order, requested by the same person; "" if no row can match."""
    try:
        keys = rows.values("pk").query  # to write out the columns of a wide table takes longer than a query
        return hashlib.sha256(repr(keys.sql_with_params()).encode()).hexdigest()
    except EmptyResultSet:
        return ""


@dataclass(frozen=True)
class Column:
    """One column of an order, and its comparison with a row's value."""

    alias: str
    expression: Any
    is_down: bool
    nulls_first: bool
    is_nullable: bool

    def reversed(self) -> "Column":
        return replace(self, is_down=not self.is_down, nulls_first=not self.nulls_first)

    def equals(self, value: object) -> Q:
        return Q(**{f"{self.alias}__isnull": True}) if value is None else Q(**{self.alias: value})

    def follows(self, value: object, *, or_equals: bool = False) -> Q:
        """Match rows that come after the value by this column alone."""
        if value is None:
            return Q(**{f"{self.alias}__isnull": False}) if self.nulls_first else Q(pk__in=())
        after = Q(**{f"{self.alias}__{'lt' if self.is_down else 'gt'}{'e' if or_equals else ''}": value})
        return after | Q(**{f"{self.alias}__isnull": True}) if self.is_nullable and not self.nulls_first else after


def columns_of(rows: QuerySet[Any]) -> list[Column]:
    """Return the columns of the rows' order."""
    return [_column(at, each, rows) for at, each in enumerate(rows.query.order_by)]


def _column(at: int, given: Any, rows: QuerySet[Any]) -> Column:
    if isinstance(given, str):
        given = OrderBy(F(given.lstrip("-")), descending=given.startswith("-"))
    elif not isinstance(given, OrderBy):
        given = OrderBy(given)
    first = bool(given.nulls_first or (given.descending and not given.nulls_last))
    nullable = _is_nullable(rows.model, given.expression)
    column = Column(f"order_{at}", given.expression, given.descending, first, nullable)
    return column if rows.query.standard_ordering else column.reversed()


def _is_nullable(model: Any, expression: Any) -> bool:
    """Return whether it may be null: unknown for an expression; for a path, if any field of it may."""
    if not isinstance(expression, F):
        return True
    for part in expression.name.split("__"):  # type: ignore[attr-defined]  # the stubs lack an F's name
        if part == "pk":
            return False
        try:
            field = model._meta.get_field(part)
        except FieldDoesNotExist:
            return True  # an annotation
        if not field.concrete or field.many_to_many or field.null:
            return True
        model = field.related_model
    return False


def with_key(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Add the key to the order, so equal rows never change places between pages."""
    given = tuple(rows.query.order_by or rows.model._meta.ordering or ())
    last = given[-1] if given else ""
    is_down = last.startswith("-") if isinstance(last, str) else getattr(last, "descending", False)
    ends = isinstance(last, str) and last.removeprefix("-") in ("pk", rows.model._meta.pk.name)
    return rows.order_by(*given) if ends else rows.order_by(*given, "-pk" if is_down else "pk")


def after(columns: Sequence[Column], edge: Sequence[object]) -> Q:
    """Match rows after an edge in the order. The first column's condition is repeated alone, for its index."""
    found, equal = Q(pk__in=()), Q()
    for column, value in zip(columns, edge, strict=True):
        found |= equal & column.follows(value)
        equal &= column.equals(value)
    return found if edge[0] is None else found & columns[0].follows(edge[0], or_equals=True)
