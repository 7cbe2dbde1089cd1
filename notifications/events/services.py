"""Events: stored in the caller's transaction, with a delivery for each target that wants it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.services import Subject
from notifications.email.services import link_to
from notifications.jobs import queue_delivery
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
    """Send an event to staff webhooks and, unless `for_staff`, to those of its customer."""
    made = store(event=event, about=about, data=data or {}, for_staff=for_staff, now=now or timezone.now())
    deliver(made, targets_of(made))


def store(
    *, event: str, about: Subject, data: Mapping[str, Any], for_staff: bool, now: datetime, permission: str = ""
) -> Event:
    """Store an event. `data` must be JSON-serialisable. `permission`: of a staff alert, what its reader needs."""
    return Event.objects.create(
        event=event,
        at=now,
        object_type=about.type,
        object_id=about.id,
        object_name=about.name,
        customer_id=about.customer_id,
        for_staff=for_staff,
        permission=permission,
        data=dict(data),
    )


def deliver(event: Event, targets: Iterable[WebhookTarget], *, at: datetime | None = None) -> list[Delivery]:
    """Store deliveries and queue their jobs in the same transaction. `at` delays targets in quiet hours."""
    now = timezone.now()
    happening = event.happening(link_to(event.object_type, event.object_id, staff=event.for_staff))
    due = at or now
    rows = [
        Delivery(target=target, event=event, body=body(happening, Format(target.form)), next_attempt_at=due)
        for target in targets
    ]
    for row in Delivery.objects.bulk_create(rows):
        queue_delivery(row, in_seconds=max(0, round((due - now).total_seconds())))
    return rows


def was_last_event(event: str, *, about: Subject, among: Iterable[str]) -> bool:
    """Whether the newest of these events about the object is this one."""
    events = Event.objects.filter(object_type=about.type, object_id=about.id, event__in=tuple(among))
    newest = events.order_by("-at", "-id").values_list("event", flat=True).first()
    return newest == event
