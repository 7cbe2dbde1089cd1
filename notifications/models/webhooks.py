"""Webhooks out: what happened, where it is to be told, and what came of telling it."""

import hashlib
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from inbound_admin.lib import sealed
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.redaction import masked_url
from notifications.events.core import words_for
from notifications.webhooks.core import Format, Happening


def new_event_id() -> str:
    return new_id("evt")


def new_target_id() -> str:
    return new_id("whk")


def new_delivery_id() -> str:
    return new_id("dlv")


FORMATS = ((Format.STANDARD, "Signed JSON (Standard Webhooks)"), (Format.SLACK, "A message for Slack and its likes"))


class Event(models.Model):
    """Stored in the transaction of what it tells of."""

    id = models.CharField(primary_key=True, max_length=40, default=new_event_id, editable=False)
    event = models.CharField(max_length=60)
    at = models.DateTimeField()
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=254)
    customer_id = models.CharField(max_length=64, blank=True, help_text="Whose targets may get it.")
    for_staff = models.BooleanField(default=False, help_text="No customer's target gets it.")
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("object_type", "object_id", "-at"), name="event_of_object"),)

    def __str__(self) -> str:
        return f"{self.event} {self.object_name}"

    @property
    def words(self) -> str:
        return str(self.data.get("words") or words_for(self.event))

    def happening(self, link: str = "") -> Happening:
        return Happening(
            event=self.event,
            at=self.at,
            object_type=self.object_type,
            object_id=self.object_id,
            object_name=self.object_name,
            customer_id=self.customer_id,
            data=self.data,
            link=link,
        )


class WebhookTarget(models.Model):
    """Of a customer, of one person, or (with neither) of our staff. The secret is kept sealed and shown once."""

    id = models.CharField(primary_key=True, max_length=40, default=new_target_id, editable=False)
    customer_id = models.CharField(max_length=64, blank=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="webhooks"
    )
    name = models.CharField(max_length=120)
    sealed_url = models.TextField(help_text="Sealed: the addresses of Slack and its likes are secrets.")
    form = models.CharField(max_length=10, choices=FORMATS, default=Format.STANDARD)
    events = ArrayField(models.CharField(max_length=60), default=list, blank=True, help_text="None is all.")
    secret = models.TextField(blank=True, help_text="Sealed.")
    old_secret = models.TextField(blank=True, help_text="Sealed; signs beside the new one for a day.")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    is_on = models.BooleanField(default=True)
    off_because = models.TextField(blank=True, help_text="Why it was switched off by itself.")
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
        """As it was given. Raises `sealed.Unreadable`."""
        return sealed.unseal(self.sealed_url)

    @url.setter
    def url(self, url: str) -> None:
        self.sealed_url = sealed.seal(url)

    @property
    def shown_url(self) -> str:
        """For whoever looks after it, without what looks like a token in it."""
        return masked_url(self.url)

    @property
    def place(self) -> str:
        """The address for whoever does not look after it: Slack's is a secret in itself. The end tells two apart."""
        url = self.url
        return f"{urlsplit(url).netloc}/… ({hashlib.sha256(url.encode()).hexdigest()[:4]})"

    @property
    def told_events(self) -> list[str]:
        """In words; empty is all."""
        return [words_for(event) for event in self.events]

    @property
    def is_of_staff(self) -> bool:
        return not self.customer_id and self.person_id is None


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    GIVEN_UP = "given_up", "Given up"
    CANCELLED = "cancelled", "Cancelled"


class Delivery(models.Model):
    """One event to one target. The text is kept as it was first sent, so that every attempt sends the same."""

    id = models.CharField(primary_key=True, max_length=40, default=new_delivery_id, editable=False)
    target = models.ForeignKey(WebhookTarget, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    again_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )  # who asked for it once more; the first of an event is asked for by nobody
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
    """Written before the call and filled after it: one without an outcome was cut off, and may have arrived."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    status = models.PositiveIntegerField(null=True, help_text="HTTP status; null: no answer.")
    problem = models.TextField(blank=True)
    answer = models.TextField(blank=True, help_text="How the answer begins.")

    class Meta:
        ordering = ("-started_at", "-id")

    def __str__(self) -> str:
        return f"{self.delivery_id} at {self.started_at}"
