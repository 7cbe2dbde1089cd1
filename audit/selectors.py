from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter
from typing import ClassVar, Self

import idna
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from audit.core import OBJECT_TYPES, WORDS, type_words
from audit.models import ActorKind, Change
from inbound_admin.lib.exports import ROWS_AT_ONCE
from inbound_admin.lib.lists import ListFilters, ListPage


def changes_of(object_type: str, object_id: str, *, of_customers: Collection[str] | None) -> QuerySet[Change]:
    """Newest first. `of_customers` None: for staff.

    Others see what happened while it was theirs, without staff entries.

    An object can change hands, so its current customer doesn't see its earlier history.
    """
    return _visible_to(of_customers).filter(object_type=object_type, object_id=object_id)


def is_changed_since(
    *, object_type: str, object_id: str, whats: Collection[str], since: datetime, except_bulk: str
) -> bool:
    """Return whether one of these changes was made after `since`, other than with that bulk ID."""
    rows = Change.objects.filter(object_type=object_type, object_id=object_id, what__in=whats, at__gt=since)
    return rows.exclude(bulk_id=except_bulk).exists()


def last_changed(object_type: str) -> Coalesce:
    """Return an annotation for rows with `created_at`: when they last changed by the log. Uses the index of objects."""
    latest = Change.objects.filter(object_type=object_type, object_id=OuterRef("pk")).order_by("-at")
    return Coalesce(Subquery(latest.values("at")[:1]), F("created_at"))


@dataclass(frozen=True)
class ChangeListFilters(ListFilters):
    """Days are UTC; `until` is included."""

    by: str = ""
    about: str = ""
    what: str = ""
    customer: str = ""
    bulk: str = ""
    since: str = ""
    until: str = ""

    columns: ClassVar[Mapping[str, str]] = {
        "about": "object_type",
        "what": "what",
        "customer": "customer_id",
        "bulk": "bulk_id",
    }

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        found = super().read(query)
        days = {name: getattr(found, name) if _day(getattr(found, name)) else "" for name in ("since", "until")}
        return replace(found, by=found.by if found.by in ActorKind.values else "", **days)

    def conditions(self) -> Iterator[Q]:
        if self.by:
            yield Q(actor_kind=self.by)
        if since := _day(self.since):
            yield Q(at__gte=_midnight(since))
        if (until := _day(self.until)) and until < date.max:
            yield Q(at__lt=_midnight(until + timedelta(days=1)))
        if self.q:
            yield _mentions(self.q)


def find_changes(filters: ChangeListFilters, *, of_customers: Collection[str] | None) -> QuerySet[Change]:
    """Newest first. `of_customers` None: for staff. Others see their customers' entries, without staff entries."""
    return filters.search(_visible_to(of_customers))


def _visible_to(of_customers: Collection[str] | None) -> QuerySet[Change]:
    if of_customers is None:
        return Change.objects.all()
    return Change.objects.filter(customer_id__in=of_customers, for_staff=False)


def choices(occurring: Collection[tuple[str, str]] | None = None) -> dict[str, list[tuple[str, str]]]:
    """Return the filters' options: the verbs that have words, and the types of objects.

    `occurring`: only these pairs of both.
    """
    verbs = set(WORDS) if occurring is None else {what for what, _ in occurring}
    types = OBJECT_TYPES if occurring is None else {object_type for _, object_type in occurring}
    return {
        "what": sorted(((what, words) for what, words in WORDS.items() if what in verbs), key=itemgetter(1)),
        "about": sorted(((each, type_words(each)) for each in types), key=itemgetter(1)),
        "by": [(kind.value, str(kind.label)) for kind in ActorKind],
    }


def export_rows(changes: QuerySet[Change]) -> Iterator[dict[str, str]]:
    """Yield one row for each change, read in chunks."""
    for change in ListPage.every_row(changes, at_once=ROWS_AT_ONCE):
        yield {
            "at": change.at.isoformat(),
            "bulk_id": change.bulk_id,
            "by": change.actor_kind,
            "who": change.actor_name,
            "what": change.what,
            "about": change.object_type,
            "id": change.object_id,
            "name": change.object_name,
            "customer_id": change.customer_id,
            "because": change.because,
            "before": _together(change.before),
            "after": _together(change.after),
            "aws_request_ids": " ".join(change.aws_request_ids),
        }


def _together(values: dict[str, object]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def _mentions(text: str) -> Q:
    whole = Q(object_id=text) | Q(bulk_id=text) | Q(aws_request_ids__contains=[text])
    named = Q(object_name__icontains=text) | Q(object_name__icontains=_in_dns(text))
    return whole | named | Q(actor_name__icontains=text) | Q(because__icontains=text)


def _in_dns(text: str) -> str:
    """Return a name or an address with its domain in DNS form, as the log has them; other text unchanged."""
    local, at, name = text.rpartition("@")
    try:
        return text if text.isascii() else f"{local}{at}{idna.encode(name, uts46=True).decode()}"
    except idna.IDNAError:
        return text


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
