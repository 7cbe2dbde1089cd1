"""DNS answers over time: one row per change of an answer, not per check."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from domains.dns.core import LookupStatus

TOLD = [(status.value, status.value) for status in (LookupStatus.FOUND, LookupStatus.NO_NAME, LookupStatus.NO_DATA)]


class ObservedAnswer(models.Model):
    """An answer since `since`. It is current while `until` is empty. Otherwise `last_seen` is the last check that still
    had it, so the change happened between the two. Failed lookups have no row.
    """

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="observed_answers")
    name = models.CharField(max_length=253)
    type = models.CharField(max_length=10)
    resolver = models.CharField(max_length=100, help_text="The resolver that answered.")
    status = models.CharField(max_length=10, choices=TOLD)
    values = ArrayField(models.TextField(), default=list)
    ttl = models.PositiveBigIntegerField(null=True, help_text="In seconds, at the first answer.")
    serial = models.PositiveBigIntegerField(null=True, help_text="SOA serial at the first answer.")
    since = models.DateTimeField()
    last_seen = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)

    class Meta:
        ordering = ("since", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("domain", "name", "type", "resolver"), condition=Q(until=None), name="one_answer_stands"
            ),
        )
        indexes = (models.Index(fields=("until",), name="observed_answer_over"),)

    def __str__(self) -> str:
        return f"{self.name} {self.type} by {self.resolver} since {self.since:%Y-%m-%d %H:%M}"
