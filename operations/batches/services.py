"""Runs batches: one action on many domains, tenants or differences.

ONE engine and ONE table of kinds. A row for each item is stored before anything is done. The item is settled in the
transaction of its change, or when its change is found to be done. So the process may die anywhere, and pending items
are continued. A refused item stops no other; only if SES doesn't answer, the rest waits.

A person can pause a batch and resume it, stop it, and retry what failed; who retries an item acts on it. Items in
progress finish first. An item is refused if a person decided about it otherwise since the batch began. `ended_at` is
set once no item waits, after the kind's `finish`; a crash in between repeats `finish`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from audit.selectors import is_changed_since
from audit.services import acting
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import AwsBusy, AwsProblem, AwsUnreachable, NotAllowed, Problem, Refused
from operations.batches.core import BY_COMMAND, DOMAIN_KINDS, IMPORT_KINDS, LATER_DECISIONS, URGENT_KINDS, BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.drift import services as drift_services
from operations.jobs import batch_subject, queue_batches, queue_legacy_import, queue_urgent_batches
from operations.legacy_import.selectors import import_batches
from operations.legacy_rows import services as legacy_rows_services
from operations.models import Batch, BatchItem, BatchItemState
from operations.pause import services as pause_services

ITEMS_AT_ONCE = 1000  # in one INSERT
RUNNING, PAUSED = {"state": "Running"}, {"state": "Paused"}
PERMISSION_LOST = "The person who started or retried it no longer has permission."


@dataclass(frozen=True)
class ActionOfKind:
    """`require_permission` raises; `prepare` returns the words to store and raises Refused; `act` settles its items.

    `together`: the items to run with this one, itself included. `finish` is repeatable.
    """

    require_permission: Callable[[User], None]
    prepare: Callable[[Sequence[BatchItem], Mapping[str, str], User], Mapping[str, str]]
    act: Callable[[Sequence[BatchItem], User | None], None]
    together: Callable[[BatchItem], Sequence[BatchItem]] = lambda item: (item,)
    finish: Callable[[Batch], None] = lambda batch: None


def _one_by_one(act: Callable[[BatchItem, User], None]) -> Callable[[Sequence[BatchItem], User | None], None]:
    """Adapt an action on one item, of a kind that only a person starts."""

    def act_on(items: Sequence[BatchItem], actor: User | None) -> None:
        if actor is None:
            raise Refused(PERMISSION_LOST)
        for item in items:
            act(item, actor)

    return act_on


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
            partial(domain_actions_services.require_permission, kind),
            partial(domain_actions_services.prepare, kind),
            _one_by_one(_DOMAIN_ACTS[kind]),
        )
        for kind in DOMAIN_KINDS
    },
    BatchKind.PAUSE: ActionOfKind(
        pause_services.require_permission, pause_services.prepare, _one_by_one(pause_services.pause_in_batch)
    ),
    BatchKind.RESUME: ActionOfKind(
        pause_services.require_permission, pause_services.prepare, _one_by_one(pause_services.resume_in_batch)
    ),
    BatchKind.DECIDE: ActionOfKind(
        drift_services.require_permission,
        drift_services.prepare,
        _one_by_one(drift_services.decide_in_batch),
    ),
    BatchKind.LEGACY_IMPORT: ActionOfKind(
        legacy_rows_services.require_permission,
        lambda items, words, actor: words,
        legacy_rows_services.import_customers,
        legacy_rows_services.items_read_together,
        legacy_rows_services.finish_import,
    ),
}


def start(*, kind: BatchKind, items: Sequence[BatchItem], words: Mapping[str, str], actor: User) -> Batch:
    """Store the batch and its items; the worker runs it.

    Raises what the kind's checks raise, and then stores nothing.
    """
    KINDS[kind].require_permission(actor)
    words = KINDS[kind].prepare(items, words, actor)
    return _store(Batch(kind=kind, words=dict(words), by=actor), items)


def start_with_id(
    *, batch_id: str, kind: BatchKind, items: Sequence[BatchItem], because: str, actor: User | None
) -> Batch:
    """Start a batch with the ID of an existing row. Without an actor, the command line started it."""
    _require_permission(kind, actor)
    return _store(Batch(pk=batch_id, kind=kind, words=words_of(because, actor), by=actor), items)


def words_of(because: str, actor: User | None) -> dict[str, str]:
    """Return the words to store with a batch that the command line may also start."""
    return {"because": because} | ({} if actor else {BY_COMMAND: "yes"})


def _store(batch: Batch, items: Sequence[BatchItem]) -> Batch:
    with transaction.atomic():
        batch.save(force_insert=True)
        for number, item in enumerate(items, start=1):
            item.batch, item.number = batch, number
        BatchItem.objects.bulk_create(items, batch_size=ITEMS_AT_ONCE)
        _queue(BatchKind(batch.kind))
    _run_if_urgent(batch)
    return batch


def retry(*, batch: Batch, actor: User | None) -> int:
    """Retry the refused and stopped items, as `actor`. Returns their number. A pause of what waits stays."""
    kind = BatchKind(batch.kind)
    _require_permission(kind, actor)
    failed = batch.items.filter(state__in=(BatchItemState.REFUSED, BatchItemState.STOPPED))
    with transaction.atomic():
        locked = Batch.locked(batch.pk)
        paused_at = locked.paused_at if locked.items.filter(state=BatchItemState.WAITING).exists() else None
        if again := failed.update(state=BatchItemState.WAITING, problem="", retried_by=actor):
            Batch.objects.filter(pk=batch.pk).update(paused_at=paused_at, ended_at=None)
            if kind not in IMPORT_KINDS:  # imports record it themselves
                about = batch_subject(locked)
                audit_services.record_bulk("bulk.retried", about=about, actor=actor, after={"retried": again})
            _queue(kind)
    _run_if_urgent(batch)
    return again


@transaction.atomic
def pause(*, batch: Batch, actor: User | None) -> None:
    """Start no further item until it is resumed; items in progress finish. Raises Refused if nothing is pending."""
    _require_permission(BatchKind(batch.kind), actor)
    locked = Batch.locked(batch.pk)
    if locked.paused_at:
        return
    if not locked.items.filter(state=BatchItemState.WAITING).exists():
        raise Refused("Nothing is pending, so there is nothing to pause.", code="NOTHING_TO_DO")
    Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())
    audit_services.record_bulk("bulk.paused", about=batch_subject(locked), actor=actor, before=RUNNING, after=PAUSED)


@transaction.atomic
def resume(*, batch: Batch, actor: User | None) -> None:
    """Continue a paused batch. Does nothing if it is not paused."""
    _require_permission(BatchKind(batch.kind), actor)
    if Batch.objects.filter(pk=batch.pk, paused_at__isnull=False).update(paused_at=None):
        audit_services.record_bulk(
            "bulk.resumed", about=batch_subject(batch), actor=actor, before=PAUSED, after=RUNNING
        )
        _queue(BatchKind(batch.kind))


@transaction.atomic
def stop(*, batch: Batch, actor: User | None) -> int:
    """Start no further item; items in progress finish. Returns the number of stopped items."""
    _require_permission(BatchKind(batch.kind), actor)
    if stopped := stop_items(batch):
        audit_services.record_bulk(
            "bulk.stopped", about=batch_subject(batch), actor=actor, after={"not_begun": stopped}
        )
    return stopped


def stop_items(batch: Batch) -> int:
    """Stop the items, for a caller that has checked the permission and writes its own entry in the change log."""
    stopped = batch.items.filter(state=BatchItemState.WAITING).update(state=BatchItemState.STOPPED, problem="")
    if stopped:
        _queue(BatchKind(batch.kind))
    return stopped


def work() -> None:
    """Run all pending items except imports, batches in turn. Raises AwsProblem if it must wait; the item shows why."""
    _work(Batch.objects.exclude(kind__in=IMPORT_KINDS))


def work_urgent() -> None:
    _work(Batch.objects.filter(kind__in=URGENT_KINDS))


def work_imports() -> None:
    """Run pending items of this region's imports."""
    _work(import_batches())


def unfinished(kinds: Iterable[BatchKind]) -> QuerySet[Batch]:
    """Return batches that are neither marked as ended nor paused."""
    return Batch.objects.filter(ended_at=None, paused_at=None, kind__in=kinds)


def _require_permission(kind: BatchKind, actor: User | None) -> None:
    """Raise unless the actor may do this. None is the command line, which may."""
    if actor is not None:
        KINDS[kind].require_permission(actor)


def _queue(kind: BatchKind) -> None:
    if kind in URGENT_KINDS:
        queue_urgent_batches()
    elif kind in IMPORT_KINDS:
        queue_legacy_import()
    else:
        queue_batches()


def _run_if_urgent(batch: Batch) -> None:
    """Run urgent kinds in the request. The queued job retries what fails in SES now."""
    if batch.kind not in URGENT_KINDS:
        return
    for item in _round_robin(Batch.objects.filter(pk=batch.pk)):
        try:
            _execute(item)
        except AwsProblem:
            return


def _work(batches: QuerySet[Batch]) -> None:
    """Run the pending items, then finish batches without any. A crash before the mark repeats that."""
    for item in _round_robin(batches):
        _execute(item)
    over = batches.filter(ended_at=None).exclude(items__state=BatchItemState.WAITING)
    isolation.each_alone("finished batches", over, _finish_one)


def _finish_one(batch: Batch) -> None:
    KINDS[BatchKind(batch.kind)].finish(batch)
    Batch.objects.filter(pk=batch.pk).exclude(items__state=BatchItemState.WAITING).update(ended_at=timezone.now())


def _round_robin(batches: QuerySet[Batch]) -> Iterable[BatchItem]:
    """Yield the pending items of batches that aren't paused, by number: the first of each batch, then the second.

    So a short batch doesn't wait for a long one.
    """
    waiting = BatchItem.objects.filter(state=BatchItemState.WAITING, batch__in=batches, batch__paused_at=None)
    ordered = waiting.select_related(
        "batch__by", "retried_by", "domain__customer", "tenant__customer", "difference", "customer"
    )
    while item := ordered.order_by("number", "batch__created_at", "pk").first():
        yield item


def _execute(item: BatchItem) -> None:
    """Run the item and those that belong to it. Raises AwsBusy and AwsUnreachable, as the next item would fail too.

    Also raises the database's errors and what nobody foresaw; the latter fails the item, so that it holds up no other.
    """
    because, kind = str(item.batch.words.get("because", "")), KINDS[BatchKind(item.batch.kind)]
    items = kind.together(item)
    rows = BatchItem.objects.filter(pk__in=[each.pk for each in items], state=BatchItemState.WAITING)
    try:
        with acting(lambda: because, bulk_id=item.batch_id):
            _refuse_if_decided_since(item)
            kind.act(items, _asked_by(item))
    except (AwsBusy, AwsUnreachable) as problem:
        rows.update(problem=str(problem))
        raise
    except Problem as problem:
        rows.update(state=BatchItemState.REFUSED, problem=str(problem))
    except Exception as error:  # noqa: BLE001  # logged, or raised again
        isolation.log_or_raise("batches", item.pk, error)
        rows.update(state=BatchItemState.REFUSED, problem=isolation.INTERNAL_ERROR)


def _refuse_if_decided_since(item: BatchItem) -> None:
    """Raise Refused if this batch, which may be retried much later, would undo a later decision about the item."""
    whats, verb = LATER_DECISIONS.get(BatchKind(item.batch.kind), ((), ""))
    object_type, object_id = ("tenant", item.tenant_id) if item.tenant_id else ("domain", item.domain_id)
    if whats and is_changed_since(
        object_type=object_type,
        object_id=object_id or "",
        whats=whats,
        since=item.batch.created_at,
        except_bulk=item.batch_id,
    ):
        raise Refused(f"It was {verb} after this bulk action began. If it's still needed, start a new one.")


def _asked_by(item: BatchItem) -> User | None:
    """Return who retried the item or started the batch; None: the command line. Raises Refused without permission."""
    actor = item.retried_by or item.batch.by
    gone = Refused(PERMISSION_LOST)
    if actor is None and BY_COMMAND in item.batch.words:
        return None
    if actor is None or not actor.is_active:
        raise gone
    try:
        KINDS[BatchKind(item.batch.kind)].require_permission(actor)
    except (PermissionDenied, NotAllowed):
        raise gone from None
    return actor
