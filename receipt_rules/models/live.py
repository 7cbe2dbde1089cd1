"""The last read of the rules at SES, ignored differences, and customers whose receiving is stopped."""

from django.conf import settings
from django.db import models


class RulesCheck(models.Model):
    """The last drift check of the rules of a region: how they differ from the known state.

    `problem`: the rules couldn't be read. `operations.DriftCheck` is the same for identities and tenants.
    """

    region = models.CharField(max_length=32, unique=True)
    at = models.DateTimeField()
    differences = models.JSONField(default=list)
    problem = models.TextField(blank=True)

    class Meta:
        db_table = "receipt_rules_look"
        ordering = ("region",)

    def __str__(self) -> str:
        return f"{self.region}, {self.at:%-d %b %Y %H:%M}"


class RulesAsRead(models.Model):
    """The active rules at the last successful read, by any process: shown while SES doesn't answer.

    `name` is "" if no set was active. These rules aren't necessarily accepted; the snapshot has the known state.
    `failed_at` and `problem`: the last failed read since, and why.
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

    `changed_at`: when we first saw this set active.
    """

    region = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=64, blank=True)
    is_ours = models.BooleanField(default=False)
    read_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    blocks_all = models.BooleanField(default=False, db_default=False, help_text="IP filters in SES block all senders.")
    claims_mail = models.BooleanField(
        default=False, db_default=False, help_text="The function delivers a message once, whichever rules bring it."
    )
    function_key = models.CharField(
        max_length=40, blank=True, db_default="", default="", help_text="API key of the function's last route lookup."
    )
    function_key_at = models.DateTimeField(null=True, help_text="Accurate to the minute.")

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
    """Staff stopped, or resumed, a customer's receiving; the row is settled when the SES rules match.

    The customer's addresses stay unchanged; the stop overrides them.
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
