"""A page's wish for a diagnosis: the worker makes it, and the cache keeps what it found."""

from django.db import models


class DiagnosisRequest(models.Model):
    """One a domain. `problem`: why the last one could not be made, in words; "" for one that was."""

    domain = models.OneToOneField(
        "domains.Domain", primary_key=True, on_delete=models.CASCADE, related_name="diagnosis_request"
    )
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("asked_at",)

    def __str__(self) -> str:
        return f"{self.domain_id} {self.asked_at:%H:%M:%S}"
