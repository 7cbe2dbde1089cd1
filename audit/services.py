"""Writes the change log. Services of the other apps call `record` in the transaction that stores the outcome.

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

NAME_LENGTH = 254  # of who did it, as the row holds it


acted_for_customer = Signal()  # with `change` and `actor`, in the transaction that stores the change
_reason_given: ContextVar[Callable[[], str] | None] = ContextVar("reason_given", default=None)


class ReasonMissing(Problem):
    """Staff change a customer's things and do not say why. No `Refused`: no form of a view has the field for it."""

    code = "REASON_MISSING"
    status = 422

    def __init__(self) -> None:
        super().__init__("Say why you change this for the customer. Its owners are told who, what and why.")


class AmazonActor:
    """As the actor: Amazon, its policy, or a hand at its console; we see what it did and not who."""


AMAZON = AmazonActor()


@dataclass(frozen=True)
class Subject:
    """What a change is about."""

    type: str
    id: str
    name: str
    customer_id: str = ""


@contextmanager
def acting(reason: Callable[[], str], *, bulk_id: str = "") -> Iterator[None]:
    """Within it, staff who change a customer's things need a reason; `reason` is asked only then.

    `bulk_id`: of the batch whose changes these are, so that each of them carries it, and what the worker does after it.
    """
    reason_before = _reason_given.set(reason)
    try:
        with bulk.within(bulk_id):
            yield
    finally:
        _reason_given.reset(reason_before)


def reason_for(*, actor: object, customer_id: str, because: str = "") -> str:
    """The reason to store with an intent that the worker carries out. Raises ReasonMissing."""
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
    """`actor` None is our own worker. Of `before` and `after` only what differs is kept, and no secret.

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


def record_staff_request(what: str, *, about: Subject, actor: AbstractBaseUser | None, because: str = "") -> None:
    """For what the worker carries out later: the reason and the notice belong to the moment when staff ask for it.

    Writes nothing for customers themselves, whose one line is the outcome. Raises ReasonMissing.
    """
    if _acts_for_customer(actor, about.customer_id):
        record(what, about=about, actor=actor, because=because)


def forget_before(moment: datetime) -> int:
    """Retention: the one way by which rows leave the log; how many went."""
    with pgtrigger.ignore("audit.Change:append_only"):
        gone, _ = Change.objects.filter(at__lt=moment).delete()
    return gone


def _acts_for_customer(actor: object, customer_id: str) -> bool:
    """Our staff, inside of `acting`, on what is a customer's that they do not belong to."""
    asked = getattr(actor, "acts_for_customer", None)
    return bool(asked and customer_id and _reason_given.get() is not None and asked(customer_id))


def _who(actor: AbstractBaseUser | AmazonActor | None) -> tuple[ActorKind, object, str]:
    if actor is None:
        return ActorKind.WORKER, None, "Inbound Admin"
    if isinstance(actor, AmazonActor):
        return ActorKind.AMAZON, None, "Amazon"
    if key := getattr(actor, "acts_by_key", ""):
        return ActorKind.KEY, actor.pk, f"{actor.get_username()} by the key {key}"[:NAME_LENGTH]
    return ActorKind.PERSON, actor.pk, actor.get_username()
