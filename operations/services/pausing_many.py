"""Several tenants paused or resumed with the same words: each by itself, so that one's refusal stops no other."""

from collections.abc import Iterable, Mapping
from datetime import date

from django.db import transaction
from django.utils import timezone

from inbound_admin.lib.errors import AwsProblem, Refused
from operations.models import BatchKind, PauseBatch, PauseBatchItem
from operations.services import pausing
from tenants.models import Tenant, User
from tenants.services.allowing import PAUSE, require

MOST = 200  # in one batch: they are asked for while a person waits
NOT_YOURS = "Your role cannot pause or resume tenants. Ask Trust & Safety."


def start(*, kind: BatchKind, tenants: Iterable[Tenant], words: Mapping[str, str], actor: User) -> PauseBatch:
    """Note the batch, then ask for each. Raises Refused for none or too many."""
    require(actor, PAUSE, NOT_YOURS)
    chosen = list(tenants)
    if not chosen or len(chosen) > MOST:
        raise Refused(f"Choose between 1 and {MOST} tenants." if chosen else "Choose at least one tenant.")
    with transaction.atomic():
        batch = PauseBatch.objects.create(kind=kind, words=dict(words), by=actor)
        items = [PauseBatchItem(batch=batch, tenant=tenant, name=tenant.name) for tenant in chosen]
        PauseBatchItem.objects.bulk_create(items)
    _ask_all(batch, actor)
    return batch


def retry(*, batch: PauseBatch, actor: User) -> int:
    """Those alone that were refused, or that were never asked for; how many. Raises Refused."""
    require(actor, PAUSE, NOT_YOURS)
    return _ask_all(batch, actor)


def _ask_all(batch: PauseBatch, actor: User) -> int:
    items = batch.items.filter(asked_at=None, tenant__isnull=False).select_related("tenant__customer")
    for item in items:
        _ask(item, batch, actor)
    return len(items)


def _ask(item: PauseBatchItem, batch: PauseBatch, actor: User) -> None:
    assert item.tenant is not None  # noqa: S101 - the rows were filtered
    try:
        with transaction.atomic():
            _carry_out(item.tenant, batch, actor)
            item.asked_at, item.problem = timezone.now(), ""
            item.save(update_fields=("asked_at", "problem"))
    except (Refused, AwsProblem) as problem:
        PauseBatchItem.objects.filter(pk=item.pk).update(problem=str(problem))


def _carry_out(tenant: Tenant, batch: PauseBatch, actor: User) -> None:
    words = batch.words
    if batch.kind == BatchKind.RESUME:
        pausing.resume(tenant=tenant, because=words["because"], actor=actor, bulk_id=batch.pk)
        return
    pausing.pause(
        tenant=tenant,
        reason=words["reason"],
        text=words["text"],
        told=words["told"],
        review_on=date.fromisoformat(words["review_on"]) if words["review_on"] else None,
        actor=actor,
        bulk_id=batch.pk,
    )
