import pgtrigger
from django.db import models

from audit.core import Detail, details, words_for
from inbound_admin.lib.ids import new_id


def new_change_id() -> str:
    return new_id("chg")


class ActorKind(models.TextChoices):
    PERSON = "person", "Person"
    KEY = "key", "API key"
    WORKER = "worker", "Inbound Admin"
    AMAZON = "amazon", "AWS"


class Change(models.Model):
    """One change. It outlives its object and its actor, so it names both as text and has no foreign keys."""

    bulk_id = models.CharField(
        max_length=40, default=new_change_id, help_text="The same for all changes of one bulk action."
    )
    at = models.DateTimeField(auto_now_add=True)
    actor_kind = models.CharField(max_length=10, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(max_length=254)
    what = models.CharField(max_length=80, help_text="The verb: `domain.added`.")
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=254)
    customer_id = models.CharField(max_length=64, blank=True, help_text="The customer whose members can read it.")
    for_staff = models.BooleanField(default=False, help_text="Only staff can read it.")
    because = models.TextField(blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    aws_request_ids = models.JSONField(default=list)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("-at", "-id"), name="change_by_time"),
            models.Index(fields=("object_type", "object_id", "-at"), name="change_of_object"),
            models.Index(fields=("customer_id", "-at"), name="change_of_customer"),
            models.Index(fields=("bulk_id",), name="change_of_bulk"),
        )
        triggers = (pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),)

    def __str__(self) -> str:
        return f"{self.what} {self.object_name}"

    @property
    def words(self) -> str:
        return words_for(self.what)

    @property
    def details(self) -> tuple[Detail, ...]:
        return details(self.before, self.after, self.what)
