"""Lists of rows: filters from the URL, counts of groups, order and pages.

With a hundred thousand rows, a page must cost what it costs with a hundred. So a page's keys are read first, from an
index of the order; nothing is counted beyond MOST_COUNTED; a distant page is found by the row before it; and a part of
a name is found as `filters` says.

Not django-filter: each of its parts (text cleaning, choices, order, labels, bound rows) would be replaced. A class of
fields is shorter, typed, and used by API and pages alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

from django.core import signing
from django.db.models import Count, F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import JSONObject, Lower

from inbound_admin.lib.filters import asks_for_parts, searched, without_parts
from inbound_admin.lib.foreign_text import without_nul
from inbound_admin.lib.kept_values import keep_value, kept_value, kept_values
from inbound_admin.lib.keyset import after, columns_of, query_digest, with_key

Row = TypeVar("Row", bound=Model)
MOST_COUNTED = 10_000
KEPT_FROM = 2_000  # rows; up to this number, groups are counted each time
KEPT_SECONDS = 600
COUNTS_KEPT_SECONDS = 60  # cache of a list's group counts
ALL = "all"  # among a list's counts: the rows of every group and of none
FRONT = 1_000  # rows of an order, among which a frequent part of a name is looked for first
# The columns of an order end in one that decides every tie, so pages never overlap.
Order = tuple[F | OrderBy | Lower | str, ...]
LONGEST = 320  # characters of an address


def text_in(query: Mapping[str, str], name: str, *, most: int = LONGEST) -> str:
    """Return a parameter of the URL as searchable text."""
    return without_nul(query.get(name, ""))[:most].strip()


def exactly(**columns: object) -> Q:
    """Match rows with these values; None matches all."""
    return Q(**{name: value for name, value in columns.items() if value is not None})


@dataclass(frozen=True)
class ListFilters:
    """Filters from the URL of a list; subclasses add parameters. Invalid values filter nothing."""

    q: str = ""
    show: str = ""
    sort: str = ""

    columns: ClassVar[Mapping[str, str]] = {}  # parameters that a column must equal
    sorts: ClassVar[Mapping[str, Order]] = {}  # names of orders in the URL; the first is the default
    uncounted: ClassVar[tuple[str, ...]] = ()  # groups whose number no page shows
    dear: ClassVar[tuple[str, ...]] = ()  # groups that aren't counted among more rows than MOST_COUNTED

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        return cls(**{each.name: text_in(query, each.name) for each in fields(cls)})

    @property
    def is_any(self) -> bool:
        return bool(self.q) or self.active

    @property
    def active(self) -> bool:
        """Return whether filters other than the text are set."""
        return any(getattr(self, each.name) for each in fields(self) if each.name not in ("q", "sort"))

    def conditions(self) -> Iterator[Q]:
        """Yield conditions in addition to `columns` and `groups`."""
        yield from ()

    def groups(self) -> Mapping[str, Q]:
        """Return the options of `show`."""
        return {}

    def search(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        found = self._narrowed(rows).filter(self.groups().get(self.show, Q()))
        usual = next(iter(self.sorts.values()), ())
        return found.order_by(*self.sorts.get(self.sort, usual)) if self.sorts else found

    def counts(self, rows: QuerySet[Row]) -> dict[str, int]:
        """Return the number of rows in each group and of ALL under the other filters, up to MOST_COUNTED and one more.

        If more than KEPT_FROM rows match the other filters, the numbers are up to a minute old.
        """
        narrowed = self._narrowed(rows).order_by()
        key = f"list_counts:{type(self).__name__}:{_digest(narrowed)}"
        found: dict[str, int] | None = kept_value(key)
        if found is None:
            total = bounded_count(narrowed)
            groups = {key: group for key, group in self.groups().items() if key not in self.uncounted}
            counted = {name: group for name, group in groups.items() if name not in self.dear or total <= MOST_COUNTED}
            found = _counted(narrowed, counted, total) | {ALL: int(total)}
            if total > min(KEPT_FROM, MOST_COUNTED):
                keep_value(key, found, COUNTS_KEPT_SECONDS)
        return {name: Bounded(number) for name, number in found.items()}

    def total_of(self, counts: Mapping[str, int]) -> int | None:
        """Return the number of rows that `search` finds, if `counts` has it."""
        return counts.get(self.show if self.show and self.show in self.groups() else ALL)

    def _narrowed(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        columns = {column: getattr(self, name) or None for name, column in self.columns.items()}
        return searched(rows.filter(exactly(**columns), *self.conditions()))


def _counted(rows: QuerySet[Any], groups: Mapping[str, Q], total: int) -> dict[str, int]:
    """Count in one query, or each group up to its limit."""
    if not total:
        return dict.fromkeys(groups, 0)
    if groups and total <= MOST_COUNTED:
        # As one expression: of several, Django compares each with all before it, which takes longer than the query.
        counts = JSONObject(**{key: Count("pk", filter=group) for key, group in groups.items()})
        found: dict[str, int] = rows.aggregate(counts=counts)["counts"]
        return found
    return {key: int(bounded_count(rows.filter(group))) for key, group in groups.items()}


class Bounded(int):
    """A number that says whether there are more that were not counted."""

    def __str__(self) -> str:
        return f"{MOST_COUNTED:,}+" if self > MOST_COUNTED else f"{int(self):,}"


def bounded_count(rows: QuerySet[Any]) -> Bounded:
    return Bounded(rows.order_by().values("pk")[: MOST_COUNTED + 1].count())


def _digest(rows: QuerySet[Any]) -> str:
    """Return the same digest for the same rows, whatever their order and columns; "" if no row can match."""
    return query_digest(rows.order_by())


def _kept_bound(rows: QuerySet[Any]) -> Bounded:
    """As `bounded_count`; above KEPT_FROM up to a minute old."""
    key = f"list_bound:{_digest(rows)}"
    kept: int | None = kept_value(key)
    found = int(bounded_count(rows)) if kept is None else kept
    if kept is None and found > min(KEPT_FROM, MOST_COUNTED):
        keep_value(key, found, COUNTS_KEPT_SECONDS)
    return Bounded(found)


def kept_pairs(rows: QuerySet[Any], *columns: str) -> list[tuple[str, ...]]:
    """Return each combination of these values once, for the choices of a filter; of many rows some minutes old."""
    key = f"list_pairs:{'.'.join(columns)}:{_digest(rows)}"
    kept: list[list[str]] | None = kept_value(key)
    if kept is None:
        kept = [list(each) for each in rows.order_by().values_list(*columns).distinct()]
        if bounded_count(rows) > min(KEPT_FROM, MOST_COUNTED):
            keep_value(key, kept, KEPT_SECONDS)
    return [tuple(each) for each in kept]


def kept_count(rows: QuerySet[Any]) -> int:
    """Return the exact count; above MOST_COUNTED some minutes old. For pages that many people open."""
    return kept_counts(rows)[0]


def kept_counts(*counted: QuerySet[Any]) -> list[int]:
    """Return the count of each, as `kept_count`. One query, if all are kept."""
    keys = [f"kept_count:{_digest(rows)}" for rows in counted]
    kept: dict[str, int] = kept_values(keys)
    return [_kept_or_counted(rows, key, kept) for rows, key in zip(counted, keys, strict=True)]


def _kept_or_counted(rows: QuerySet[Any], key: str, kept: Mapping[str, int]) -> int:
    if key in kept:
        return kept[key]
    found = rows.order_by().count()  # 0 without a query, where no row can match
    if found > MOST_COUNTED:
        keep_value(key, found, KEPT_SECONDS)
    return found


class ListPage(Generic[Row]):
    """One page of a list. `?page=` is a number, "last", or a `next_page_number`: a place in the order.

    `total`: how many rows there are, if the caller has counted them already.
    """

    has_last = True  # unlike Django's pages

    def __init__(self, rows: QuerySet[Row], asked: str, per_page: int, total: int | None = None) -> None:
        self.rows, self.per_page, self._total = rows, per_page, total
        self.paginator = self  # as Django's pages have one, for templates
        ordered = with_key(rows)
        self._columns = columns_of(ordered)
        self._ordered = ordered.annotate(**{each.alias: each.expression for each in self._columns})
        self._salt = repr(self._columns)
        self.number: int | None = None
        self._read(asked)

    @cached_property
    def count(self) -> Bounded:
        """Return the count of all pages. A first page that isn't full needs no query."""
        if self.number == 1 and not self.has_next():
            return Bounded(len(self.object_list))
        return _kept_bound(self.rows) if self._total is None else Bounded(self._total)

    @property
    def num_pages(self) -> int:
        return max(1, -(-int(self.count) // self.per_page))

    @classmethod
    def every_row(cls, rows: QuerySet[Row], *, at_once: int) -> Iterator[Row]:
        """Yield all rows page by page. A cursor outside a transaction would read all before the first."""
        page = cls(rows, "1", at_once)
        yield from page
        while page.has_next():
            page = cls(rows, page._next_place(), at_once)
            yield from page

    def __len__(self) -> int:
        return len(self.object_list)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.object_list)

    def __getitem__(self, at: Any) -> Any:
        return self.object_list[at]

    def has_next(self) -> bool:
        return self._has_next

    def has_previous(self) -> bool:
        return self._has_previous

    def has_other_pages(self) -> bool:
        return self._has_next or self._has_previous

    def next_page_number(self) -> int | str:
        if self.number and self.number * self.per_page < MOST_COUNTED:
            return self.number + 1
        return self._next_place()

    def _next_place(self) -> str:
        return f"after-{self._token(self._edges[-1])}"

    def previous_page_number(self) -> int | str:
        return self.number - 1 if self.number else f"before-{self._token(self._edges[0])}"

    def start_index(self) -> int:
        return ((self.number or 1) - 1) * self.per_page + 1 if self.object_list else 0

    def end_index(self) -> int:
        return self.start_index() + len(self.object_list) - 1

    def _read(self, asked: str) -> None:
        if self._total == 0:
            self.number = 1
            self._show([], has_previous=False, has_next=False)
            return
        way, _, token = asked.partition("-")
        edge = self._edge(token) if way in ("after", "before") else None
        if edge is not None:
            self._read_beside(edge, forward=way == "after")
        elif asked == "last":
            self._read_last()
        else:
            self._read_numbered(int(asked) if asked.isdecimal() and len(asked) <= len(str(MOST_COUNTED)) else 1)

    def _read_numbered(self, number: int) -> None:
        """Read a page by number; one that is too high becomes the last page."""
        start = (max(1, number) - 1) * self.per_page
        if start == 0 and self._is_read_in_order():
            self.number, found = 1, list(self._ordered[: self.per_page + 1])
            self._show_rows(found[: self.per_page], has_previous=False, has_next=len(found) > self.per_page)
            return
        found = self._in_front() if start == 0 else []
        if not found and start < MOST_COUNTED:
            found = self._keys(self._ordered, start)
        if not found and start:
            self._read_last()
            return
        self.number = max(1, number)
        self._show(found[: self.per_page], has_previous=start > 0, has_next=len(found) > self.per_page)

    def _read_last(self) -> None:
        """Read the last page; by number up to the counted rows, so its position is known."""
        total = self._total
        if total is None or total <= MOST_COUNTED:
            total = bounded_count(self.rows)
        if total <= MOST_COUNTED:
            self.number = max(1, -(-total // self.per_page))
            found = self._keys(self._ordered, (self.number - 1) * self.per_page)
            self._show(found[: self.per_page], has_previous=self.number > 1, has_next=False)
            return
        if self._is_read_in_order():
            self._show_rows(list(self._ordered.reverse()[: self.per_page])[::-1], has_previous=True, has_next=False)
            return
        found = self._keys(self._ordered.reverse(), 0)[: self.per_page]
        self._show(found[::-1], has_previous=True, has_next=False)

    def _read_beside(self, edge: Sequence[object], *, forward: bool) -> None:
        columns = self._columns if forward else [each.reversed() for each in self._columns]
        rows = self._ordered if forward else self._ordered.reverse()
        found = self._keys(rows.filter(after(columns, edge)), 0)
        more, some = len(found) > self.per_page, found[: self.per_page]
        if forward:
            self._show(some, has_previous=True, has_next=more)
        else:
            self._show(some[::-1], has_previous=more, has_next=True)

    def _keys(self, rows: QuerySet[Row], start: int) -> list[tuple[Any, ...]]:
        """Return the key and place values of the page's rows and one more."""
        found = rows.values_list("pk", *(each.alias for each in self._columns))
        return list(found[start : start + self.per_page + 1])

    def _in_front(self) -> list[tuple[Any, ...]]:
        """A full page of keys, where what is searched for is frequent enough to fill one; else none.

        The index of parts gives every row that has them, and a word that many names have fills the first page at once.
        """
        if not asks_for_parts(self.rows) or not self._is_in_index_order():
            return []
        front = self.rows.model._default_manager.order_by(*self._ordered.query.order_by).values("pk")[:FRONT]
        found = self._keys(without_parts(self._ordered).filter(pk__in=front), 0)
        return found if len(found) > self.per_page else []

    def _names(self) -> list[str]:
        """Return the field of each column of the order; "" for an expression."""
        key = self.rows.model._meta.pk.name
        names = (getattr(each.expression, "name", "") for each in self._columns)
        return [key if name == "pk" else name for name in names]

    def _is_in_index_order(self) -> bool:
        """Whether an index gives the order: one of its columns, or of the only column where no value is there twice."""
        meta = self.rows.model._meta
        order = [
            f"{'-' if each.is_down else ''}{name}" for each, name in zip(self._columns, self._names(), strict=True)
        ]
        backward = [name.removeprefix("-") if name.startswith("-") else f"-{name}" for name in order]
        orders = [list(index.fields) for index in meta.indexes if not index.condition]
        orders += [[meta.pk.name], *([each.name, meta.pk.name] for each in meta.concrete_fields if each.unique)]
        given = tuple(F(each) if isinstance(each, str) else each for each in self.rows.query.order_by)
        return order in orders or backward in orders or given in [index.expressions for index in meta.indexes if given]

    def _show(self, keys: list[tuple[Any, ...]], *, has_previous: bool, has_next: bool) -> None:
        self._edges, self._has_previous, self._has_next = [each[1:] for each in keys], has_previous, has_next
        rows = without_parts(self.rows).filter(pk__in=[each[0] for each in keys]).order_by()
        found = {row.pk: row for row in rows} if keys else {}
        self.object_list: list[Row] = [found[each[0]] for each in keys if each[0] in found]

    def _is_read_in_order(self) -> bool:
        """Whether an index has the rows in order, so that none is read in vain where keys aren't read first.

        False for an order by an expression: the rows lack its value, which is their place.
        """
        return all(self._names()) and self._is_in_index_order() and not asks_for_parts(self.rows)

    def _show_rows(self, rows: list[Row], *, has_previous: bool, has_next: bool) -> None:
        self.object_list, self._has_previous, self._has_next = rows, has_previous, has_next
        self._edges = [tuple(getattr(row, name) for name in self._names()) for row in rows]

    def _token(self, edge: Sequence[Any]) -> str:
        return signing.dumps(
            [each.isoformat() if hasattr(each, "isoformat") else each for each in edge], salt=self._salt
        )

    def _edge(self, token: str) -> list[object] | None:
        """Return the place of a token; None for a token that we didn't issue for this order."""
        try:
            found: list[object] = signing.loads(token, salt=self._salt)
        except signing.BadSignature:
            return None
        return found
