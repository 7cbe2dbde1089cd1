"""Endpoints, and the recipients that confirm forwarding to them."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models.functions import Lower

from inbound_admin.lib import sealed
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable
from receipt_rules.endpoints.core import shown_config


def new_endpoint_id() -> str:
    return new_id("ep")


def new_forwarding_id() -> str:
    return new_id("fwd")


class EndpointType(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"
    EMAIL = "email", "Forward to an email address"
    EMAIL_GROUP = "email_group", "Forward to several email addresses"


class Endpoint(models.Model):
    """A destination of a customer's mail. The SES columns override the default delivery; empty means the default."""

    id = models.CharField(primary_key=True, max_length=40, default=new_endpoint_id, editable=False)
    customer = models.ForeignKey("accounts.Customer", on_delete=models.PROTECT, related_name="endpoints")
    name = models.CharField(max_length=120)
    type = models.CharField(max_length=20, choices=EndpointType.choices)
    description = models.CharField(max_length=2000, blank=True)
    sealed_config = models.TextField(blank=True, help_text="`config`, encrypted: it holds customers' secrets.")
    is_active = models.BooleanField(default=True)
    s3_bucket = models.CharField(max_length=63, blank=True)
    s3_prefix = models.CharField(max_length=200, blank=True)
    lambda_arn = models.CharField(max_length=300, blank=True)
    sns_topic = models.CharField(max_length=300, blank=True)
    tls_required = models.BooleanField(null=True, help_text="SES bounces mail that comes without TLS.")
    scan = models.BooleanField(null=True)
    former_stores = models.JSONField(null=True, help_text="Earlier s3_bucket and s3_prefix, the newest first.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "id")
        permissions = (("route_mail", "Can change where a customer's mail is delivered"),)
        constraints = (
            models.UniqueConstraint("customer", Lower("name"), name="endpoint_name_once"),
            models.CheckConstraint(condition=models.Q(type__in=EndpointType.values), name="endpoint_type"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def config(self) -> dict[str, Any]:
        """Return the settings by type: url and more, address, or addresses, with live secrets.

        Raises `sealed.Unreadable`.
        """
        return sealed.unseal_values(self.sealed_config)

    @config.setter
    def config(self, values: Mapping[str, Any]) -> None:
        self.sealed_config = sealed.seal_values(values)

    @property
    def shown_config(self) -> dict[str, Any]:
        """Return the settings for display: secrets masked."""
        return shown_config(self.config)


class ForwardingState(models.TextChoices):
    WAITING = "waiting", "Waiting for confirmation"
    CONFIRMED = "confirmed", "Confirmed"
    REFUSED = "refused", "Declined by the recipient"


class Forwarding(Lockable):
    """Whether an address accepts mail that a customer forwards to it. It outlives the endpoints that name it."""

    id = models.CharField(primary_key=True, max_length=40, default=new_forwarding_id, editable=False)
    customer = models.ForeignKey("accounts.Customer", on_delete=models.CASCADE, related_name="+")
    address = models.CharField(max_length=320, help_text="Lower case.")
    state = models.CharField(max_length=10, choices=ForwardingState.choices, default=ForwardingState.WAITING)
    asked_at = models.DateTimeField(null=True, help_text="When the last email with the link was sent.")
    asked_times = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, help_text="When the next email is due; null: none.")
    problem = models.TextField(blank=True, help_text="Why no email was sent, as shown to people.")
    answered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("address", "id")
        verbose_name = "forwarding confirmation"
        verbose_name_plural = "forwarding confirmations"
        indexes = (models.Index(fields=("due_at",), name="forwarding_due", condition=models.Q(due_at__isnull=False)),)
        constraints = (models.UniqueConstraint(fields=("customer", "address"), name="forwarding_once"),)

    def __str__(self) -> str:
        return self.address
