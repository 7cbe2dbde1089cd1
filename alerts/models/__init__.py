"""Rows of alerts, of webhooks out, and of how people want to be told."""

from alerts.models.alerts import LIVE, Alert, Notice
from alerts.models.preferences import NotificationPreference
from alerts.models.webhooks import Attempt, Delivery, DeliveryState, Event, WebhookTarget

__all__ = [
    "LIVE",
    "Alert",
    "Attempt",
    "Delivery",
    "DeliveryState",
    "Event",
    "Notice",
    "NotificationPreference",
    "WebhookTarget",
]
