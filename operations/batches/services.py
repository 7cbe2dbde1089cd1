"""Runs bulk actions: the same action on several domains, or pause and resume of several tenants.

Each item stands alone, so one refusal stops no other. A row for each is stored before anything is done, and it is
settled in the transaction of its change, or when its change is found done already. So the process may die anywhere, and
what waits is continued.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import customers_for, is_staff_member
from accounts.roles import PAUSE, require
from audit import services as audit_services
from audit.services import acting, reason_for
from domains.checking import services as checking_services
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.batches.core import MOST, BulkAction
from operations.batches.selectors import Predicted, actions_for
from operations.domain_removal import services as domain_removal_services
from operations.jobs import bulk_soon, bulk_subject
from operations.models import BatchKind, Bulk, BulkItem, BulkState, PauseBatch, PauseBatchItem
from operations.pause import services as pause_services
from tenants.models.tenants import Tenant


def start(*, action: BulkAction, rows: Sequence[Predicted], words: Mapping[str, str], actor: User) -> Bulk:
    """Note it, row by row; the worker carries it out. Raises Refused for none or too many, or without a reason."""
    _refuse_who_may_not(action, actor)
    if not rows or len(rows) > MOST:
        raise Refused(f"Name between 1 and {MOST} domains.")
    if action.needs_reason and not words.get("because", "").strip():
        raise Refused("Say why: the next person will ask.", code="REASON_MISSING")
    if action is BulkAction.TRANSFER and not words.get("customer"):
        raise Refused("Choose the customer that the domains go to.", code="CUSTOMER_MISSING")
    words = {**words, "because": _reason(action, rows, words.get("because", ""), actor)}
    with transaction.atomic():
        bulk = Bulk.objects.create(action=action, words=words, by=actor)
        BulkItem.objects.bulk_create(_item(bulk, number, row) for number, row in enumerate(rows, start=1))
        bulk_soon()
    return bulk


def retry(*, bulk: Bulk, actor: User) -> int:
    """Those alone that were refused or stopped; how many."""
    _refuse_who_may_not(BulkAction(bulk.action), actor)
    with transaction.atomic():
        again = bulk.items.filter(state__in=(BulkState.REFUSED, BulkState.STOPPED)).update(
            state=BulkState.WAITING, problem=""
        )
        bulk_soon()
    return again


@transaction.atomic
def stop(*, bulk: Bulk, actor: User) -> int:
    """What is done stays, what is being done is finished, and nothing else is begun; how many that are."""
    _refuse_who_may_not(BulkAction(bulk.action), actor)
    stopped = bulk.items.filter(state=BulkState.WAITING).update(state=BulkState.STOPPED, problem="")
    if stopped:
        about, after = bulk_subject(bulk), {"not_begun": stopped}
        audit_services.record("bulk.stopped", about=about, actor=actor, after=after, bulk_id=bulk.pk, for_staff=True)
    return stopped


def work() -> None:
    """All that waits, in its order. Raises AwsProblem where to wait for Amazon: the row says so meanwhile."""
    for pk in list(waiting().order_by("bulk__created_at", "bulk", "number").values_list("pk", flat=True)):
        _carry_out(pk)


def waiting() -> QuerySet[BulkItem]:
    return BulkItem.objects.filter(state=BulkState.WAITING)


def _reason(action: BulkAction, rows: Sequence[Predicted], because: str, actor: User) -> str:
    """What the change log will ask for when the worker stores each. Raises ReasonMissing."""
    if action is BulkAction.CHECK:
        return because
    for row in rows:
        customer_id = row.domain.customer_id if row.domain else row.customer.pk if row.customer else ""
        because = reason_for(actor=actor, customer_id=customer_id, because=because)
    return because


def _item(bulk: Bulk, number: int, row: Predicted) -> BulkItem:
    name = row.domain.name if row.domain else row.named.name[:253]
    return BulkItem(bulk=bulk, number=number, name=name, domain=row.domain, customer=row.customer)


def _refuse_who_may_not(action: BulkAction, actor: User) -> None:
    if action not in actions_for(actor):
        raise PermissionDenied


def _carry_out(pk: int) -> None:
    item = waiting().select_related("bulk__by", "domain__customer", "customer").filter(pk=pk).first()
    if item is None:  # stopped meanwhile
        return
    try:
        with acting(lambda: str(item.bulk.words.get("because", ""))):
            ACTS[BulkAction(item.bulk.action)](item, _asker(item))
    except Refused as refused:
        BulkItem.objects.filter(pk=pk).update(state=BulkState.REFUSED, problem=str(refused))
    except AwsProblem as problem:
        BulkItem.objects.filter(pk=pk).update(problem=str(problem))
        raise


def _asker(item: BulkItem) -> User:
    """Raises Refused where there is none any more, or one who may not do it any more."""
    actor = item.bulk.by
    if actor is None or not actor.is_active or BulkAction(item.bulk.action) not in actions_for(actor):
        raise Refused("Whoever asked for it may not do it any more.")
    return actor


def _settle(item: BulkItem, domain: Domain | None) -> None:
    item.state, item.problem, item.domain, item.done_at = BulkState.DONE, "", domain, timezone.now()
    item.save(update_fields=("state", "problem", "domain", "done_at"))


def _domain_of(item: BulkItem, actor: User) -> Domain:
    """Raises Refused for one that is gone, or that the asker may not see any more."""
    found = domains_for(actor).filter(pk=item.domain_id).first()
    if found is None:
        raise Refused("It is not in your list any more.")
    return found


@transaction.atomic
def _check(item: BulkItem, actor: User) -> None:
    domain = _domain_of(item, actor)
    if wait := checking_services.can_check_in(domain, timezone.now()):
        raise Refused(f"It was looked at a moment ago. Try again in {wait} seconds.")
    overrides_services.check_again(domain=domain, actor=actor, bulk_id=item.bulk_id)
    _settle(item, domain)


def _import(item: BulkItem, actor: User) -> None:
    """DNS is asked before the transaction that stores it."""
    customer = customers_for(actor).filter(pk=item.customer_id).first()
    if customer is None:
        raise Refused("The customer that it is for is not yours any more.")
    look = preflight_services.look_before(text=item.name, customer=customer)
    with transaction.atomic():
        domain = preflight_services.add(
            text=item.name,
            customer=customer,
            actor=actor,
            look=look,
            bulk_id=item.bulk_id,
            tell_when_verified=not is_staff_member(actor),
        )
        _settle(item, domain)


def _transfer(item: BulkItem, actor: User) -> None:
    """Amazon may be asked in between, so it is no one transaction: what is there already is done."""
    domain = _domain_of(item, actor)
    to = Customer.objects.filter(pk=item.bulk.words.get("customer", "")).first()
    if to is None or domain.customer_id != to.pk:
        overrides_services.transfer(
            domain=domain, to=to, because=item.bulk.words.get("because", ""), actor=actor, bulk_id=item.bulk_id
        )
    _settle(item, domain)


@transaction.atomic
def _hold(item: BulkItem, actor: User) -> None:
    words, domain = item.bulk.words, _domain_of(item, actor)
    until = datetime.fromisoformat(words["until"]) if words.get("until") else None
    overrides_services.hold(
        domain=domain, because=words.get("because", ""), until=until, actor=actor, bulk_id=item.bulk_id
    )
    _settle(item, domain)


@transaction.atomic
def _release(item: BulkItem, actor: User) -> None:
    domain = _domain_of(item, actor)
    overrides_services.release(
        domain=domain, because=item.bulk.words.get("because", ""), actor=actor, bulk_id=item.bulk_id
    )
    _settle(item, domain)


@transaction.atomic
def _delete(item: BulkItem, actor: User) -> None:
    domain = _domain_of(item, actor)
    asked = domain_removal_services.ask(domain=domain, typed_name=domain.name, actor=actor, bulk_id=item.bulk_id)
    _settle(item, None if asked.is_gone else domain)


ACTS: dict[BulkAction, Callable[[BulkItem, User], None]] = {
    BulkAction.CHECK: _check,
    BulkAction.IMPORT: _import,
    BulkAction.TRANSFER: _transfer,
    BulkAction.HOLD: _hold,
    BulkAction.RELEASE: _release,
    BulkAction.DELETE: _delete,
}


MOST_TENANTS = 200  # in one batch: they are asked for while a person waits
NOT_YOURS = "Your role cannot pause or resume tenants. Ask Trust & Safety."


def start_pauses(*, kind: BatchKind, tenants: Iterable[Tenant], words: Mapping[str, str], actor: User) -> PauseBatch:
    """Note the batch, then ask for each. Raises Refused for none or too many."""
    require(actor, PAUSE, NOT_YOURS)
    chosen = list(tenants)
    if not chosen or len(chosen) > MOST_TENANTS:
        raise Refused(f"Choose between 1 and {MOST_TENANTS} tenants." if chosen else "Choose at least one tenant.")
    with transaction.atomic():
        batch = PauseBatch.objects.create(kind=kind, words=dict(words), by=actor)
        items = [PauseBatchItem(batch=batch, tenant=tenant, name=tenant.name) for tenant in chosen]
        PauseBatchItem.objects.bulk_create(items)
    _ask_all(batch, actor)
    return batch


def retry_pauses(*, batch: PauseBatch, actor: User) -> int:
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
            _pause_each(item.tenant, batch, actor)
            item.asked_at, item.problem = timezone.now(), ""
            item.save(update_fields=("asked_at", "problem"))
    except (Refused, AwsProblem) as problem:
        PauseBatchItem.objects.filter(pk=item.pk).update(problem=str(problem))


def _pause_each(tenant: Tenant, batch: PauseBatch, actor: User) -> None:
    words = batch.words
    if batch.kind == BatchKind.RESUME:
        pause_services.resume(tenant=tenant, because=words["because"], actor=actor, bulk_id=batch.pk)
        return
    pause_services.pause(
        tenant=tenant,
        reason=words["reason"],
        text=words["text"],
        told=words["told"],
        review_on=date.fromisoformat(words["review_on"]) if words["review_on"] else None,
        actor=actor,
        bulk_id=batch.pk,
    )
