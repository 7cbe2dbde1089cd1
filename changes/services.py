"""The change log is written by the services of the other apps, in the transaction that stores the outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser

from changes.models import ActorKind, Change, new_change_id
from inbound_admin.lib.masking import masked_change, masked_text

NAME_LENGTH = 254  # of who did it, as the row holds it


class Amazon:
    """As the actor: Amazon, its policy, or a hand at its console; we see what it did and not who."""


AMAZON = Amazon()


@dataclass(frozen=True)
class Subject:
    """What a change is about."""

    type: str
    id: str
    name: str
    customer_id: str = ""


def record(
    what: str,
    *,
    about: Subject,
    actor: AbstractBaseUser | Amazon | None,
    because: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    aws_request_ids: Sequence[str] = (),
    bulk_id: str = "",
    for_staff: bool = False,
) -> Change:
    """`actor` None is our own worker. Of `before` and `after` only what differs is kept, and no secret."""
    old, new = masked_change(before or {}, after or {})
    kind, actor_id, name = _who(actor)
    return Change.objects.create(
        bulk_id=bulk_id or new_change_id(),
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


def forget_before(moment: datetime) -> int:
    """Retention: the one way by which rows leave the log; how many went."""
    with pgtrigger.ignore("changes.Change:append_only"):
        gone, _ = Change.objects.filter(at__lt=moment).delete()
    return gone


def _who(actor: AbstractBaseUser | Amazon | None) -> tuple[ActorKind, object, str]:
    if actor is None:
        return ActorKind.WORKER, None, "Inbound Admin"
    if isinstance(actor, Amazon):
        return ActorKind.AMAZON, None, "Amazon"
    if key := getattr(actor, "acts_by_key", ""):
        return ActorKind.KEY, actor.pk, f"{actor.get_username()} by the key {key}"[:NAME_LENGTH]
    return ActorKind.PERSON, actor.pk, actor.get_username()
