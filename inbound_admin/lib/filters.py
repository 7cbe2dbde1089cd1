"""Filters that Django has not, or slower: thousands of values, each value of a column, and a part of a name.

A part of a name is found by its groups of three characters, in an index that needs no PostgreSQL extension:
`name_parts` is our function in PostgreSQL (inbound_admin/migrations/0003_name_parts.py).
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import connection
from django.db.models import BooleanField, F, Func, Model, Q, QuerySet, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Exact
from django.db.models.sql.where import WhereNode

Row = TypeVar("Row", bound=Model)
SHORTEST_PART = 3  # characters; a shorter part matches most names, so it is found without the index
MOST_DISTINCT = 100
_DISTINCT = """
    WITH RECURSIVE found (value) AS (
        (SELECT {column} FROM {table} WHERE {column} > '' ORDER BY {column} LIMIT 1)
        UNION ALL
        SELECT (SELECT {column} FROM {table} WHERE {column} > found.value ORDER BY {column} LIMIT 1)
        FROM found WHERE found.value IS NOT NULL
    )
    SELECT value FROM found WHERE value IS NOT NULL LIMIT %s
"""


def distinct_values(rows: QuerySet[Any], column: str) -> list[str]:
    """Return each value of a text column once, in order. For a whole table, one index step for each value."""
    if rows.query.where:
        found = rows.exclude(**{column: ""}).order_by(column).values_list(column, flat=True)
        return list(found.distinct()[:MOST_DISTINCT])
    quoted = {
        "column": connection.ops.quote_name(column),
        "table": connection.ops.quote_name(rows.model._meta.db_table),
    }
    with connection.cursor() as cursor:
        cursor.execute(_DISTINCT.format(**quoted), [MOST_DISTINCT])
        return [value for (value,) in cursor.fetchall()]


class _OneOf(Func):
    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def in_values(column: str, values: Iterable[str] | Value) -> Q:
    """Filter as `column__in`, in one parameter: psycopg and PostgreSQL are slow with thousands of parameters."""
    return Q(_OneOf(F(column), values if isinstance(values, Value) else Value(sorted(values))))


def has_part_in_any_case(column: str, text: str) -> Q:
    """Match rows whose column contains the text in any case.

    Uses the index of `name_parts` of the upper-case column.
    """
    found = Q(**{f"{column}__icontains": text})
    parts = _HasParts(Upper(F(column)), Upper(Value(text)))
    return found & Q(parts) if len(text) >= SHORTEST_PART else found


class _HasParts(Func):
    """Whether a text has all groups of three characters of another, which is true if it contains it."""

    template = "name_parts(%(expressions)s)"
    arg_joiner = ") @> name_parts("
    output_field = BooleanField()


def has_part(column: str, text: str) -> Q:
    """Match rows whose column, stored in lower case, contains the text. Uses the index of `name_parts`."""
    part = text.lower()
    found = Q(**{f"{column}__contains": part})
    return found & Q(_HasParts(F(column), Value(part))) if len(part) >= SHORTEST_PART else found


def without_parts(rows: QuerySet[Row]) -> QuerySet[Row]:
    """The same rows. With keys asked for as well, PostgreSQL would read again every row that has these parts."""
    found = rows.all()
    found.query.where = _without_parts(found.query.where)
    return found


def asks_for_parts(rows: QuerySet[Any]) -> bool:
    return without_parts(rows).query.where != rows.query.where


def _without_parts(node: WhereNode) -> WhereNode:
    """What has all parts of a text is asked for only beside the text itself."""
    kept = [each for each in node.children if not isinstance(getattr(each, "lhs", None), _HasParts)]
    pruned = [_without_parts(each) if isinstance(each, WhereNode) else each for each in kept]
    return WhereNode(pruned, connector=node.connector, negated=node.negated)


def searched(rows: QuerySet[Row]) -> QuerySet[Row]:
    """The same rows. Those of one customer are found by its own index: that of parts would give everybody's."""
    return without_parts(rows) if any(map(_is_customer, rows.query.where.children)) else rows


def _is_customer(condition: Any) -> bool:
    target = getattr(getattr(condition, "lhs", None), "target", None)
    return isinstance(condition, Exact) and target is not None and target.name == "customer"
