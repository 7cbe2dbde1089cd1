"""Expectations: where an address must be delivered, as saved by an operator."""

from django.conf import settings
from django.db import models

from inbound_admin.lib.ids import new_id


def new_expectation_id() -> str:
    return new_id("exp")


class Expected(models.TextChoices):
    TAKEN = "taken", "is received"
    ONCE = "once", "is received exactly once"
    BY_US = "by_us", "is received by managed rules only"
    ENDPOINT = "endpoint", "is delivered to the endpoint"
    NOT_TAKEN = "not_taken", "is not received"


class Expectation(models.Model):
    """An expectation about an address's mail: a plan that breaks it can't be approved."""

    id = models.CharField(primary_key=True, max_length=40, default=new_expectation_id, editable=False)
    address = models.CharField(max_length=320, unique=True)
    expected = models.CharField(max_length=10, choices=Expected.choices, default=Expected.ONCE)
    endpoint = models.ForeignKey(
        "receipt_rules.Endpoint", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("address",)

    def __str__(self) -> str:
        return f"{self.address} {self.get_expected_display()}{f' {self.endpoint}' if self.endpoint else ''}"
