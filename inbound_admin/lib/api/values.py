"""What comes in and goes out: camelCase on the wire, snake_case here; pages of a long list."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from django.core.cache import cache
from django.db.models import Model, QuerySet
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

MOST, USUAL, FARTHEST = 100, 50, 1_000_000
MANY = 10_000  # rows; fewer are counted each time, in milliseconds
KEPT_SECONDS = 10
# Neither names nor addresses nor sentences have control characters, and PostgreSQL holds no NUL.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=2000)]


class In(BaseModel):
    """A body: an unknown field or a wrong type is refused, nothing is guessed."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class QueryIn(BaseModel):
    """A query string: its values are text, so that "true" is a boolean here."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Out(BaseModel):
    """An answer. A field with a default is absent unless it is given."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


def given(**values: Any) -> dict[str, Any]:
    """For fields that are absent where there is nothing to say: what is None or "" is left out."""
    return {name: value for name, value in values.items() if value not in (None, "")}


Row = TypeVar("Row")
RowModel = TypeVar("RowModel", bound=Model)


class Paged(QueryIn):
    limit: Annotated[int, Field(ge=1, le=MOST)] = USUAL
    offset: Annotated[int, Field(ge=0, le=FARTHEST)] = 0


class Pagination(Out):
    limit: int
    offset: int
    total: int
    has_more: bool


class Page(Out, Generic[Row]):
    data: list[Row]
    pagination: Pagination


def page_of(rows: "QuerySet[RowModel]", query: Paged, *, total: int | None = None) -> tuple[list[RowModel], Pagination]:
    """The rows asked for: their keys first, which an index of the order alone can give however far the page is."""
    counted = rows.order_by().count() if total is None else total
    keys = list(rows.values_list("pk", flat=True)[query.offset : query.offset + query.limit])
    found = list(rows.filter(pk__in=keys)) if keys else []
    has_more = bool(keys) and query.offset + len(keys) < counted
    return found, Pagination(limit=query.limit, offset=query.offset, total=counted, has_more=has_more)


def counted(rows: "QuerySet[Any]", count: Callable[["QuerySet[Any]"], dict[str, int]]) -> dict[str, int]:
    """A program that walks the pages needs the count once, not again for each page.

    What `count` says of these rows, with its `total`; of more than MANY what it said in the last seconds.
    """
    sql, values = rows.order_by().query.sql_with_params()
    key = f"counted:{hashlib.sha256(repr((count.__qualname__, sql, values)).encode()).hexdigest()}"
    kept: dict[str, int] | None = cache.get(key)
    if kept is not None:
        return kept
    found = count(rows)
    if found["total"] > MANY:
        cache.set(key, found, KEPT_SECONDS)
    return found
