"""Reads batches: who sees which, its progress, the time left, and the result of each item."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Case, Count, Max, Q, QuerySet, When

from accounts.models.people import User
from accounts.people.selectors import supports_everyone
from domains.domain_list.selectors import domains_for
from inbound_admin.lib import jobs
from operations.batches.core import DOMAIN_KINDS, IMPORT_KINDS, SHOWN_WORDS, URGENT_KINDS, BatchKind, BatchResult
from operations.domain_actions.selectors import domain_counts, domain_results, kinds_for
from operations.drift.selectors import decision_counts, decision_results, may_decide
from operations.jobs import BATCHES, DRIFT_CHECK, LEGACY_IMPORT, REMOVE
from operations.models import Batch, BatchItem, BatchItemState
from operations.pause.selectors import pause_counts, pause_results
from tenants.jobs import STATUS
from tenants.lifecycle.selectors import sees_tenants

_IMPORTED = BatchResult("Imported", "good", "")
_Results = Callable[[BatchKind, Sequence[BatchItem]], list[BatchResult]]
_RESULTS: Mapping[BatchKind, _Results] = {
    **dict.fromkeys(DOMAIN_KINDS, domain_results),
    BatchKind.PAUSE: pause_results,
    BatchKind.RESUME: pause_results,
    BatchKind.DECIDE: decision_results,
    BatchKind.LEGACY_IMPORT: lambda kind, items: [_IMPORTED] * len(items),
}
_Counts = Callable[[BatchKind, QuerySet[BatchItem]], list[tuple[BatchResult, int]]]
_COUNTS: Mapping[BatchKind, _Counts] = {
    **dict.fromkeys(DOMAIN_KINDS, domain_counts),
    BatchKind.PAUSE: pause_counts,
    BatchKind.RESUME: pause_counts,
    BatchKind.DECIDE: decision_counts,
    BatchKind.LEGACY_IMPORT: lambda kind, done: [(_IMPORTED, done.count())],
}
_OUT_OF_SIGHT = BatchResult("Done", "mute", "The domain is no longer in your list.")
TONES = ("good", "info", "warn", "mute")
_UNFINISHED_RESULTS = {
    BatchItemState.REFUSED: BatchResult("Failed", "warn", ""),
    BatchItemState.WAITING: BatchResult("Pending", "info", "Waiting in the queue.", waits=True),
    BatchItemState.STOPPED: BatchResult("Stopped", "mute", "Stopped before it started."),
}


@dataclass(frozen=True)
class Summary:
    """`settled`: finished items. `unconfirmed`: items that were processed, but not yet confirmed by SES."""

    sentence: str
    settled: int
    unconfirmed: int
    waiting: int

    @property
    def may_change(self) -> bool:
        return bool(self.unconfirmed or self.waiting)


@dataclass(frozen=True)
class ItemCost:
    """Cost of one item: `seconds` in the worker, and `calls` to SES made by jobs of `task`."""

    seconds: float = 0.1
    calls: int = 0
    task: str = BATCHES


COSTS: Mapping[BatchKind, ItemCost] = {
    BatchKind.IMPORT: ItemCost(seconds=1),  # DNS is queried before each is added
    BatchKind.DELETE: ItemCost(calls=3, task=REMOVE),
    BatchKind.PAUSE: ItemCost(calls=2, task=STATUS),
    BatchKind.RESUME: ItemCost(calls=2, task=STATUS),
    BatchKind.DECIDE: ItemCost(calls=2, task=DRIFT_CHECK),
    BatchKind.LEGACY_IMPORT: ItemCost(task=LEGACY_IMPORT),
}


def batches_for(viewer: User) -> QuerySet[Batch]:
    """Return the viewer's batches of domains, or everyone's for support staff. Others are only for staff.

    Imports have a page of their own, so they are left out.
    """
    found = Batch.objects.select_related("by").exclude(kind__in=IMPORT_KINDS)
    own = Q() if supports_everyone(viewer) else Q(by=viewer)
    return found.filter(own if sees_tenants(viewer) else own & Q(kind__in=DOMAIN_KINDS))


def may_start(kind: BatchKind, viewer: User) -> bool:
    """Return whether the viewer may start, stop and retry batches of this kind."""
    if kind in DOMAIN_KINDS:
        return kind in kinds_for(viewer)
    return may_decide(viewer) if kind is BatchKind.DECIDE else viewer.has_perm("tenants.pause_tenant")


def counts_of(batch: Batch) -> dict[str, int]:
    counted = dict(batch.items.order_by().values_list("state").annotate(number=Count("pk")))
    return {state.value: counted.get(state.value, 0) for state in BatchItemState}


def summary_of(batch: Batch, counts: Mapping[str, int]) -> Summary:
    """Return the progress, counted by the database."""
    kind, total = BatchKind(batch.kind), sum(counts.values())
    plain = [(result, counts[state.value]) for state, result in _UNFINISHED_RESULTS.items()]
    done = _COUNTS[kind](kind, batch.items.filter(state=BatchItemState.DONE)) if counts["done"] else []
    counted: Counter[tuple[int, str]] = Counter()
    for result, number in (*plain, *done):
        counted[TONES.index(result.tone), result.word] += number
    numbers = [(number, word.lower()) for (_, word), number in sorted(counted.items()) if number]
    unconfirmed = sum(number for result, number in done if result.waits)
    settled = total - unconfirmed - counts["waiting"]
    return Summary(_sentence(numbers), settled, unconfirmed, counts["waiting"])


def seconds_left(batch: Batch, summary: Summary) -> int:
    """Estimate from the batch queue and the shared rate limit; 0 if nothing is left, or while it is paused."""
    if not summary.may_change or batch.paused_at:
        return 0
    cost = COSTS.get(BatchKind(batch.kind), ItemCost())
    calls = (summary.waiting + summary.unconfirmed) * cost.calls
    by_pace = jobs.seconds_left(task=cost.task, calls=calls)
    return max(1, round(by_pace + _seconds_of_queue(batch))) if summary.waiting else max(1, by_pace)


def _seconds_of_queue(batch: Batch) -> float:
    """Batches take turns item by item, so other batches' items count up to the number of this one's last item."""
    last = batch.items.filter(state=BatchItemState.WAITING).aggregate(last=Max("number"))["last"] or 0
    lanes = (URGENT_KINDS, IMPORT_KINDS)
    lane = next((Q(batch__kind__in=kinds) for kinds in lanes if batch.kind in kinds), None)
    lane = lane or ~Q(batch__kind__in=(*URGENT_KINDS, *IMPORT_KINDS))
    waiting = BatchItem.objects.filter(lane, state=BatchItemState.WAITING, number__lte=last, batch__paused_at=None)
    counted = waiting.order_by().values_list("batch__kind").annotate(number=Count("pk"))
    return sum((COSTS.get(BatchKind(kind), ItemCost()).seconds * number for kind, number in counted), start=0.0)


def _sentence(parts: Sequence[tuple[int, str]]) -> str:
    return f"{', '.join(f'{number:,} {word}' for number, word in parts)}."


def items_of(batch: Batch) -> QuerySet[BatchItem]:
    """Return the items: refused first, then stopped, then waiting."""
    order = (BatchItemState.REFUSED, BatchItemState.STOPPED, BatchItemState.WAITING)
    place = Case(*(When(state=state, then=number) for number, state in enumerate(order)), default=len(order))
    related = ("domain__customer", "tenant__customer", "difference", "customer")
    return batch.items.select_related(*related).order_by(place, "number")


def results_of(batch: Batch, items: Sequence[BatchItem], viewer: User) -> list[tuple[BatchItem, BatchResult]]:
    """Return each item's result. Of a domain that is another customer's by now, the viewer reads nothing."""
    kind = BatchKind(batch.kind)
    done = [item for item in items if item.state == BatchItemState.DONE]
    found = dict(zip((item.pk for item in done), _RESULTS[kind](kind, done), strict=True))
    found |= dict.fromkeys(_not_visible(done, viewer), _OUT_OF_SIGHT)
    return [(item, found.get(item.pk) or _unfinished_result(item)) for item in items]


def _not_visible(items: Sequence[BatchItem], viewer: User) -> list[int]:
    ids = {item.domain_id for item in items if item.domain_id}
    if not ids or supports_everyone(viewer):
        return []
    visible = set(domains_for(viewer).filter(pk__in=ids).values_list("pk", flat=True))
    return [item.pk for item in items if item.domain_id in ids - visible]


def _unfinished_result(item: BatchItem) -> BatchResult:
    plain = _UNFINISHED_RESULTS[BatchItemState(item.state)]
    return BatchResult(plain.word, plain.tone, item.problem or plain.sentence, waits=plain.waits)


def words_of(batch: Batch) -> list[tuple[str, str]]:
    """Return the details that apply to all items, each with its label."""
    words = [(label, str(batch.words.get(key) or "")) for key, label in SHOWN_WORDS.items()]
    return [(label, text) for label, text in words if text]
