"""Reads batches: who sees which, how far one is, and how each item reads now."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Case, Count, Q, QuerySet, When

from accounts.models.people import User
from accounts.people.selectors import supports_everyone
from operations.batches.core import DOMAIN_KINDS, SHOWN_WORDS, BatchKind, BatchResult
from operations.domain_actions.selectors import domain_results, kinds_for
from operations.drift_decisions.selectors import decision_results, may_decide
from operations.models import Batch, BatchItem, BatchItemState
from operations.pause.selectors import may_pause, pause_results
from tenants.lifecycle.selectors import sees_tenants

_Results = Callable[[BatchKind, Sequence[BatchItem]], list[BatchResult]]
_RESULTS: Mapping[BatchKind, _Results] = {
    **dict.fromkeys(DOMAIN_KINDS, domain_results),
    BatchKind.PAUSE: pause_results,
    BatchKind.RESUME: pause_results,
    BatchKind.DECIDE: decision_results,
}
STATE_WORDS = {"done": "processed", "waiting": "pending", "refused": "failed", "stopped": "stopped"}
SUMMARY_WORDS = {"Changed": "changed since"}
TONES = ("good", "info", "warn", "mute")
MOST_READ = 1000
_BEFORE_ITS_TURN = {
    BatchItemState.REFUSED: BatchResult("Failed", "warn", ""),
    BatchItemState.WAITING: BatchResult("Pending", "info", "Waiting in the queue.", waits=True),
    BatchItemState.STOPPED: BatchResult("Stopped", "mute", "Stopped before it started."),
}


@dataclass(frozen=True)
class Summary:
    """`settled`: items whose effect has come, or will not come. `may_change`: the rest is still to come."""

    sentence: str
    settled: int
    may_change: bool


def batches_for(viewer: User) -> QuerySet[Batch]:
    """Domains': all for staff who support customers; else one's own. Tenants' and differences': for staff alone."""
    found = Batch.objects.select_related("by")
    own = Q() if supports_everyone(viewer) else Q(by=viewer)
    return found.filter(own if sees_tenants(viewer) else own & Q(kind__in=DOMAIN_KINDS))


def may_start(kind: BatchKind, viewer: User) -> bool:
    """Also: stop it, and try again what failed."""
    if kind in DOMAIN_KINDS:
        return kind in kinds_for(viewer)
    return may_decide(viewer) if kind is BatchKind.DECIDE else may_pause(viewer)


def counts_of(batch: Batch) -> dict[str, int]:
    counted = dict(batch.items.order_by().values_list("state").annotate(number=Count("pk")))
    return {state.value: counted.get(state.value, 0) for state in BatchItemState}


def summary_of(batch: Batch, counts: Mapping[str, int]) -> Summary:
    """Partial success is said as partial. Of many items the states alone are counted: reading each takes too long."""
    total = sum(counts.values())
    if total > MOST_READ:
        parts = [(counts[state], word) for state, word in STATE_WORDS.items() if counts[state]]
        return Summary(_sentence(total, parts), total - counts["waiting"], may_change=bool(counts["waiting"]))
    results = [result for _, result in results_of(batch, list(items_of(batch)))]
    counted = Counter((TONES.index(result.tone), result.word) for result in results)
    said = [(number, SUMMARY_WORDS.get(word, word.lower())) for (_, word), number in sorted(counted.items())]
    waits = sum(result.waits for result in results)
    return Summary(_sentence(total, said), total - waits, may_change=bool(waits))


def _sentence(total: int, parts: Sequence[tuple[int, str]]) -> str:
    return f"Of {total:,}: {', '.join(f'{number:,} {word}' for number, word in parts)}."


def items_of(batch: Batch) -> QuerySet[BatchItem]:
    """What was refused first, then what was stopped, then what waits."""
    order = (BatchItemState.REFUSED, BatchItemState.STOPPED, BatchItemState.WAITING)
    place = Case(*(When(state=state, then=number) for number, state in enumerate(order)), default=len(order))
    related = ("domain__customer", "tenant__customer", "difference", "customer")
    return batch.items.select_related(*related).order_by(place, "number")


def results_of(batch: Batch, items: Sequence[BatchItem]) -> list[tuple[BatchItem, BatchResult]]:
    kind = BatchKind(batch.kind)
    done = [item for item in items if item.state == BatchItemState.DONE]
    found = dict(zip((item.pk for item in done), _RESULTS[kind](kind, done), strict=True))
    return [(item, found.get(item.pk) or _before_its_turn(item)) for item in items]


def _before_its_turn(item: BatchItem) -> BatchResult:
    plain = _BEFORE_ITS_TURN[BatchItemState(item.state)]
    return BatchResult(plain.word, plain.tone, item.problem or plain.sentence, waits=plain.waits)


def words_of(batch: Batch) -> list[tuple[str, str]]:
    """What was said for all items, each with its label."""
    said = [(label, str(batch.words.get(key) or "")) for key, label in SHOWN_WORDS.items()]
    return [(label, text) for label, text in said if text]
