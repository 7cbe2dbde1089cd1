"""What the DNS answered over time: a row for each change of an answer, never one for each look."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from domains.dns.core import LookupStatus

TOLD = [(status.value, status.value) for status in (LookupStatus.FOUND, LookupStatus.NO_NAME, LookupStatus.NO_DATA)]


class ObservedAnswer(models.Model):
    """Seen from `since` on. It stands while `until` is empty; then `last_seen` is the last look that still showed it,
    so that the change lies between the two. A lookup that failed is no answer and has no row.
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
