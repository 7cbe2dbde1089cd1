"""What must stay true of the mail for an address, as an operator wrote it down."""

from django.conf import settings
from django.db import models

from inbound_admin.lib.ids import new_id


def new_expectation_id() -> str:
    return new_id("exp")


class Expected(models.TextChoices):
    TAKEN = "taken", "is taken"
    ONCE = "once", "is taken, and stored once"
    NOT_TAKEN = "not_taken", "is not taken"


class Expectation(models.Model):
    """What shall be true of an address's mail: a plan that breaks it is refused."""

    id = models.CharField(primary_key=True, max_length=40, default=new_expectation_id, editable=False)
    address = models.CharField(max_length=320, unique=True)
    expected = models.CharField(max_length=10, choices=Expected.choices, default=Expected.ONCE)
    created_at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("address",)

    def __str__(self) -> str:
        return f"{self.address} {self.get_expected_display()}"
