"""Several tenants paused or resumed at once: what would come of each, and what came of it."""

from collections import Counter
from dataclasses import dataclass

from operations.models import BatchKind, PauseBatch, PauseBatchItem
from operations.selectors.resuming import outcome_of_resuming
from tenants.core.standing import Standing
from tenants.models import Tenant

DONE = {BatchKind.PAUSE: Standing.PAUSED, BatchKind.RESUME: Standing.ACTIVE}
UNDER_WAY = {BatchKind.PAUSE: Standing.PAUSING, BatchKind.RESUME: Standing.RESUMING}
WORDS = {
    BatchKind.PAUSE: {"done": "paused", "waits": "being paused"},
    BatchKind.RESUME: {"done": "resumed", "waits": "being resumed"},
}


@dataclass(frozen=True)
class Predicted:
    """`works` False: it would be refused, or nothing would change."""

    tenant: Tenant
    sentence: str
    works: bool


@dataclass(frozen=True)
class Result:
    """`state` is done, waits, refused, gone, or other: what Amazon says is then neither before nor after."""

    item: PauseBatchItem
    state: str
    sentence: str


def predicted_resumes(tenants: list[Tenant]) -> list[Predicted]:
    outcomes = [(tenant, outcome_of_resuming(tenant)) for tenant in tenants]
    return [Predicted(tenant, outcome.sentence, outcome.possible) for tenant, outcome in outcomes]


def results_of(batch: PauseBatch) -> list[Result]:
    """The refused first."""
    items = batch.items.select_related("tenant__customer").order_by("name")
    return sorted(
        (_result(item, BatchKind(batch.kind)) for item in items), key=lambda result: result.state != "refused"
    )


def summary_of(batch: PauseBatch, results: list[Result]) -> str:
    """Partial success is said as partial."""
    words = {**WORDS[BatchKind(batch.kind)], "refused": "not done", "other": "to be looked at", "gone": "deleted since"}
    counted = Counter(result.state for result in results)
    parts = [
        f"{counted[state]} {words[state]}" for state in ("done", "waits", "refused", "other", "gone") if counted[state]
    ]
    return f"Of {len(results)}: {', '.join(parts)}."


def _result(item: PauseBatchItem, kind: BatchKind) -> Result:
    tenant = item.tenant
    if tenant is None:
        return Result(item, "gone", "The tenant has been deleted since.")
    if item.asked_at is None:
        return Result(item, "refused", item.problem or "It was not asked for: try again.")
    if tenant.standing == DONE[kind]:
        return Result(item, "done", f"Amazon has confirmed it: {WORDS[kind]['done']}.")
    if tenant.standing == UNDER_WAY[kind]:
        return Result(item, "waits", tenant.status_problem or "Amazon is being told.")
    if tenant.standing == Standing.SUSPENDED and kind == BatchKind.PAUSE:
        return Result(item, "done", "Amazon has suspended it; the pause stays when Amazon lifts that.")
    return Result(item, "other", f"Since then it has become {tenant.standing}.")
