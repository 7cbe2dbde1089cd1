"""The result of the last check of each record."""

from django.db import models

from domains.models.domains import STATES, Domain


class RecordCheck(models.Model):
    """The result of the last check of one record. `verified_at` survives later failures."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="record_checks")
    key = models.CharField(max_length=270)
    state = models.CharField(max_length=20, choices=STATES)
    found = models.JSONField(default=list)
    code = models.CharField(max_length=60, blank=True)
    sentence = models.TextField(blank=True)
    checked_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("domain", "key"), name="record_check_once"),)

    def __str__(self) -> str:
        return f"{self.domain_id} {self.key}: {self.state}"
