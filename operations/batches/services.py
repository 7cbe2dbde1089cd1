"""Runs batches: one action on many domains, tenants or differences.

ONE engine and ONE table of kinds. A row for each item is stored before anything is done, and it is settled in the
transaction of its change, or when its change is found done already. So the process may die anywhere, and what waits is
continued. One refusal stops no other; only an Amazon that does not answer makes the rest wait.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet

from accounts.models.people import User
from audit import services as audit_services
from audit.services import acting
from inbound_admin.lib.errors import AwsBusy, AwsProblem, AwsUnreachable, NotAllowed, Refused
from operations.batches.core import DOMAIN_KINDS, URGENT_KINDS, BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.drift_decisions import services as drift_decisions_services
from operations.jobs import batch_subject, batches_soon, urgent_batches_soon
from operations.models import Batch, BatchItem, BatchItemState
from operations.pause import services as pause_services

ITEMS_AT_ONCE = 1000  # stored in one statement


@dataclass(frozen=True)
class ActionOfKind:
    """`refuse_who_may_not` raises; `prepare` gives the words to store and raises Refused; `act` settles the item."""

    refuse_who_may_not: Callable[[User], None]
    prepare: Callable[[Sequence[BatchItem], Mapping[str, str], User], Mapping[str, str]]
    act: Callable[[BatchItem, User], None]


_DOMAIN_ACTS: Mapping[BatchKind, Callable[[BatchItem, User], None]] = {
    BatchKind.CHECK: domain_actions_services.check,
    BatchKind.IMPORT: domain_actions_services.add,
    BatchKind.TRANSFER: domain_actions_services.transfer,
    BatchKind.HOLD: domain_actions_services.hold,
    BatchKind.RELEASE: domain_actions_services.release,
    BatchKind.DELETE: domain_actions_services.delete,
}
KINDS: Mapping[BatchKind, ActionOfKind] = {
    **{
        kind: ActionOfKind(
            partial(domain_actions_services.refuse_who_may_not, kind),
            partial(domain_actions_services.prepare, kind),
            _DOMAIN_ACTS[kind],
        )
        for kind in DOMAIN_KINDS
    },
    BatchKind.PAUSE: ActionOfKind(
        pause_services.refuse_who_may_not, pause_services.prepare, pause_services.pause_in_batch
    ),
    BatchKind.RESUME: ActionOfKind(
        pause_services.refuse_who_may_not, pause_services.prepare, pause_services.resume_in_batch
    ),
    BatchKind.DECIDE: ActionOfKind(
        drift_decisions_services.refuse_who_may_not,
        drift_decisions_services.prepare,
        drift_decisions_services.decide_in_batch,
    ),
}


def start(*, kind: BatchKind, items: Sequence[BatchItem], words: Mapping[str, str], actor: User) -> Batch:
    """Store it, item by item; the worker carries it out. Raises what the kind's checks raise, and stores nothing."""
    KINDS[kind].refuse_who_may_not(actor)
    words = KINDS[kind].prepare(items, words, actor)
    with transaction.atomic():
        batch = Batch.objects.create(kind=kind, words=dict(words), by=actor)
        for number, item in enumerate(items, start=1):
            item.batch, item.number = batch, number
        BatchItem.objects.bulk_create(items, batch_size=ITEMS_AT_ONCE)
        _queue(kind)
    _now_if_urgent(batch)
    return batch


def retry(*, batch: Batch, actor: User) -> int:
    """Retry the refused and stopped items. Returns their number."""
    kind = BatchKind(batch.kind)
    KINDS[kind].refuse_who_may_not(actor)
    failed = batch.items.filter(state__in=(BatchItemState.REFUSED, BatchItemState.STOPPED))
    with transaction.atomic():
        again = failed.update(state=BatchItemState.WAITING, problem="")
        _queue(kind)
    _now_if_urgent(batch)
    return again


@transaction.atomic
def stop(*, batch: Batch, actor: User) -> int:
    """Start no further item; items in progress finish. Returns the number of stopped items."""
    KINDS[BatchKind(batch.kind)].refuse_who_may_not(actor)
    stopped = batch.items.filter(state=BatchItemState.WAITING).update(state=BatchItemState.STOPPED, problem="")
    if stopped:
        about, after = batch_subject(batch), {"not_begun": stopped}
        audit_services.record("bulk.stopped", about=about, actor=actor, after=after, bulk_id=batch.pk, for_staff=True)
    return stopped


def work() -> None:
    """All that waits, batches side by side. Raises AwsProblem where to wait for Amazon: the row says so meanwhile."""
    _work(waiting())


def work_urgent() -> None:
    """As `work`, of the urgent kinds alone."""
    _work(waiting_urgent())


def waiting() -> QuerySet[BatchItem]:
    return BatchItem.objects.filter(state=BatchItemState.WAITING)


def waiting_urgent() -> QuerySet[BatchItem]:
    return waiting().filter(batch__kind__in=URGENT_KINDS)


def _queue(kind: BatchKind) -> None:
    if kind in URGENT_KINDS:
        urgent_batches_soon()
    else:
        batches_soon()


def _now_if_urgent(batch: Batch) -> None:
    """Who pauses does not wait for a worker. What Amazon does not take now, the queued job tries again."""
    if batch.kind not in URGENT_KINDS:
        return
    for item in _in_turn(waiting().filter(batch=batch)):
        try:
            _carry_out(item)
        except AwsProblem:
            return


def _work(items: QuerySet[BatchItem]) -> None:
    for item in _in_turn(items):
        _carry_out(item)


def _in_turn(items: QuerySet[BatchItem]) -> Iterable[BatchItem]:
    """The first of each batch, then the second: a short batch does not wait for a long one that was there before."""
    ordered = items.select_related("batch__by", "domain__customer", "tenant__customer", "difference", "customer")
    while item := ordered.order_by("number", "batch__created_at", "pk").first():
        yield item


def _carry_out(item: BatchItem) -> None:
    """Raises AwsBusy and AwsUnreachable, where the next item would fare no better."""
    because = str(item.batch.words.get("because", ""))
    try:
        with acting(lambda: because, bulk_id=item.batch_id):
            KINDS[BatchKind(item.batch.kind)].act(item, _asker(item))
    except (AwsBusy, AwsUnreachable) as problem:
        BatchItem.objects.filter(pk=item.pk).update(problem=str(problem))
        raise
    except (Refused, AwsProblem) as problem:
        BatchItem.objects.filter(pk=item.pk).update(state=BatchItemState.REFUSED, problem=str(problem))


def _asker(item: BatchItem) -> User:
    """The person who started the batch. Raises Refused if they were removed or lost the permission."""
    actor = item.batch.by
    gone = Refused("The person who started it no longer has permission.")
    if actor is None or not actor.is_active:
        raise gone
    try:
        KINDS[BatchKind(item.batch.kind)].refuse_who_may_not(actor)
    except (PermissionDenied, NotAllowed):
        raise gone from None
    return actor
