"""Notify a customer's owners immediately of what staff changed, by whom and why, whatever their settings."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.dispatch import receiver
from django.utils import timezone

from audit.models import Change
from audit.services import acted_for_customer
from notifications.alerts.core import AlertSeverity, AlertState, CustomerPeople
from notifications.alerts.selectors import recipients_of
from notifications.jobs import queue_emails
from notifications.models.alerts import LIVE, Alert, Notice

KIND = "staff.acted"


@receiver(acted_for_customer, dispatch_uid="notifications.staff_acts")
@transaction.atomic
def notify_owners(*, change: Change, actor: Any, **_: Any) -> None:
    """Open one alert for the customer and email each owner. Resolve an earlier alert about the same object."""
    now = timezone.now()
    try:
        with transaction.atomic():
            alert = _open_alert(change, actor, now)
    except IntegrityError:  # somebody else acted on the same object at the same moment, and has finished by now
        alert = _open_alert(change, actor, now)
    owners = recipients_of(CustomerPeople(change.customer_id))
    Notice.objects.bulk_create(Notice(alert=alert, person_id=owner.pk, phase="raised", due_at=now) for owner in owners)
    queue_emails()


def _open_alert(change: Change, actor: Any, now: datetime) -> Alert:
    same = {"kind": KIND, "object_type": change.object_type, "object_id": change.object_id}
    Alert.objects.filter(**same, customer_id=change.customer_id, state__in=LIVE).update(
        state=AlertState.RECOVERED, recovered_at=now
    )
    return Alert.objects.create(
        **same,
        object_name=change.object_name,
        about_customer_id=change.customer_id,
        customer_id=change.customer_id,
        severity=AlertSeverity.MEDIUM,
        state=AlertState.OPEN,
        why=_sentence(change, actor),
        since=now,
        looks=1,
        looked_at=now,
        raised_at=now,
        told_at=now,
    )


def _sentence(change: Change, actor: Any) -> str:
    roles = ", ".join(actor.groups.order_by("name").values_list("name", flat=True)) or "staff"
    return f"{change.actor_name} ({roles}): {change.words}. Reason: {change.because}"
