"""Runs a batch's action on one domain, and checks the batch before it starts.

Each action settles its item in the transaction of its change, or when it finds that change done. So the process may die
anywhere, and the engine (`operations.batches`) continues.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import customers_for, is_staff_member
from audit.services import reason_for
from domains.checking import services as checking_services
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from operations.domain_actions.core import MOST, SEND_ONLY
from operations.domain_actions.selectors import PredictedResult, kinds_for
from operations.domain_removal import services as domain_removal_services
from operations.models import BatchItem, BatchKind

NEEDS_REASON = (BatchKind.TRANSFER, BatchKind.HOLD)


def items_of(rows: Sequence[PredictedResult]) -> list[BatchItem]:
    """Return unsaved items for `batches.services.start`."""
    return [
        BatchItem(
            name=row.domain.name if row.domain else row.named.name[:253], domain=row.domain, customer=row.customer
        )
        for row in rows
    ]


def require_permission(kind: BatchKind, actor: User) -> None:
    if kind not in kinds_for(actor):
        raise PermissionDenied


def prepare(kind: BatchKind, items: Sequence[BatchItem], words: Mapping[str, str], actor: User) -> Mapping[str, str]:
    """Return the words to store. Raises Refused for none or too many, or without a reason; ReasonMissing."""
    if not items or len(items) > MOST:
        raise Refused(f"Enter between 1 and {MOST:,} domains.")
    if kind in NEEDS_REASON and not words.get("because", "").strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")
    if kind is BatchKind.TRANSFER and not words.get("customer"):
        raise Refused("Choose the customer to transfer the domains to.", code="CUSTOMER_MISSING")
    return {**words, "because": _reason(kind, items, words.get("because", ""), actor)}


def _reason(kind: BatchKind, items: Sequence[BatchItem], because: str, actor: User) -> str:
    """Return the reason that the change log requires when the worker stores each item. Raises ReasonMissing."""
    if kind is BatchKind.CHECK:
        return because
    for item in items:
        customer_id = item.domain.customer_id if item.domain else item.customer_id or ""
        because = reason_for(actor=actor, customer_id=customer_id, because=because)
    return because


def _settle(item: BatchItem, domain: Domain | None) -> None:
    item.domain = domain
    item.settle(now=timezone.now())


def _domain_of(item: BatchItem, actor: User) -> Domain:
    """Return the domain. Raises Refused if it is deleted, or its customer is no longer visible to the actor."""
    found = domains_for(actor).filter(pk=item.domain_id).first()
    if found is None:
        raise Refused("The domain is no longer in your list.")
    return found


@transaction.atomic
def check(item: BatchItem, actor: User) -> None:
    domain = _domain_of(item, actor)
    if wait := checking_services.can_check_in(domain, timezone.now()):
        raise Refused(f"Checked a moment ago. Try again in {wait} seconds.")
    overrides_services.check_again(domain=domain, actor=actor, bulk_id=item.batch_id)
    _settle(item, domain)


def add(item: BatchItem, actor: User) -> None:
    """Add the domain. DNS is queried before the transaction."""
    customer = customers_for(actor).filter(pk=item.customer_id).first()
    if customer is None:
        raise Refused("You no longer have access to its customer.")
    found = preflight_services.run_preflight(text=item.name, customer=customer)
    with transaction.atomic():
        domain = preflight_services.add(
            text=item.name,
            customer=customer,
            actor=actor,
            preflight=found,
            bulk_id=item.batch_id,
            tell_when_verified=not is_staff_member(actor),
            receives=item.batch.words.get("receiving") != SEND_ONLY,
        )
        _settle(item, domain)


def transfer(item: BatchItem, actor: User) -> None:
    """Transfer the domain. SES may be read in between, so it isn't one transaction: completed parts are skipped."""
    domain = _domain_of(item, actor)
    to = Customer.objects.filter(pk=item.batch.words.get("customer", "")).first()
    if to is None or domain.customer_id != to.pk:
        overrides_services.transfer(
            domain=domain, to=to, because=item.batch.words.get("because", ""), actor=actor, bulk_id=item.batch_id
        )
    _settle(item, domain)


@transaction.atomic
def hold(item: BatchItem, actor: User) -> None:
    words, domain = item.batch.words, _domain_of(item, actor)
    until = datetime.fromisoformat(words["until"]) if words.get("until") else None
    overrides_services.hold(
        domain=domain, because=words.get("because", ""), until=until, actor=actor, bulk_id=item.batch_id
    )
    _settle(item, domain)


@transaction.atomic
def release(item: BatchItem, actor: User) -> None:
    domain = _domain_of(item, actor)
    overrides_services.release(
        domain=domain, because=item.batch.words.get("because", ""), actor=actor, bulk_id=item.batch_id
    )
    _settle(item, domain)


@transaction.atomic
def delete(item: BatchItem, actor: User) -> None:
    domain = _domain_of(item, actor)
    removal = domain_removal_services.request_removal(
        domain=domain,
        typed_name=domain.name,
        actor=actor,
        bulk_id=item.batch_id,
        despite_mx="despite_mx" in item.batch.words,
    )
    _settle(item, None if removal.is_gone else domain)
