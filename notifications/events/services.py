"""Events: stored in the caller's transaction, with a delivery for each target that wants it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.services import Subject
from notifications.email.services import link_to
from notifications.jobs import deliver_soon
from notifications.models.webhooks import Delivery, Event, WebhookTarget
from notifications.webhooks.core import Format, body
from notifications.webhooks.selectors import targets_of


@transaction.atomic
def emit(
    *,
    event: str,
    about: Subject,
    data: Mapping[str, Any] | None = None,
    for_staff: bool = False,
    now: datetime | None = None,
) -> None:
    """Tell the webhooks: our staff's, and the customer's that it is about, unless it is `for_staff` alone."""
    made = store(event=event, about=about, data=data or {}, for_staff=for_staff, now=now or timezone.now())
    deliver(made, targets_of(made))


def store(*, event: str, about: Subject, data: Mapping[str, Any], for_staff: bool, now: datetime) -> Event:
    """`data` must be JSON's."""
    return Event.objects.create(
        event=event,
        at=now,
        object_type=about.type,
        object_id=about.id,
        object_name=about.name,
        customer_id=about.customer_id,
        for_staff=for_staff,
        data=dict(data),
    )


def deliver(event: Event, targets: Iterable[WebhookTarget], *, at: datetime | None = None) -> list[Delivery]:
    """Rows first; the jobs are queued in the same transaction. `at` is for a target that is not to be disturbed now."""
    now = timezone.now()
    happening = event.happening(link_to(event.object_type, event.object_id))
    due = at or now
    rows = [
        Delivery(target=target, event=event, body=body(happening, Format(target.form)), next_attempt_at=due)
        for target in targets
    ]
    for row in Delivery.objects.bulk_create(rows):
        deliver_soon(row, in_seconds=max(0, round((due - now).total_seconds())))
    return rows


def was_last_told(event: str, *, about: Subject, among: Iterable[str]) -> bool:
    """Whether the newest of these events about the thing is this one."""
    events = Event.objects.filter(object_type=about.type, object_id=about.id, event__in=tuple(among))
    newest = events.order_by("-at", "-id").values_list("event", flat=True).first()
    return newest == event
