"""What is over is kept for a while and then goes."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from alerts.core.watching import State
from alerts.models import Alert, Delivery, DeliveryState, Event, WebhookTarget


@transaction.atomic
def forget_customer(*, customer_id: str) -> None:
    """The customer is gone: its webhooks with their secrets, its events and its alerts go as well."""
    for rows in (WebhookTarget.objects, Event.objects, Alert.objects):
        rows.filter(customer_id=customer_id).delete()


def clear(*, now: datetime) -> None:
    """Events with their deliveries, and alerts that are over. What waits to be delivered, or is open, stays."""
    before = now - timedelta(days=settings.ALERTS_KEPT_DAYS)
    waiting = Delivery.objects.filter(state=DeliveryState.WAITING)
    Event.objects.filter(at__lt=before).exclude(pk__in=waiting.values("event")).delete()
    Alert.objects.filter(state=State.RECOVERED, recovered_at__lt=before).delete()
