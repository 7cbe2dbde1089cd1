"""Base classes of input and output: camelCase in JSON, snake_case here. Also pages of long lists.

The published families take lenient input: unknown members of a body are ignored and named in the header X-Ignored.
Clients written for the previous system send members that it didn't read. A null that the contract doesn't allow counts
as absent. A wrong type is refused: nothing is guessed. So is a member that asks for a dry run, which there is none of.

Query parameters are strict, as everywhere. Neither published client sends one that isn't known here, and a mistyped
filter that is ignored returns every row, to a program that may delete what it gets.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, get_args
from urllib.parse import quote

from django.core.cache import cache
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel

from inbound_admin.lib.api.validation import malformed
from inbound_admin.lib.kept_values import keep_value, kept_value
from inbound_admin.lib.keyset import after, columns_of, query_digest, with_key

MOST, USUAL, FARTHEST = 100, 50, 1_000_000
MANY = 10_000  # rows; up to this number they are counted each time, in milliseconds
KEPT_SECONDS = 10
FAR = 10_000  # rows before a page; up to this number they are skipped by OFFSET
PLACE_KEPT_SECONDS = 120
IGNORED_HEADER = "X-Ignored"
MOST_NAMED, LONGEST_NAME = 20, 60
DRY_RUN = "NO_DRY_RUN"
_DRY_RUN = re.compile(
    r"(is)?(dry(run)?|simulat(e|ed|ion)|preview(only)?|(validat(e|ion)|check|test)only|what(if)?|noop|test(run|mode)|trial(run)?|commit)"
)
# Names, addresses and sentences contain no control characters, and PostgreSQL can't store NUL.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=2000)]


# An empty text of a row is null.
Blank = Annotated[str | None, BeforeValidator(lambda text: text or None)]


class In(BaseModel):
    """A body: an unknown field or a wrong type is refused, nothing is guessed."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class QueryIn(BaseModel):
    """A query string: its values are text, so that "true" is a boolean here."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Out(BaseModel):
    """An answer. A field with a default is absent unless it is given."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    @classmethod
    def of(cls, row: object, **given: Any) -> Self:
        """Return the answer with the row's attributes of these names, and what is given for others."""
        names = [name for name, field in cls.model_fields.items() if field.is_required() and name not in given]
        return cls(**{name: getattr(row, name) for name in names}, **given)


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
    if query.offset + query.limit < FAR:
        keys = rows.values_list("pk", flat=True)[query.offset : query.offset + query.limit]
        found = _with_keys(rows, list(keys))
    else:
        found = _far_away(rows, query.offset, query.limit)
    has_more = bool(found) and query.offset + len(found) < total
    return found, Pagination(limit=query.limit, offset=query.offset, total=total, has_more=has_more)


def _count(rows: "QuerySet[Any]") -> dict[str, int]:
    return {"total": rows.order_by().count()}


def _with_keys(rows: "QuerySet[RowModel]", keys: Sequence[Any]) -> list[RowModel]:
    """Return the rows in the order of their keys; those that were removed meanwhile are left out."""
    found = {row.pk: row for row in rows.filter(pk__in=keys).order_by()} if keys else {}
    return [found[key] for key in keys if key in found]


def _far_away(rows: "QuerySet[RowModel]", start: int, limit: int) -> list[RowModel]:
    """Return a distant page.

    It starts where the previous page ended, whatever was added or removed meanwhile. So the end of each page is kept if
    a row follows it.
    """
    ordered = with_key(rows)
    columns = columns_of(ordered)
    names = [each.alias for each in columns]
    ordered = ordered.annotate(**{each.alias: each.expression for each in columns})
    place = f"api_place:{query_digest(ordered)}:{len(columns)}:"  # places of another version may have more columns
    edge: tuple[Any, ...] | None = cache.get(f"{place}{start}")
    ends: dict[str, tuple[Any, ...] | None] = {}
    if edge is not None:
        found = list(ordered.filter(after(columns, edge))[: limit + 1])
        places = [tuple(getattr(row, name) for name in names) for row in found]
    else:
        edge, keys = _found_by_number(ordered, names, start, limit + 1)
        found, places = _with_keys(rows, [each[0] for each in keys[:limit]]), [each[1:] for each in keys]
        ends[f"{place}{start}"] = edge
    ends[f"{place}{start + limit}"] = places[limit - 1] if len(places) > limit else None
    if to_keep := {key: end for key, end in ends.items() if end is not None}:
        cache.set_many(to_keep, PLACE_KEPT_SECONDS)
    return found[:limit]


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
    kept: dict[str, int] | None = kept_value(key)
    if kept is not None:
        return kept
    found = count(rows)
    if found["total"] > MANY:
        keep_value(key, found, KEPT_SECONDS)
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


# Lenient input


class LenientIn(In):
    """A body: an unknown member is ignored, but not one of `only_put`, which PUT of the same path changes.

    With 200 a client would believe that its change was made.
    """

    model_config = ConfigDict(extra="ignore")
    only_put: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict):
            return given
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        if misplaced := next((name for name in given if name in cls.only_put and given[name] is not None), ""):
            raise malformed(f"body.{misplaced}", "is changed by PUT, not by this call", code="USE_PUT")
        if info.context is not None:
            ignore_members(info.context["request"], [name for name in given if name not in fields])
        return {
            name: value
            for name, value in given.items()
            if name in fields and (value is not None or type(None) in get_args(fields[name].annotation))
        }


class LenientQuery(QueryIn):
    """A query string. An empty number, choice or boolean counts as absent; an empty ID or text doesn't."""

    @model_validator(mode="before")
    @classmethod
    def _leave_empty_out(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        texts = {field.alias or name for name, field in cls.model_fields.items() if _has_text(field.annotation)}
        return {name: value for name, value in given.items() if value != "" or name in texts}


def _has_text(annotation: Any) -> bool:
    return annotation is str or any(_has_text(part) for part in get_args(annotation))


def clamped(least: int, most: int) -> AfterValidator:
    return AfterValidator(lambda number: max(least, min(number, most)))


def bounded(least: int, most: int) -> Any:
    """Return what documents the bounds of a number that is clamped to them, not refused."""
    words = f"From {least} to {most:,}. A number beyond these becomes the nearest of them"
    return Field(json_schema_extra={"minimum": least, "maximum": most}, description=words)


class LenientPaged(LenientQuery, Paged):
    """Values below the minimum become the minimum, above the maximum the maximum."""

    limit: Annotated[int, clamped(1, MOST), bounded(1, MOST)] = USUAL
    offset: Annotated[int, clamped(0, FARTHEST), bounded(0, FARTHEST)] = 0


def record_ignored(request: HttpRequest, names: Iterable[str]) -> None:
    """Record ignored names for the response header, in addition to earlier ones."""
    request.ignored = [*getattr(request, "ignored", ()), *names]  # type: ignore[attr-defined]  # read below


def ignore_members(request: HttpRequest, names: Iterable[str], *, inside: str = "") -> None:
    """Record unknown members of a body as ignored. Raises Malformed for one that asks for a dry run.

    `inside`: what stands before each name, for the members of a member.
    """
    found = list(names)
    for name in found:
        if _DRY_RUN.fullmatch(re.sub(r"[^a-z]", "", name.lower())):
            raise malformed(
                f"body.{inside}{name[:LONGEST_NAME]}", "isn't a field of this call, which has no dry run", code=DRY_RUN
            )
    record_ignored(request, [f"{inside}{name}" for name in found])


def add_ignored_header(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Add the header if something was ignored. Names are percent-encoded, at most twenty."""
    if names := list(dict.fromkeys(getattr(request, "ignored", ()))):
        shown = (quote(name[:LONGEST_NAME].encode("utf-8", "replace"), safe="[]") for name in names[:MOST_NAMED])
        answer.headers[IGNORED_HEADER] = ", ".join(shown)
    return answer


# JSON as it was sent


def sent_json(body: bytes) -> Any:
    """Return None if it isn't valid, or is nested more deeply than Python reads or writes it."""
    try:
        sent = json.loads(body)
        json.dumps(sent)
    except (ValueError, RecursionError):
        return None
    return sent


def same_json(body: bytes) -> bytes:
    """Return the same bytes for all spellings of the same JSON. What isn't JSON is returned unchanged."""
    sent = sent_json(body)
    return body if sent is None else json.dumps(sent, sort_keys=True).encode()
