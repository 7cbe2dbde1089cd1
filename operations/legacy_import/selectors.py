"""Reads imports of the previous system and their progress. For staff only."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from accounts.models.people import User
from operations.legacy_import.core import RETRYABLE, ImportResult
from operations.models import Batch, BatchItem, BatchItemState, BatchKind, LegacyImport, LegacyImportRow

RIGHTS = ("domains.adopt_identity", "receipt_rules.route_mail")
# Rows of a finished import that were rejected, failed or never started. A row with a fault in the file isn't retried.
TO_RETRY = Q(why_not="") & (Q(result__in=RETRYABLE) | Q(done_at=None))


@dataclass(frozen=True)
class ImportCounts:
    total: int
    done: int
    by_result: dict[ImportResult, int]
    again: int  # that can be tried again

    @property
    def problems(self) -> int:
        return self.by_result[ImportResult.REFUSED] + self.by_result[ImportResult.FAILED]


def may_import(viewer: User) -> bool:
    return viewer.has_perms(RIGHTS)


def legacy_imports() -> QuerySet[LegacyImport]:
    problems = Count("rows", filter=Q(rows__result__in=RETRYABLE))
    found = LegacyImport.objects.filter(region=settings.AWS_REGION).select_related("by")
    return found.annotate(number=Count("rows"), problems=problems).order_by("-created_at", "-id")


def import_batches() -> QuerySet[Batch]:
    """Return the batches of this region's imports. The deployment of another region runs the others."""
    here = LegacyImport.objects.filter(region=settings.AWS_REGION)
    return Batch.objects.filter(kind=BatchKind.LEGACY_IMPORT, pk__in=here.values("pk"))


def waits_because(legacy_import: LegacyImport) -> str:
    """Return why the preview or the import waits; "" if it doesn't."""
    items = BatchItem.objects.filter(batch=legacy_import.pk, state=BatchItemState.WAITING).exclude(problem="")
    return legacy_import.problem or items.values_list("problem", flat=True).first() or ""


def rows_of(legacy_import: LegacyImport, result: str = "", kind: str = "") -> QuerySet[LegacyImportRow]:
    """Return rows in the order of the files. An unknown `result` is ignored."""
    rows = legacy_import.rows.all()
    if result in list(ImportResult):
        rows = rows.filter(result=result)
    return rows.filter(kind=kind) if kind else rows


OUTCOMES = ("number", "kind", "name", "owner", "fate", "why", "done_at")


def export_rows(legacy_import: LegacyImport, result: str = "", kind: str = "") -> Iterator[dict[str, str]]:
    for row in rows_of(legacy_import, result, kind).iterator():
        done = row.done_at.isoformat() if row.done_at else ""
        cells = (row.number, row.kind, row.name, row.owner, row.result, row.words, done)
        yield dict(zip(OUTCOMES, map(str, cells), strict=True))


def import_counts(legacy_import: LegacyImport) -> ImportCounts:
    number = {result.value: Count("pk", filter=Q(result=result)) for result in ImportResult}
    again = Count("pk", filter=TO_RETRY)
    done = Count("pk", filter=Q(done_at__isnull=False))
    found = legacy_import.rows.aggregate(total=Count("pk"), finished=done, again=again, **number)
    by_result = {result: found[result.value] for result in ImportResult}
    return ImportCounts(found["total"], found["finished"], by_result, found["again"])
