"""A page's request for a diagnosis. The worker runs it, and the cache has the result."""

from django.db import models


class DiagnosisRequest(models.Model):
    """One per domain. `problem` says why the last one failed; "" if it succeeded."""

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
