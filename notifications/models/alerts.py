"""Alerts, one row per occurrence of a problem from the first check that found it, and each person's settings."""

from datetime import datetime, time

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable
from notifications.alerts.core import (
    AlertSeverity,
    AlertState,
    Audience,
    CustomerPeople,
    Person,
    Staff,
    kind_named,
)
from notifications.email.core import ByMail as ByMail  # noqa: PLC0414  who queries the column finds its values here
from notifications.email.core import EmailSchedule, after_quiet_hours


def new_alert_id() -> str:
    return new_id("alr")


STATES = [(state.value, state.value) for state in AlertState]
SEVERITIES = [(severity.value, severity.value) for severity in AlertSeverity]
LIVE = (AlertState.SUSPECTED, AlertState.OPEN)


class Alert(Lockable):
    """Names its object as text, because it outlives it. One of three columns holds its audience."""

    id = models.CharField(primary_key=True, max_length=40, default=new_alert_id, editable=False)
    kind = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=254)
    about_customer_id = models.CharField(
        max_length=64, blank=True, help_text="The customer that the object belongs to."
    )
    customer_id = models.CharField(max_length=64, blank=True, help_text="The customer whose members get it.")
    permission = models.CharField(max_length=100, blank=True, help_text="For staff with this permission.")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    severity = models.CharField(max_length=10, choices=SEVERITIES)
    state = models.CharField(max_length=10, choices=STATES)
    why = models.TextField(blank=True)
    harmed = models.PositiveIntegerField(null=True, help_text="The most recipients that it harmed; null: not counted.")
    since = models.DateTimeField(help_text="The first check that found the problem.")
    looks = models.PositiveIntegerField(default=0)
    clear = models.PositiveIntegerField(default=0)
    looked_at = models.DateTimeField(help_text="The latest check.")
    raised_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When people were notified; null while muted.")
    recovered_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    muted_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-since", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "object_type", "object_id", "customer_id", "permission"),
                condition=models.Q(state__in=("suspected", "open"), person=None),
                name="alert_live_once",
            ),
            models.UniqueConstraint(
                fields=("kind", "object_type", "object_id", "person"),
                condition=models.Q(state__in=("suspected", "open"), person__isnull=False),
                name="alert_of_person_live_once",
            ),
        )
        indexes = (
            models.Index(fields=("customer_id", "state", "-since"), name="alert_of_customer"),
            models.Index(fields=("permission", "state", "-since"), name="alert_of_staff"),
            models.Index(fields=("object_type", "object_id", "state"), name="alert_of_object"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.object_name}"

    @property
    def audience(self) -> Audience:
        if self.person_id is not None:
            return Person(self.person_id)
        return Staff(self.permission) if self.permission else CustomerPeople(self.customer_id)

    @property
    def words(self) -> str:
        kind = kind_named(self.kind)
        return kind.over if self.state == AlertState.RECOVERED else kind.words

    @property
    def told(self) -> str:
        """Return `why`, marked as past if the problem is over: what it asks for is done. News stay as they are."""
        is_over = bool(self.why) and self.recovered_at is not None and not kind_named(self.kind).is_news
        return f"Before it was resolved: {self.why}" if is_over else self.why


class Notice(models.Model):
    """One email notification to a person, pending or sent. `phase` is raised or recovered."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    phase = models.CharField(max_length=10, choices=[("raised", "raised"), ("recovered", "recovered")])
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("alert", "person", "phase"), name="notice_once"),)
        indexes = (models.Index(fields=("due_at",), name="notice_due", condition=models.Q(sent_at=None)),)

    def __str__(self) -> str:
        return f"{self.phase} {self.alert_id} to {self.person_id}"


BY_MAIL = ((ByMail.AT_ONCE, "Immediately"), (ByMail.DIGEST, "Daily digest"), (ByMail.OFF, "No email"))


class NotificationPreference(models.Model):
    """A person without a row is notified of everything immediately."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_preference"
    )
    unwanted = ArrayField(
        models.CharField(max_length=60), default=list, blank=True, help_text="Kinds of alerts turned off."
    )
    by_mail = models.CharField(max_length=10, choices=BY_MAIL, default=ByMail.AT_ONCE)
    digest_at = models.TimeField(default=time(8))
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"of {self.person_id}"

    @property
    def schedule(self) -> EmailSchedule:
        return EmailSchedule(ByMail(self.by_mail), self.digest_at, self.quiet_from, self.quiet_until)

    def after_quiet_hours(self, now: datetime) -> datetime:
        return after_quiet_hours(self.schedule, timezone.localtime(now))
