"""Write the change log. Services of the other apps call `record` in the transaction that stores the outcome.

This module is the one place that asks staff for a reason. A request or a batch opens `acting`. Within it, a change that
staff make to the things of a customer they do not belong to needs a reason, and sends the signal `acted_for_customer`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser
from django.dispatch import Signal

from audit.models import ActorKind, Change, new_change_id
from inbound_admin.lib import bulk
from inbound_admin.lib.errors import Problem
from inbound_admin.lib.redaction import masked_change, masked_text

NAME_LENGTH = 254  # maximum length of the actor's name in a row


acted_for_customer = Signal()  # with `change` and `actor`, in the transaction that stores the change
_reason_given: ContextVar[Callable[[], str] | None] = ContextVar("reason_given", default=None)


class ReasonMissing(Problem):
    """Staff changed a customer's data without a reason. Not a `Refused`, because no form has a field for it."""

    code = "REASON_MISSING"
    status = 422

    def __init__(self) -> None:
        super().__init__("You act for a customer. Give a reason: its owners are notified of who did what, and why.")


class AmazonActor:
    """The actor for a change seen in SES: SES itself, a reputation policy or a person at the AWS console."""


AMAZON = AmazonActor()


@dataclass(frozen=True)
class Subject:
    """What a change is about."""

    type: str
    id: str
    name: str
    customer_id: str = ""


def new_bulk_id() -> str:
    """Return an ID for several changes of one act."""
    return new_change_id()


@contextmanager
def acting(reason: Callable[[], str], *, bulk_id: str = "") -> Iterator[None]:
    """Require a reason from staff who change a customer's data inside this context. `reason` is called only then.

    `bulk_id` is stored with every change made inside, and with what the worker does afterwards.
    """
    reason_before = _reason_given.set(reason)
    try:
        with bulk.within(bulk_id):
            yield
    finally:
        _reason_given.reset(reason_before)


def reason_for(*, actor: object, customer_id: str, because: str = "") -> str:
    """Return the reason to store with an intent that the worker carries out. Raises ReasonMissing."""
    if because.strip() or not _acts_for_customer(actor, customer_id):
        return because.strip()
    given = _reason_given.get()
    if given is None or not (reason := given().strip()):
        raise ReasonMissing
    return reason


def record(
    what: str,
    *,
    about: Subject,
    actor: AbstractBaseUser | AmazonActor | None,
    because: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    aws_request_ids: Sequence[str] = (),
    bulk_id: str = "",
    for_staff: bool = False,
) -> Change:
    """Store a change. `actor` None is the worker. Only differences of `before` and `after` are kept, and no secrets.

    Raises ReasonMissing.
    """
    old, new = masked_change(before or {}, after or {})
    kind, actor_id, name = _who(actor)
    is_told = not for_staff and _acts_for_customer(actor, about.customer_id)
    because = reason_for(actor=actor, customer_id=about.customer_id, because=because) if is_told else because
    change = Change.objects.create(
        bulk_id=bulk_id or bulk.current() or new_change_id(),
        actor_kind=kind,
        actor_id="" if actor_id is None else str(actor_id),
        actor_name=name,
        what=what,
        object_type=about.type,
        object_id=about.id,
        object_name=about.name,
        customer_id=about.customer_id,
        for_staff=for_staff,
        because=masked_text(because),
        before=old,
        after=new,
        aws_request_ids=list(dict.fromkeys(aws_request_ids)),
    )
    if is_told:
        acted_for_customer.send(sender=Change, change=change, actor=actor)
    return change


def record_bulk(
    what: str,
    *,
    about: Subject,
    actor: AbstractBaseUser | None,
    because: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record an event of a batch, an import or a migration itself: for staff, under its own ID.

    The changes that it makes carry the same ID.
    """
    record(
        what, about=about, actor=actor, because=because, before=before, after=after, bulk_id=about.id, for_staff=True
    )


def record_staff_request(what: str, *, about: Subject, actor: AbstractBaseUser | None, because: str = "") -> None:
    """Record a staff request that the worker carries out later, with its reason, at the moment of the request.

    Write nothing for customers: for them only the outcome is logged. Raises ReasonMissing.
    """
    if _acts_for_customer(actor, about.customer_id):
        record(what, about=about, actor=actor, because=because)


def delete_before(moment: datetime) -> int:
    """Delete rows older than `moment` (retention) and return how many. Nothing else deletes rows of the log."""
    with pgtrigger.ignore("audit.Change:append_only"):
        gone, _ = Change.objects.filter(at__lt=moment).delete()
    return gone


def _acts_for_customer(actor: object, customer_id: str) -> bool:
    """Whether the actor is staff, inside `acting`, changing data of a customer they don't belong to."""
    asked = getattr(actor, "acts_for_customer", None)
    return bool(asked and customer_id and _reason_given.get() is not None and asked(customer_id))


def _who(actor: AbstractBaseUser | AmazonActor | None) -> tuple[ActorKind, object, str]:
    if actor is None:
        return ActorKind.WORKER, None, "Inbound Admin"
    if isinstance(actor, AmazonActor):
        return ActorKind.AMAZON, None, "AWS"
    if key := getattr(actor, "acts_by_key", ""):
        return ActorKind.KEY, actor.pk, f"{actor.get_username()} with API key {key}"[:NAME_LENGTH]
    return ActorKind.PERSON, actor.pk, actor.get_username()
