"""Outgoing webhooks: events, targets, deliveries and attempts."""

import hashlib
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from inbound_admin.lib import sealed
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable
from inbound_admin.lib.redaction import masked_url
from notifications.events.core import words_for
from notifications.webhooks.core import Format, WebhookEvent


def new_event_id() -> str:
    return new_id("evt")


def new_target_id() -> str:
    return new_id("whk")


def new_delivery_id() -> str:
    return new_id("dlv")


FORMATS = ((Format.STANDARD, "Signed JSON (Standard Webhooks)"), (Format.SLACK, "Slack-compatible message"))


class Event(models.Model):
    """An event, stored in the transaction of the change it describes."""

    id = models.CharField(primary_key=True, max_length=40, default=new_event_id, editable=False)
    event = models.CharField(max_length=60)
    at = models.DateTimeField()
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=254)
    customer_id = models.CharField(max_length=64, blank=True, help_text="The customer whose webhooks may get it.")
    for_staff = models.BooleanField(default=False, help_text="For staff webhooks only.")
    permission = models.CharField(
        max_length=100, blank=True, db_default="", help_text="Of a staff alert: who may read it needs this permission."
    )
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("object_type", "object_id", "-at"), name="event_of_object"),)

    def __str__(self) -> str:
        return f"{self.event} {self.object_name}"

    @property
    def words(self) -> str:
        return str(self.data.get("words") or words_for(self.event))

    def happening(self, link: str = "") -> WebhookEvent:
        return WebhookEvent(
            event=self.event,
            at=self.at,
            object_type=self.object_type,
            object_id=self.object_id,
            object_name=self.object_name,
            customer_id=self.customer_id,
            data=self.data,
            link=link,
        )


class WebhookTarget(Lockable):
    """Belongs to a customer, a person, or (with neither) to staff. The secret is encrypted and shown once."""

    id = models.CharField(primary_key=True, max_length=40, default=new_target_id, editable=False)
    customer_id = models.CharField(max_length=64, blank=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="webhooks"
    )
    name = models.CharField(max_length=120)
    sealed_url = models.TextField(help_text="Encrypted: URLs of Slack and similar services are secrets.")
    form = models.CharField(max_length=10, choices=FORMATS, default=Format.STANDARD)
    events = ArrayField(models.CharField(max_length=60), default=list, blank=True, help_text="Empty: all events.")
    secret = models.TextField(blank=True, help_text="Encrypted.")
    old_secret = models.TextField(blank=True, help_text="Encrypted; also signs for a day after a rotation.")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    is_on = models.BooleanField(default=True)
    off_because = models.TextField(blank=True, help_text="Why it was turned off automatically.")
    failing_since = models.DateTimeField(null=True, blank=True, help_text="The first failure after the last success.")
    last_success_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ("name", "id")
        permissions = (("manage_staff_webhooks", "Can manage the webhooks of the whole installation"),)
        indexes = (models.Index(fields=("customer_id",), name="target_of_customer"),)

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """The full URL. Raises `sealed.Unreadable`."""
        return sealed.unseal(self.sealed_url)

    @url.setter
    def url(self, url: str) -> None:
        self.sealed_url = sealed.seal(url)

    @property
    def shown_url(self) -> str:
        """The URL with tokens masked, for those who manage the target."""
        return masked_url(self.url)

    @property
    def place(self) -> str:
        """The URL for other viewers: host and a short hash, because a Slack URL is a secret."""
        url = self.url
        return f"{urlsplit(url).netloc}/… ({hashlib.sha256(url.encode()).hexdigest()[:4]})"

    @property
    def is_of_staff(self) -> bool:
        return not self.customer_id and self.person_id is None


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Pending"
    DELIVERED = "delivered", "Delivered"
    GIVEN_UP = "given_up", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Delivery(models.Model):
    """One event to one target. The body is stored, so that every attempt sends the same."""

    id = models.CharField(primary_key=True, max_length=40, default=new_delivery_id, editable=False)
    target = models.ForeignKey(WebhookTarget, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    again_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )  # the person who requested it again; null for the first delivery of an event
    created_at = models.DateTimeField(auto_now_add=True)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts_made = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name_plural = "deliveries"
        indexes = (
            models.Index(fields=("target", "-created_at"), name="delivery_of_target"),
            models.Index(fields=("next_attempt_at",), name="delivery_due", condition=models.Q(state="waiting")),
        )

    def __str__(self) -> str:
        return f"{self.event_id} to {self.target_id}"


class Attempt(models.Model):
    """Stored before the call and completed after it. One without a result was interrupted and may have arrived."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    status = models.PositiveIntegerField(null=True, help_text="HTTP status; null: no response.")
    problem = models.TextField(blank=True)
    answer = models.TextField(blank=True, help_text="The beginning of the response.")

    class Meta:
        ordering = ("-started_at", "-id")

    def __str__(self) -> str:
        return f"{self.delivery_id} at {self.started_at}"
