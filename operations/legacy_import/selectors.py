"""What moves in from the system before this one, and how far it is: for staff alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from accounts.models.people import User
from operations.batches.core import BatchKind
from operations.legacy_import.core import AGAIN, ImportFate
from operations.models import Batch, BatchItem, BatchItemState, MovingIn, MovingInRow

RIGHT = "domains.adopt_identity"
# Of a finished import: what was rejected or failed, or was never begun. A row that is wrong in the file stays so.
TO_RETRY = Q(why_not="") & (Q(fate__in=AGAIN) | Q(done_at=None))


@dataclass(frozen=True)
class ImportCounts:
    total: int
    done: int
    by_fate: dict[ImportFate, int]
    again: int  # that can be tried again

    @property
    def problems(self) -> int:
        return self.by_fate[ImportFate.REFUSED] + self.by_fate[ImportFate.FAILED]


def may_move_in(viewer: User) -> bool:
    return viewer.has_perm(RIGHT)


def moves() -> QuerySet[MovingIn]:
    problems = Count("rows", filter=Q(rows__fate__in=AGAIN))
    found = MovingIn.objects.filter(region=settings.AWS_REGION).select_related("by")
    return found.annotate(number=Count("rows"), problems=problems).order_by("-created_at", "-id")


def import_batches() -> QuerySet[Batch]:
    """Batches of imports of this region; another deployment carries out the others."""
    here = MovingIn.objects.filter(region=settings.AWS_REGION)
    return Batch.objects.filter(kind=BatchKind.MOVE_IN, pk__in=here.values("pk"))


def waits_because(moving_in: MovingIn) -> str:
    """Why the preview or the import waits; "" if it does not."""
    items = BatchItem.objects.filter(batch=moving_in.pk, state=BatchItemState.WAITING).exclude(problem="")
    return moving_in.problem or items.values_list("problem", flat=True).first() or ""


def rows_of(moving_in: MovingIn, fate: str = "", kind: str = "") -> QuerySet[MovingInRow]:
    """In the order of the files; nonsense chooses nothing in particular."""
    rows = moving_in.rows.all()
    if fate in list(ImportFate):
        rows = rows.filter(fate=fate)
    return rows.filter(kind=kind) if kind else rows


OUTCOMES = ("number", "kind", "name", "owner", "fate", "why", "done_at")


def export_rows(moving_in: MovingIn, fate: str = "", kind: str = "") -> Iterator[dict[str, str]]:
    for row in rows_of(moving_in, fate, kind).iterator():
        done = row.done_at.isoformat() if row.done_at else ""
        cells = (row.number, row.kind, row.name, row.owner, row.fate, row.words, done)
        yield dict(zip(OUTCOMES, map(str, cells), strict=True))


def counted(moving_in: MovingIn) -> ImportCounts:
    number = {fate.value: Count("pk", filter=Q(fate=fate)) for fate in ImportFate}
    again = Count("pk", filter=TO_RETRY)
    done = Count("pk", filter=Q(done_at__isnull=False))
    found = moving_in.rows.aggregate(total=Count("pk"), finished=done, again=again, **number)
    by_fate = {fate: found[fate.value] for fate in ImportFate}
    return ImportCounts(found["total"], found["finished"], by_fate, found["again"])
