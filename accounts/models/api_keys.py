"""API keys."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from accounts.api_keys.core import KeyState, Scope, key_state
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable


def new_key_id() -> str:
    return new_id("key")


class ApiKey(Lockable):
    """Lets a program act as its user. The secret is shown once and stored as a hash."""

    id = models.CharField(primary_key=True, max_length=40, default=new_key_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=120)
    secret_hash = models.CharField(max_length=64, unique=True)
    starts = models.CharField(max_length=12, help_text="The first characters of the secret, to recognise it by.")
    scopes = ArrayField(models.CharField(max_length=10, choices=[(scope.value, scope.value) for scope in Scope]))
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, help_text="Accurate to the minute.")
    last_refused_at = models.DateTimeField(
        null=True, help_text="When a call of the receiving function with it was refused, accurate to the minute."
    )
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.starts}…)"

    @property
    def state(self) -> KeyState:
        return key_state(timezone.now(), expires_at=self.expires_at, revoked_at=self.revoked_at)
