"""Test messages: sent on purpose, and followed to where they arrive or stop."""

import secrets

from django.conf import settings
from django.db import models

from inbound_admin.lib.ids import new_id


def new_probe_id() -> str:
    return new_id("probe")


def new_probe_token() -> str:
    """In a header of the message: whoever does not know it cannot pass for the message."""
    return secrets.token_urlsafe(24)


class MailProbe(models.Model):
    """One test message to one recipient. The row is there before the message is."""

    id = models.CharField(primary_key=True, max_length=40, default=new_probe_id, editable=False)
    token = models.CharField(max_length=64, unique=True, default=new_probe_token, editable=False)
    recipient = models.CharField(max_length=320, help_text="Lower case.")
    customer = models.ForeignKey("accounts.Customer", on_delete=models.CASCADE, related_name="+")
    domain = models.ForeignKey("domains.Domain", null=True, on_delete=models.SET_NULL, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField()
    mx_leads_here = models.BooleanField(null=True, help_text="As our last look at the MX record had it; null: unknown.")
    mx_seen_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    send_problem = models.TextField(blank=True, help_text="What our mail server said, in words for people.")
    message_id = models.CharField(max_length=200, blank=True, help_text="SES's, once the function reported it.")
    received_at = models.DateTimeField(null=True)
    handled_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, blank=True)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ("-asked_at", "-id")
        verbose_name = "test message"
        indexes = (
            models.Index(fields=("-asked_at", "-id"), name="probe_latest"),
            models.Index(fields=("customer", "-asked_at", "-id"), name="probe_of_customer"),
        )

    def __str__(self) -> str:
        return f"Test message to {self.recipient}"
