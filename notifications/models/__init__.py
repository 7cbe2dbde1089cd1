"""Models of alerts, notification settings, events, webhooks and their deliveries."""

from notifications.models import alerts, webhooks

__all__ = ["alerts", "webhooks"]
