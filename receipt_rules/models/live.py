"""The last read of the rules at SES, ignored differences, and customers whose receiving is stopped."""

from django.conf import settings
from django.db import models


class Look(models.Model):
    """The last look at Amazon's rules: what differed from what we left there. `problem`: it could not be read."""

    region = models.CharField(max_length=32, unique=True)
    at = models.DateTimeField()
    differences = models.JSONField(default=list)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ("region",)

    def __str__(self) -> str:
        return f"{self.region}, {self.at:%-d %b %Y %H:%M}"


class RulesAsRead(models.Model):
    """The active rules at the last successful read of SES, whoever made it: what is shown while SES doesn't answer.

    `name` is "" where no set was active. It says nothing of what we accept as ours: that is the snapshot's.
    `failed_at`: when a read failed since, and `problem` why.
    """

    region = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=64, blank=True)
    read_at = models.DateTimeField()
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    rules = models.PositiveIntegerField()
    own_rules = models.PositiveIntegerField()
    own_recipients = models.PositiveIntegerField()
    failed_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ("region",)

    def __str__(self) -> str:
        return f"{self.name or 'none'}, {self.read_at:%-d %b %Y %H:%M}"


class ActiveRuleSet(models.Model):
    """The rule set that SES applies in a region, read every minute; `name` is "" while none is active.

    `changed_at`: since when we have seen this set there.
    """

    region = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=64, blank=True)
    is_ours = models.BooleanField(default=False)
    read_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("region",)

    def __str__(self) -> str:
        return f"{self.region}: {self.name or 'none'}"


class IgnoredDifference(models.Model):
    """A difference between the rules at SES and ours that a person has ignored."""

    region = models.CharField(max_length=32)
    key = models.CharField(max_length=400)
    because = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at",)
        constraints = (models.UniqueConstraint(fields=("region", "key"), name="ignored_once"),)

    def __str__(self) -> str:
        return self.key


class ReceivingStop(models.Model):
    """Staff want that Amazon takes no mail of a customer's, or, no longer stopped, takes it again; stays until settled.

    What the customer wants stays as it is: the stop stands above it.
    """

    customer = models.OneToOneField("accounts.Customer", on_delete=models.CASCADE, related_name="+", primary_key=True)
    is_stopped = models.BooleanField(default=True)
    asked_at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    because = models.TextField(blank=True)
    settled_at = models.DateTimeField(null=True, help_text="When the SES rules matched the stop.")

    class Meta:
        ordering = ("-asked_at",)

    def __str__(self) -> str:
        return str(self.customer_id)
