"""SES tenants: desired state, state read from SES, and associations, in separate columns."""

from functools import cached_property

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable
from tenants.customer_notices.core import RECEIVING_WORDS, CustomerNotice, InboundMail
from tenants.lifecycle.core import ANOTHER, GONE
from tenants.lifecycle.core import TenantStage as TenantStage  # noqa: PLC0414  who queries the column finds its values here
from tenants.policy.core import Suppression as Suppression  # noqa: PLC0414  who queries the column finds its values here
from tenants.policy.core import status_to_resume
from tenants.status.core import SENDING, SHUTDOWN, STANDING_WORDS, sentence_of
from tenants.status.core import LayerName as LayerName  # noqa: PLC0414  as above
from tenants.status.core import Policy as Policy  # noqa: PLC0414
from tenants.status.core import SendingStatus as SendingStatus  # noqa: PLC0414
from tenants.status.core import TenantStatus as TenantStatus  # noqa: PLC0414


def new_tenant_id() -> str:
    return new_id("tenant", "-")


class PauseReason(models.TextChoices):
    SPAM = "spam", "Unwanted mail (spam)"
    PHISHING = "phishing", "Fraud or phishing"
    BOUNCES = "bounces", "High bounce rate"
    COMPLAINTS = "complaints", "High complaint rate"
    COMPROMISED = "compromised", "Compromised account"
    PAYMENT = "payment", "Overdue payment"
    LEGAL = "legal", "Legal request"
    OTHER = "other", "Other"


STAGES = [
    (TenantStage.CREATING.value, "Creating in SES"),
    (TenantStage.READY.value, "Created"),
    (TenantStage.DELETING.value, "Deleting"),
]
STANDINGS = [(standing.value, standing.value) for standing in TenantStatus]
SUPPRESSIONS = [(each.value, each.value) for each in Suppression]
POLICIES = [(policy.value, policy.value) for policy in Policy]


STOPPED = (
    models.Q(is_paused=True)
    | ~models.Q(stopped_as="")
    | models.Q(aggregate=SendingStatus.DISABLED)
    | models.Q(amazon_status=SendingStatus.DISABLED)
)


class Tenant(Lockable):
    """A customer's SES tenant in one region. SES's values are stored unchanged, also unknown ones."""

    id = models.CharField(primary_key=True, max_length=40, default=new_tenant_id, editable=False)
    customer = models.ForeignKey("accounts.Customer", on_delete=models.PROTECT, related_name="tenants")
    region = models.CharField(max_length=32)
    name = models.CharField(max_length=64, help_text="SES's TenantName; cannot be changed.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    stage = models.CharField(max_length=10, choices=STAGES, default=TenantStage.CREATING)
    stage_problem = models.TextField(blank=True, help_text="Why it is delayed, as shown on the page.")
    adopted = models.BooleanField(default=False, help_text="Imported: it existed in SES already.")

    # desired state
    policy = models.CharField(max_length=10, choices=POLICIES, default=Policy.STANDARD)
    policy_told = models.CharField(max_length=10, blank=True, help_text="Policy that was last set in SES.")
    suppression = models.CharField(
        max_length=10,
        choices=SUPPRESSIONS,
        default=Suppression.ACCOUNT,
        help_text="Suppression list: the account's or the tenant's own.",
    )
    suppression_told = models.CharField(max_length=10, blank=True, default=Suppression.ACCOUNT)
    configuration_set = models.CharField(
        max_length=64, help_text="The customer's configuration set, associated with the tenant."
    )
    is_paused = models.BooleanField(default=False, help_text="Staff paused its sending.")
    pause_is_ours = models.BooleanField(
        default=False,
        help_text="Paused by our API call, not by the policy or in the SES console.",
    )
    pause_reason = models.CharField(max_length=20, blank=True, choices=PauseReason.choices)
    pause_text = models.TextField(blank=True, help_text="Staff note.")
    pause_told = models.TextField(blank=True, help_text="Message to the customer.")
    pause_review_on = models.DateField(null=True, blank=True, help_text="Review date of the pause.")
    stops_receiving = models.BooleanField(default=False, help_text="The pause also stops the customer's inbound mail.")
    receiving_asked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When a stop of the inbound mail, or its end, was requested that SES's rules don't have yet.",
    )
    receiving_problem = models.TextField(blank=True, db_default="", help_text="Why SES's rules don't have it yet.")
    status_asked_at = models.DateTimeField(null=True, blank=True, help_text="When the pause or resume was requested.")
    status_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    status_told_at = models.DateTimeField(null=True, blank=True, help_text="When SES accepted the call; null: not yet.")
    status_proven_at = models.DateTimeField(null=True, blank=True, help_text="When SES confirmed the requested status.")
    status_problem = models.TextField(blank=True, help_text="Why the SES status differs from the requested one.")
    pause_reminded_on = models.DateField(null=True, blank=True, help_text="Review date for which staff got a reminder.")
    sends_since = models.DateTimeField(
        null=True, blank=True, help_text="When the customer's sends started naming the tenant."
    )

    stopped_as = models.CharField(
        max_length=10,
        blank=True,
        db_default="",
        help_text="What SES did with it (paused, suspended) before it was deleted there; until it is resumed.",
    )

    # state read from SES
    ses_id = models.CharField(max_length=100, blank=True)
    arn = models.CharField(max_length=300, blank=True)
    ses_created_at = models.DateTimeField(null=True, blank=True)
    ses_policy = models.CharField(max_length=100, blank=True, help_text="As its ARN ends; empty: not read.")
    ses_suppression = models.CharField(max_length=10, blank=True, help_text="SES's SuppressionScope; empty: not read.")
    staff_status = models.CharField(max_length=30, blank=True, help_text="SES's CustomerManagedStatus.")
    staff_cause = models.TextField(blank=True)
    staff_since = models.DateTimeField(null=True, blank=True)
    amazon_status = models.CharField(max_length=30, blank=True, help_text="SES's AwsSesManagedStatus.")
    amazon_cause = models.TextField(blank=True)
    amazon_since = models.DateTimeField(null=True, blank=True)
    aggregate = models.CharField(max_length=30, blank=True, help_text="SES's SendingStatusAggregate: what counts.")
    impact = models.CharField(max_length=30, blank=True, help_text="SES's ReputationImpact.")
    set_sends = models.BooleanField(null=True, help_text="Whether the configuration set may send; null: not read.")
    set_measures = models.BooleanField(null=True, help_text="Whether the set's reputation is measured; null: not read.")
    set_gone_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When SES was found not to have the configuration set; null once it has it again.",
    )
    set_read_at = models.DateTimeField(null=True, blank=True, help_text="When the set was last read or changed in SES.")
    suppression_read_at = models.DateTimeField(
        null=True, blank=True, help_text="When SES's suppression scope was last read or changed."
    )
    read_at = models.DateTimeField(null=True, blank=True, help_text="When it was last read from SES.")
    read_problem = models.TextField(
        blank=True, help_text="Why it could not be read from SES; empty after a successful read."
    )

    # derived state
    standing = models.CharField(max_length=10, choices=STANDINGS, default=TenantStatus.UNKNOWN)
    standing_since = models.DateTimeField(db_default=Now())
    bounce_rate = models.FloatField(null=True, help_text="Latest rate as a fraction; null: unknown.")
    complaint_rate = models.FloatField(null=True, help_text="Latest rate as a fraction; null: unknown.")
    open_high = models.PositiveIntegerField(default=0, help_text="Open findings of HIGH impact.")
    open_low = models.PositiveIntegerField(default=0, help_text="Open findings of LOW impact.")
    risk = models.PositiveIntegerField(default=0, help_text="Sort key of the list; higher is worse.")

    class Meta:
        ordering = ("name",)
        permissions = (
            ("pause_tenant", "Can pause a tenant's sending and resume it"),
            ("manage_tenant", "Can create, change, migrate and delete tenants"),
        )
        constraints = (
            models.UniqueConstraint(fields=("customer", "region"), name="tenant_of_customer_once"),
            models.UniqueConstraint(fields=("region", "name"), name="tenant_name_once"),
            models.UniqueConstraint(fields=("arn",), condition=~models.Q(arn=""), name="tenant_arn_once"),
        )
        indexes = (
            models.Index(fields=("-risk", "name"), name="tenant_by_risk"),
            models.Index(fields=("ses_id",), name="tenant_by_ses_id"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_stopped(self) -> bool:
        """Return whether staff paused it, also unconfirmed, or SES stops its sending by the last read.

        SES's pause also counts after somebody has deleted the tenant there. `STOPPED` says the same in queries.
        """
        return self.is_paused or bool(self.stopped_as) or SendingStatus.DISABLED in (self.aggregate, self.amazon_status)

    @property
    def pause_is_undone(self) -> bool:
        """Return whether somebody ended our pause in SES, by the last read. We still want it, until staff decide."""
        below = self.standing == TenantStatus.SUSPENDED and self.staff_status in SENDING
        ended = below or self.standing == TenantStatus.UNDONE
        return self.is_paused and not self.is_under_way and ended

    @property
    def shown_pause(self) -> dict[str, object]:
        """Return what a page shows of the pause that it ends or keeps, for `inbound_admin.lib.seen`."""
        names = ("status_asked_at", "pause_reason", "pause_text", "pause_review_on")
        return {name: getattr(self, name) for name in names}

    @property
    def names_tenant(self) -> bool:
        """Return whether the customer's sends name it. Until then a pause or suspension stops none of their mail."""
        return self.sends_since is not None

    @property
    def mail_standing(self) -> str:
        """Return the status of the customer's mail, which leaves while its sends don't name the tenant."""
        return self.standing if self.names_tenant else TenantStatus.ACTIVE

    @property
    def receiving(self) -> InboundMail:
        """Return what is known of the customer's inbound mail: a request counts once SES's rules have it."""
        if self.receiving_asked_at is None:
            return InboundMail.STOPPED if self.stops_receiving else InboundMail.ON
        return InboundMail.STOPPING if self.stops_receiving else InboundMail.RESTORING

    @property
    def standing_word(self) -> str:
        return STANDING_WORDS.get(self.standing, self.standing)

    @property
    def receiving_words(self) -> str:
        return RECEIVING_WORDS[self.receiving]

    @property
    def notice(self) -> CustomerNotice:
        """Return what the words for the customer depend on."""
        return CustomerNotice(
            self.customer.name,
            self.standing,
            self.pause_told,
            by_us=self.is_paused,
            is_confirmed=not self.is_under_way,
            receiving=self.receiving,
            names_tenant=self.names_tenant,
            account_stopped=self.account_stopped,
        )

    @property
    def sentence(self) -> str:
        """Return its sending status in words for staff, and in the API."""
        return sentence_of(
            self.stage, self.standing, names_tenant=self.names_tenant, account_stopped=self.account_stopped
        )

    @cached_property
    def account_stopped(self) -> bool:
        """Return whether SES sends for nobody in our account, by the last read. Lists annotate it."""
        return SesAccount.objects.filter(STOPPED_ACCOUNT, region=self.region).exists()

    @property
    def resumes_as(self) -> SendingStatus:
        """Return the status that a resume would set, by the last read. Used by the page and the call."""
        found = (("HIGH", self.open_high), ("LOW", self.open_low))
        return status_to_resume(
            policy=self.ses_policy or self.policy,
            impacts=(self.impact, *(impact for impact, number in found if number)),
            is_ours=self.pause_is_ours,
        )

    @property
    def is_gone(self) -> bool:
        """Return whether SES no longer has the tenant, by the last read."""
        return self.read_problem in (GONE, ANOTHER)

    @property
    def is_restoring(self) -> bool:
        """Return whether it was in SES before and is being created there again: until then, sends name no tenant."""
        return self.stage == TenantStage.CREATING and self.read_at is not None

    @property
    def awaits_set(self) -> bool:
        """Return whether the worker is to create the configuration set, which SES doesn't have any more."""
        return self.set_gone_at is not None and self.set_sends is None

    @property
    def is_under_way(self) -> bool:
        """Return whether a pause or resume was requested that SES hasn't confirmed."""
        return self.status_asked_at is not None and self.status_proven_at is None


class ResourceKind(models.TextChoices):
    """Values that SES returns; botocore's model has others (ses.md E)."""

    IDENTITY = "identity", "Identity"
    CONFIGURATION_SET = "configuration-set", "Configuration set"
    TEMPLATE = "template", "Template"


class TenantResource(models.Model):
    """A desired association, or one to remove. An identity has one tenant here, although SES allows more."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="resources")
    kind = models.CharField(max_length=20, choices=ResourceKind.choices)
    arn = models.CharField(max_length=400)
    name = models.CharField(max_length=320, help_text="The last part of the ARN: the domain, the set's name.")
    wanted = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    associated_at = models.DateTimeField(null=True, help_text="When SES confirmed the association; null: not yet.")
    checked_at = models.DateTimeField(
        null=True, help_text="When it was last found in no other tenant; null: not checked."
    )
    default_read_at = models.DateTimeField(
        null=True, help_text="When an identity's default configuration set was last read; null: not read."
    )
    default_set = models.CharField(
        max_length=64, blank=True, db_default="", help_text="An identity's default configuration set, as last read."
    )
    held_by = models.CharField(max_length=64, blank=True, help_text="Another tenant that has it; only for staff.")
    verified = models.BooleanField(null=True, help_text="Whether the identity can send; null: unknown.")
    problem = models.TextField(blank=True, help_text="Why it could not be associated, as shown on the page.")
    missing_since = models.DateTimeField(null=True, help_text="When SES first said that it doesn't have the resource.")
    retry_at = models.DateTimeField(null=True, help_text="When to ask SES again for a resource that it didn't have.")
    lost_at = models.DateTimeField(
        null=True, help_text="When SES was found to have lost the association; null once SES has it again."
    )

    class Meta:
        ordering = ("kind", "name")
        constraints = (
            models.UniqueConstraint(fields=("tenant", "arn"), name="resource_of_tenant_once"),
            models.UniqueConstraint(
                fields=("arn",), condition=models.Q(kind="identity", wanted=True), name="identity_in_one_tenant"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_lost(self) -> bool:
        """Return whether SES lost the association and doesn't have it again, also while it is being restored."""
        return self.lost_at is not None


class StatusChange(models.Model):
    """A status change of one layer, written when it was seen and never changed."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="status_changes")
    layer = models.CharField(max_length=20, choices=[(name.value, name.value) for name in LayerName])
    old = models.CharField(max_length=100, blank=True)
    new = models.CharField(max_length=100, blank=True)
    cause = models.TextField(blank=True)
    since = models.DateTimeField(null=True, help_text="As SES reports it; null: not reported.")
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-seen_at", "-id")
        indexes = (models.Index(fields=("tenant", "-seen_at"), name="status_change_of_tenant"),)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.layer}: {self.old} to {self.new}"


STOPPED_ACCOUNT = models.Q(sends=False) | models.Q(enforcement=SHUTDOWN)


class SesAccount(models.Model):
    """State of our SES account in a region (SESv2 GetAccount), above all tenants."""

    region = models.CharField(primary_key=True, max_length=32)
    enforcement = models.CharField(max_length=30, blank=True, help_text="HEALTHY, PROBATION or SHUTDOWN.")
    sends = models.BooleanField(null=True, help_text="SendingEnabled; null: not read.")
    in_production = models.BooleanField(null=True, help_text="ProductionAccessEnabled; null: not read.")
    most_in_24_hours = models.FloatField(null=True)
    sent_in_24_hours = models.FloatField(null=True)
    since = models.DateTimeField(null=True, help_text="When this status was first seen.")
    read_at = models.DateTimeField(null=True)
    problem = models.TextField(
        blank=True, help_text="Why it could not be read from SES; empty after a successful read."
    )
    pass_place = models.TextField(
        blank=True,
        db_default="",
        help_text="SES's NextToken where the pass over all tenants goes on; empty: at the top.",
    )
    pass_began_at = models.DateTimeField(null=True, help_text="When that pass began at the top.")
    pass_problem = models.TextField(blank=True, db_default="", help_text="Why the last pass couldn't list the tenants.")
    pass_failing_since = models.DateTimeField(null=True, help_text="When the first of such passes in a row failed.")

    def __str__(self) -> str:
        return self.region

    @property
    def is_stopped(self) -> bool:
        """Return whether SES sends for nobody in our account, by the last read."""
        return self.sends is False or self.enforcement == SHUTDOWN
