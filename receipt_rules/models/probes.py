"""Test messages, and the schedules that send them."""

import secrets

from django.conf import settings
from django.db import models

from inbound_admin.lib.ids import new_id
from receipt_rules.probes.core import ProbePace, ProbeVerdict


def new_probe_id() -> str:
    return new_id("probe")


def new_probe_token() -> str:
    """Return the value of the message's header: a message without it isn't taken for the test message."""
    return secrets.token_urlsafe(24)


class MailProbe(models.Model):
    """One test message to one recipient. The row is stored before the message is sent."""

    id = models.CharField(primary_key=True, max_length=40, default=new_probe_id, editable=False)
    token = models.CharField(max_length=64, unique=True, default=new_probe_token, editable=False)
    recipient = models.CharField(max_length=320, help_text="Lower case.")
    customer = models.ForeignKey("accounts.Customer", on_delete=models.CASCADE, related_name="+")
    domain = models.ForeignKey("domains.Domain", null=True, on_delete=models.SET_NULL, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField()
    mx_leads_here = models.BooleanField(null=True, help_text="MX pointed here at the last check; null: unknown.")
    mx_seen_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    send_problem = models.TextField(blank=True, help_text="The mail server's response, as shown to people.")
    message_id = models.CharField(max_length=200, blank=True, help_text="SES message ID, once reported.")
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


class ProbeSchedule(models.Model):
    """The schedule of a domain's test messages. No row means off; a row of a former holder is ignored."""

    domain = models.OneToOneField("domains.Domain", primary_key=True, on_delete=models.CASCADE, related_name="+")
    customer = models.ForeignKey(
        "accounts.Customer", on_delete=models.CASCADE, related_name="+", help_text="Customer who held the domain then."
    )
    pace = models.CharField(max_length=10, choices=[(pace.value, pace.value) for pace in ProbePace])
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    next_at = models.DateTimeField()
    last_probe = models.ForeignKey(MailProbe, null=True, on_delete=models.SET_NULL, related_name="+")
    verdict = models.CharField(
        max_length=20, blank=True, choices=[(verdict.value, verdict.value) for verdict in ProbeVerdict if verdict]
    )
    sentence = models.TextField(blank=True, help_text="Why it is missing, or why we can't tell.")
    judged_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("domain",)
        verbose_name = "schedule of test messages"
        indexes = (
            models.Index(fields=("next_at",), name="probe_schedule_due"),
            models.Index(fields=("verdict", "judged_at"), name="probe_schedule_judged"),
        )

    def __str__(self) -> str:
        return f"Test messages of {self.domain}: {self.pace}"
