"""Requests to be notified when a domain is verified."""

from django.conf import settings
from django.db import models


class VerifiedNotice(models.Model):
    """`told_at` is set in the transaction that finds the domain verified, so the notice is sent once, even after a
    crash.
    """

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="verified_notices")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("domain", "person"), name="verified_notice_once"),)

    def __str__(self) -> str:
        return f"{self.domain_id} to {self.person_id}"
