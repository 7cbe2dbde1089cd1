"""Measurements of tenants, SES's recommendations about them, and received events."""

from django.db import models


class RateSample(models.Model):
    """Rates of one hour from CloudWatch, for a tenant or (without one) the whole account. Null: no data."""

    tenant = models.ForeignKey("tenants.Tenant", null=True, on_delete=models.CASCADE, related_name="rate_samples")
    region = models.CharField(max_length=32)
    at = models.DateTimeField(help_text="Start of the hour.")
    bounce = models.FloatField(null=True, help_text="A fraction.")
    complaint = models.FloatField(null=True, help_text="A fraction.")
    sent = models.FloatField(null=True, help_text="Messages in this hour.")

    class Meta:
        ordering = ("at",)
        constraints = (
            models.UniqueConstraint(fields=("region", "tenant", "at"), nulls_distinct=False, name="rates_of_hour_once"),
        )
        indexes = (models.Index(fields=("tenant", "at"), name="rates_of_tenant"),)

    def __str__(self) -> str:
        return f"{self.tenant_id or self.region} {self.at:%Y-%m-%d %H:%M}"


class Finding(models.Model):
    """One of SES's recommendations about a tenant, with SES's values. It is kept after it is resolved."""

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=60, help_text="SES's Type.")
    impact = models.CharField(max_length=30, blank=True, help_text="SES's Impact.")
    status = models.CharField(max_length=30, help_text="SES's Status when it was last listed.")
    text = models.TextField(blank=True, help_text="SES's Description, for staff.")
    opened_at = models.DateTimeField(help_text="SES's CreatedTimestamp.")
    changed_at = models.DateTimeField(null=True, help_text="SES's LastUpdatedTimestamp.")
    seen_at = models.DateTimeField(auto_now_add=True)
    over_at = models.DateTimeField(null=True, help_text="When it was no longer open.")

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = (models.UniqueConstraint(fields=("tenant", "kind", "opened_at"), name="finding_of_tenant_once"),)
        indexes = (
            models.Index(fields=("tenant",), condition=models.Q(over_at__isnull=True), name="finding_open_of_tenant"),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.kind} {self.impact}"


class ReputationRead(models.Model):
    """When a tenant, or (without one) the whole account, was last read, and why the last read failed."""

    tenant = models.OneToOneField("tenants.Tenant", null=True, on_delete=models.CASCADE, related_name="reputation_read")
    region = models.CharField(max_length=32)
    rates_at = models.DateTimeField(null=True, help_text="When CloudWatch last answered.")
    rates_problem = models.TextField(blank=True, help_text="Why it could not be read; empty after a successful read.")
    rates_source = models.CharField(
        max_length=20,
        blank=True,
        help_text="Kind of CloudWatch metrics: counts, rates, configuration_set, none.",
    )
    unmeasured_because = models.TextField(
        blank=True, help_text="Why mail was sent without metrics; empty: it is measured."
    )
    findings_at = models.DateTimeField(null=True, help_text="When SES last listed the findings.")
    findings_problem = models.TextField(
        blank=True, help_text="Why the findings could not be read; empty after a successful read."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("region",), condition=models.Q(tenant__isnull=True), name="reputation_read_of_account_once"
            ),
        )

    def __str__(self) -> str:
        return self.tenant_id or self.region


class SesEvent(models.Model):
    """A verified SNS message. Its ID is kept, so a repeated one has no effect."""

    id = models.CharField(primary_key=True, max_length=100, help_text="SNS's MessageId.")
    topic = models.CharField(max_length=300)
    kind = models.CharField(max_length=100, blank=True, help_text="EventBridge's detail-type, or SNS's Type.")
    tenant = models.ForeignKey("tenants.Tenant", null=True, on_delete=models.SET_NULL, related_name="ses_events")
    about = models.CharField(max_length=300, blank=True, help_text="Tenant name in the event.")
    effect = models.CharField(max_length=60, help_text="Result: read, confirmed, ignored.")
    sent_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-received_at",)
        verbose_name = "SES event"
        verbose_name_plural = "SES events"

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"
