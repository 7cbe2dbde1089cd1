"""Lists of rows: what their URL asks for, how many each of their groups has, and their order.

Not django-filter: of its parts (cleaning of text, choices, order, labels, the rows that a set is bound to) each would
be replaced. A class of fields is shorter, typed, and made by an API call as by a page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self, TypeVar

from django.db.models import Count, F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower

Row = TypeVar("Row", bound=Model)
# The columns of an order, ending in one that decides every tie, so that pages never overlap.
Order = tuple[F | OrderBy | Lower | str, ...]
LONGEST = 320  # characters of an address


def text_in(query: Mapping[str, str], name: str) -> str:
    """What a URL says for `name`, as it can be looked for: PostgreSQL holds no NUL."""
    return query.get(name, "").replace("\x00", "")[:LONGEST].strip()


def exactly(**columns: object) -> Q:
    """Rows that have these values; None asks for nothing."""
    return Q(**{name: value for name, value in columns.items() if value is not None})


@dataclass(frozen=True)
class ListFilters:
    """What the URL of a list asks for; a subclass adds its own parameters. Nonsense filters nothing."""

    q: str = ""
    show: str = ""
    sort: str = ""

    columns: ClassVar[Mapping[str, str]] = {}  # parameters that a column equals
    sorts: ClassVar[Mapping[str, Order]] = {}  # what the URL calls an order; the first is the usual one
    uncounted: ClassVar[tuple[str, ...]] = ()  # groups whose number no page shows

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        return cls(**{each.name: text_in(query, each.name) for each in fields(cls)})

    @property
    def is_any(self) -> bool:
        return bool(self.q) or self.active

    @property
    def active(self) -> bool:
        """Whether there are others than the text."""
        return any(getattr(self, each.name) for each in fields(self) if each.name not in ("q", "sort"))

    def conditions(self) -> Iterator[Q]:
        """Those beside `columns` and `groups`."""
        yield from ()

    def groups(self) -> Mapping[str, Q]:
        """What `show` chooses from."""
        return {}

    def search(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        found = self._narrowed(rows).filter(self.groups().get(self.show, Q()))
        usual = next(iter(self.sorts.values()), ())
        return found.order_by(*self.sorts.get(self.sort, usual)) if self.sorts else found

    def counts(self, rows: QuerySet[Row]) -> dict[str, int]:
        """How many rows each group has under the other filters, in one query."""
        counted = {key: Count("pk", filter=group) for key, group in self.groups().items() if key not in self.uncounted}
        return self._narrowed(rows).order_by().aggregate(**counted)

    def _narrowed(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        columns = {column: getattr(self, name) or None for name, column in self.columns.items()}
        return rows.filter(exactly(**columns), *self.conditions())
