from django.contrib import admin

from inbound_admin.lib.admin import STORED, ReadOnly, capitalised, in_words, labelled
from notifications.alerts.core import kind_named
from notifications.models.alerts import Alert, Notice
from notifications.models.webhooks import Attempt, Delivery, Event, WebhookTarget


def _kind_words(kind: str) -> str:
    return kind_named(kind).words


def _state_words(state: str) -> str:
    """Return the state, or a notice's phase, in the words of the pages."""
    return {"raised": "Open", "recovered": "Resolved"}.get(state) or capitalised(state)


@admin.register(Alert)
class AlertAdmin(ReadOnly):
    list_display = (
        in_words("kind", "kind", _kind_words),
        "object_name",
        in_words("state", "state", _state_words),
        in_words("severity", "severity", capitalised),
        "since",
        "looked_at",
        "acknowledged_by",
        "muted_until",
    )
    list_filter = (
        labelled("state", _state_words),
        labelled("kind", _kind_words, STORED),
        labelled("severity", capitalised),
    )
    search_fields = ("object_name", "=object_id", "=customer_id")


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ("event", "object_name", "at", "customer_id", "for_staff")
    list_filter = ("event", "for_staff")
    search_fields = ("object_name", "=object_id", "=customer_id")


@admin.register(WebhookTarget)
class WebhookTargetAdmin(ReadOnly):
    """Shows neither secrets nor full URLs, because a Slack URL is a secret too."""

    list_display = ("name", "place", "customer_id", "person", "form", "is_on", "failing_since", "last_success_at")
    list_filter = ("is_on", "form")
    search_fields = ("name", "=customer_id")
    exclude = ("secret", "old_secret", "sealed_url")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("id", "event", "target", "state", "attempts_made", "next_attempt_at", "created_at")
    list_filter = ("state",)
    list_select_related = ("event", "target")


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    list_display = ("delivery", "started_at", "finished_at", "status", "problem")


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    list_display = (
        "alert",
        "person",
        in_words("phase", "phase", _state_words),
        "due_at",
        "sent_at",
        "tries",
        "problem",
    )
    list_select_related = ("alert", "person")
