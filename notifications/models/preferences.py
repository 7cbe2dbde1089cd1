"""Notification settings of each person."""

from datetime import time

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from notifications.email.core import ByMail as ByMail  # noqa: PLC0414  who queries the column finds its values here
from notifications.email.core import EmailSchedule

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
