"""Share links for people without an account who manage a domain's DNS, and their visits."""

from datetime import datetime

from django.conf import settings
from django.db import models

from domains.sharing.core import ShareLinkState, state_at
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable


def new_share_id() -> str:
    return new_id("shr")


class ShareLink(Lockable):
    """Its URL has the signed id, so it cannot be forged. The row says whether it still works."""

    id = models.CharField(primary_key=True, max_length=40, default=new_share_id, editable=False)
    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="share_links")
    meant_for = models.CharField(max_length=100, blank=True, help_text="Label of the link.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    mailed_to = models.EmailField(blank=True, help_text="Recipient of the email with this link.")
    mailed_at = models.DateTimeField(null=True, blank=True, help_text="When a mail server accepted the email.")

    class Meta:
        ordering = ("-created_at", "id")

    def __str__(self) -> str:
        return self.meant_for or self.id

    def state(self, now: datetime) -> ShareLinkState:
        return state_at(now, expires_at=self.expires_at, revoked_at=self.revoked_at)


class ShareVisit(models.Model):
    """One row per visit, however often the open page polled. Only the network part of the address is stored."""

    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="visits")
    address = models.CharField(max_length=50, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    views = models.PositiveIntegerField(default=0)
    checks = models.PositiveIntegerField(default=0, help_text="How often “I’ve added the records” was pressed.")

    class Meta:
        ordering = ("-last_at", "-id")
        indexes = (models.Index(fields=("link", "-last_at"), name="visits_of_link"),)

    def __str__(self) -> str:
        return f"{self.link_id} {self.address}"
