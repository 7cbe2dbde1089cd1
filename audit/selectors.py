from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import QueryDict

from audit.core import WORDS
from audit.models import ActorKind, Change

LONGEST_FILTER = 254


def changes_of(object_type: str, object_id: str, *, of_customers: Collection[str] | None) -> QuerySet[Change]:
    """Newest first. `of_customers` None is for staff; others see what happened while it was theirs, no staff's rows.

    An object can change hands, so that it is theirs now does not make its past theirs.
    """
    changes = Change.objects.filter(object_type=object_type, object_id=object_id)
    if of_customers is None:
        return changes
    return changes.filter(customer_id__in=of_customers, for_staff=False)


def last_changed(object_type: str) -> Coalesce:
    """To annotate rows that have `created_at`: when the log last says something of each. By the index of objects."""
    latest = Change.objects.filter(object_type=object_type, object_id=OuterRef("pk")).order_by("-at")
    return Coalesce(Subquery(latest.values("at")[:1]), F("created_at"))


@dataclass(frozen=True)
class ChangeListFilters:
    """What the URL of the log asks for; nonsense is left out. Days are UTC, `until` is the last that is shown."""

    q: str = ""
    by: str = ""
    about: str = ""
    what: str = ""
    customer: str = ""
    bulk: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> "ChangeListFilters":
        given = {
            each.name: query.get(each.name, "").replace("\x00", "")[:LONGEST_FILTER].strip() for each in fields(cls)
        }
        given["by"] = given["by"] if given["by"] in ActorKind.values else ""
        for name in ("since", "until"):
            given[name] = given[name] if _day(given[name]) else ""
        return cls(**given)

    @property
    def is_any(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


def changes_found(filters: ChangeListFilters, *, of_customers: Collection[str] | None) -> QuerySet[Change]:
    """Newest first. `of_customers` None is for staff; others see their customers' rows, without staff's own."""
    changes = Change.objects.all()
    if of_customers is not None:
        changes = changes.filter(customer_id__in=of_customers, for_staff=False)
    exact = {
        "actor_kind": filters.by,
        "object_type": filters.about,
        "what": filters.what,
        "customer_id": filters.customer,
        "bulk_id": filters.bulk,
    }
    changes = changes.filter(**{name: value for name, value in exact.items() if value})
    if since := _day(filters.since):
        changes = changes.filter(at__gte=_midnight(since))
    if (until := _day(filters.until)) and until < date.max:
        changes = changes.filter(at__lt=_midnight(until + timedelta(days=1)))
    return changes.filter(_mentions(filters.q)) if filters.q else changes


def choices() -> dict[str, list[tuple[str, str]]]:
    """What the filters offer: the verbs that have words, and what they are about."""
    kinds = sorted({what.partition(".")[0] for what in WORDS})
    return {
        "what": sorted(WORDS.items(), key=lambda pair: pair[1]),
        "about": [(kind, kind.replace("_", " ").capitalize()) for kind in kinds],
        "by": [(kind.value, str(kind.label)) for kind in ActorKind],
    }


def export_rows(changes: QuerySet[Change]) -> Iterator[dict[str, str]]:
    """One row a change, read in chunks."""
    for change in changes.iterator(chunk_size=2000):
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
    return whole | Q(object_name__icontains=text) | Q(actor_name__icontains=text) | Q(because__icontains=text)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
