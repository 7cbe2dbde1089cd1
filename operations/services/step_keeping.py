"""The steps of one customer's migration as rows: they follow what the tenants' rows say stands."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from operations.core.migration import Inventory, Step, StepKind, StepState, plan
from operations.models import MigrationItem, MigrationStep

OPEN = (StepState.TO_DO, StepState.FAILED, StepState.UNDONE)


@transaction.atomic
def keep(item: MigrationItem, inventory: Inventory, request_ids: Sequence[str]) -> None:
    """Made at the first call, when what stands stood already; later, what stands has been done by us."""
    steps = plan(inventory)
    known = {(row.kind, row.subject): row for row in MigrationStep.objects.select_for_update().filter(item=item)}
    is_first = not known
    asked = [each for each in request_ids if not any(each in row.request_ids for row in known.values())]
    for number, step in enumerate(steps, start=1):
        row = known.get((step.kind, step.subject))
        if row is None:
            _make(item, number, step, is_first=is_first)
        elif row.state in OPEN and step.stands:
            row.state, row.done_at, row.problem, row.number = StepState.DONE, timezone.now(), "", number
            row.request_ids, asked = [*row.request_ids, *asked], []
            row.save(update_fields=("state", "done_at", "problem", "number", "request_ids"))
        elif (row.number, row.sentence) != (number, step.sentence):
            MigrationStep.objects.filter(pk=row.pk).update(number=number, sentence=step.sentence)


def _make(item: MigrationItem, number: int, step: Step, *, is_first: bool) -> None:
    state = (StepState.FOUND if is_first else StepState.DONE) if step.stands else StepState.TO_DO
    MigrationStep.objects.create(
        item=item,
        number=number,
        kind=step.kind,
        subject=step.subject,
        sentence=step.sentence,
        call=step.call,
        state=state,
        done_at=timezone.now() if step.stands else None,
    )


def done(item: MigrationItem, kind: StepKind) -> None:
    rows = MigrationStep.objects.filter(item=item, kind=kind, state__in=OPEN)
    rows.update(state=StepState.DONE, done_at=timezone.now(), problem="")


def fail(item: MigrationItem, kind: StepKind, problem: str) -> None:
    MigrationStep.objects.filter(item=item, kind=kind).update(state=StepState.FAILED, problem=problem)


def fail_first(item: MigrationItem, problem: str) -> None:
    """The first that is open, where none is marked already."""
    steps = MigrationStep.objects.filter(item=item)
    if steps.filter(state=StepState.FAILED).exists():
        return
    first = steps.filter(state=StepState.TO_DO).order_by("number").first()
    if first is not None:
        MigrationStep.objects.filter(pk=first.pk).update(state=StepState.FAILED, problem=problem)


def undo(item: MigrationItem) -> None:
    """Those of the associations and of the switch; the tenant and its configuration set stay."""
    undone = (StepKind.ASSOCIATE, StepKind.GATE, StepKind.SWITCH)
    rows = MigrationStep.objects.filter(item=item, kind__in=undone, state=StepState.DONE)
    rows.update(state=StepState.UNDONE, done_at=None)
