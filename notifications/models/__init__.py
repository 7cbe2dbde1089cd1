"""Models of alerts, notification settings, events, webhooks and their deliveries."""

from notifications.models import alerts, preferences, webhooks

__all__ = ["alerts", "preferences", "webhooks"]
