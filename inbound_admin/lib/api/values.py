"""Base classes of input and output: camelCase in JSON, snake_case here. Also pages of long lists."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from django.core.cache import cache
from django.db.models import Model, QuerySet
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from inbound_admin.lib.keyset import after, columns_of, query_digest, with_key

MOST, USUAL, FARTHEST = 100, 50, 1_000_000
MANY = 10_000  # rows; up to this number they are counted each time, in milliseconds
KEPT_SECONDS = 10
FAR = 10_000  # rows before a page; up to this number they are skipped by OFFSET
PLACE_KEPT_SECONDS = 120
# Names, addresses and sentences contain no control characters, and PostgreSQL can't store NUL.
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
    """Return the values without those that are None or "", for fields that are absent if empty."""
    return {name: value for name, value in values.items() if value not in (None, "")}


Row = TypeVar("Row")
RowModel = TypeVar("RowModel", bound=Model)


class Paged(QueryIn):
    limit: Annotated[int, Field(ge=1, le=MOST, description="Rows of the page")] = USUAL
    offset: Annotated[int, Field(ge=0, le=FARTHEST, description="Rows to skip")] = 0


class Pagination(Out):
    limit: int
    offset: int
    total: int
    has_more: bool


class Page(Out, Generic[Row]):
    data: list[Row]
    pagination: Pagination


def page_of(rows: "QuerySet[RowModel]", query: Paged, *, total: int | None = None) -> tuple[list[RowModel], Pagination]:
    """Return one page and its pagination. First the keys are read, from an index of the order, then their rows."""
    total = counted(rows, _count)["total"] if total is None else total
    keys = _keys(rows, query.offset, query.limit)
    found = {row.pk: row for row in rows.filter(pk__in=keys).order_by()} if keys else {}
    has_more = bool(keys) and query.offset + len(keys) < total
    pagination = Pagination(limit=query.limit, offset=query.offset, total=total, has_more=has_more)
    return [found[key] for key in keys if key in found], pagination


def _count(rows: "QuerySet[Any]") -> dict[str, int]:
    return {"total": rows.order_by().count()}


def _keys(rows: "QuerySet[Any]", start: int, limit: int) -> list[Any]:
    """Return a page's keys.

    A distant page starts where the previous page ended, whatever was added or removed meanwhile. So the end of each
    page is kept if a row follows it.
    """
    if start + limit < FAR:
        return list(rows.values_list("pk", flat=True)[start : start + limit])
    ordered = with_key(rows)
    columns = columns_of(ordered)
    names = [each.alias for each in columns]
    ordered = ordered.annotate(**{each.alias: each.expression for each in columns})
    place = f"api_place:{query_digest(ordered)}:"
    edge: tuple[Any, ...] | None = cache.get(f"{place}{start}")
    ends: dict[str, tuple[Any, ...] | None] = {}
    if edge is not None:
        found = list(ordered.filter(after(columns, edge)).values_list("pk", *names)[: limit + 1])
    else:
        edge, found = _found_by_number(ordered, names, start, limit + 1)
        ends[f"{place}{start}"] = edge
    ends[f"{place}{start + limit}"] = found[limit - 1][1:] if len(found) > limit else None
    if to_keep := {key: end for key, end in ends.items() if end is not None}:
        cache.set_many(to_keep, PLACE_KEPT_SECONDS)
    return [each[0] for each in found[:limit]]


def _found_by_number(
    ordered: "QuerySet[Any]", names: list[str], start: int, limit: int
) -> tuple[tuple[Any, ...] | None, list[tuple[Any, ...]]]:
    """Return the position before the page, and its rows, read from the nearer end."""
    total = ordered.order_by().count()
    first, end = max(start - 1, 0), min(start + limit, total)
    if first >= end:
        return None, []
    if start > total // 2:
        found = list(ordered.reverse().values_list("pk", *names)[total - end : total - first])[::-1]
    else:
        found = list(ordered.values_list("pk", *names)[first:end])
    return (found[0][1:], found[1:]) if start else (None, found)


def counted(rows: "QuerySet[Any]", count: Callable[["QuerySet[Any]"], dict[str, int]]) -> dict[str, int]:
    """Return what `count` returns for these rows, with its `total`.

    Above MANY rows it is cached for some seconds, since a client that reads all pages needs the count only once.
    """
    if not (digest := query_digest(rows.order_by())):
        return count(rows)
    key = f"counted:{count.__qualname__}:{digest}"
    kept: dict[str, int] | None = cache.get(key)
    if kept is not None:
        return kept
    found = count(rows)
    if found["total"] > MANY:
        cache.set(key, found, KEPT_SECONDS)
    return found


class Accepted(Out):
    """The request is stored, and the worker carries it out. `statusUrl` shows the result."""

    id: str
    status_url: str
    message: str


def _text_alone(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be a string in ISO 8601 format")
    return value


# A body is validated strictly, and JSON has no dates, so these accept only text.
Day = Annotated[date, Field(strict=False), BeforeValidator(_text_alone)]
Moment = Annotated[datetime, Field(strict=False), BeforeValidator(_text_alone)]
