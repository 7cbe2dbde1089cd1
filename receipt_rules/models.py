"""Receiving: what is wanted (endpoints, addresses, catch-alls), and what was done about it at Amazon (runs, sets)."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from inbound_admin.lib import sealing
from inbound_admin.lib.ids import new_id
from receipt_rules.core.endpoint_secrets import shown_config

_PERSON = settings.AUTH_USER_MODEL


def new_endpoint_id() -> str:
    return new_id("ep")


def new_address_id() -> str:
    return new_id("addr")


def new_catch_all_id() -> str:
    return new_id("all")


def new_forwarding_id() -> str:
    return new_id("fwd")


def new_run_id() -> str:
    return new_id("run")


def new_snapshot_id() -> str:
    return new_id("snap")


def new_expectation_id() -> str:
    return new_id("exp")


class EndpointType(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"
    EMAIL = "email", "Forward to an email address"
    EMAIL_GROUP = "email_group", "Forward to several email addresses"


class Endpoint(models.Model):
    """Where a customer's mail goes. The columns of SES override the default delivery; empty is the default."""

    id = models.CharField(primary_key=True, max_length=40, default=new_endpoint_id, editable=False)
    customer = models.ForeignKey("tenants.Customer", on_delete=models.PROTECT, related_name="endpoints")
    name = models.CharField(max_length=120)
    type = models.CharField(max_length=20, choices=EndpointType.choices)
    description = models.CharField(max_length=2000, blank=True)
    sealed_config = models.TextField(blank=True, help_text="`config`, encrypted: it holds customers' secrets.")
    is_active = models.BooleanField(default=True)
    s3_bucket = models.CharField(max_length=63, blank=True)
    s3_prefix = models.CharField(max_length=200, blank=True)
    lambda_arn = models.CharField(max_length=300, blank=True)
    sns_topic = models.CharField(max_length=300, blank=True)
    tls_required = models.BooleanField(null=True, help_text="SES bounces mail that comes without TLS.")
    scan = models.BooleanField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint("customer", Lower("name"), name="endpoint_name_once"),
            models.CheckConstraint(condition=models.Q(type__in=EndpointType.values), name="endpoint_type"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def config(self) -> dict[str, Any]:
        """By type: url and more, address, or addresses; live values. Raises `sealing.Unreadable`."""
        return sealing.unseal_values(self.sealed_config)

    @config.setter
    def config(self, values: Mapping[str, Any]) -> None:
        self.sealed_config = sealing.seal_values(values)

    @property
    def shown_config(self) -> dict[str, Any]:
        """For people, whoever they are: secrets masked."""
        return shown_config(self.config)


class ForwardingState(models.TextChoices):
    WAITING = "waiting", "Waiting for confirmation"
    CONFIRMED = "confirmed", "Confirmed"
    REFUSED = "refused", "Refused by the recipient"


class Forwarding(models.Model):
    """Whether the holder of an address lets a customer forward mail to it. Outlives the endpoints that name it."""

    id = models.CharField(primary_key=True, max_length=40, default=new_forwarding_id, editable=False)
    customer = models.ForeignKey("tenants.Customer", on_delete=models.CASCADE, related_name="+")
    address = models.CharField(max_length=320, help_text="Lower case.")
    state = models.CharField(max_length=10, choices=ForwardingState.choices, default=ForwardingState.WAITING)
    asked_at = models.DateTimeField(null=True, help_text="When the last mail with the link went out.")
    asked_times = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, help_text="When the next mail is to go out; null: none.")
    problem = models.TextField(blank=True, help_text="Why no mail went out, in words for people.")
    answered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("address", "id")
        verbose_name = "confirmation of forwarding"
        verbose_name_plural = "confirmations of forwarding"
        indexes = (models.Index(fields=("due_at",), name="forwarding_due", condition=models.Q(due_at__isnull=False)),)
        constraints = (models.UniqueConstraint(fields=("customer", "address"), name="forwarding_once"),)

    def __str__(self) -> str:
        return self.address


class Wish(models.Model):
    """What an address and a catch-all have in common. `domain` is the customer's domain from which the right comes."""

    domain = models.ForeignKey("domains.Domain", on_delete=models.PROTECT, related_name="+")
    endpoint = models.ForeignKey(Endpoint, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    is_active = models.BooleanField(default=True)
    is_live = models.BooleanField(default=False, help_text="Amazon's rules took its mail when we last read them.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    @property
    def own_endpoint(self) -> Endpoint | None:
        """A domain that has moved to another customer leaves its endpoints behind."""
        endpoint = self.endpoint
        return endpoint if endpoint is not None and endpoint.customer_id == self.domain.customer_id else None


class Address(Wish):
    """An email address that takes mail, at a domain or at a name below it that is no domain of its own."""

    id = models.CharField(primary_key=True, max_length=40, default=new_address_id, editable=False)
    address = models.CharField(max_length=320, unique=True, help_text="Lower case; the domain in ASCII.")

    class Meta:
        ordering = ("address",)
        verbose_name_plural = "addresses"
        indexes = (models.Index(fields=("domain", "address"), name="address_of_domain"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(address=Lower("address"), address__contains="@"), name="address_lower_case"
            ),
        )

    def __str__(self) -> str:
        return self.address

    @property
    def recipient(self) -> str:
        return self.address


class CatchAll(Wish):
    """Everything at a domain or, with `subdomains`, everything at every name below it and nothing at it."""

    id = models.CharField(primary_key=True, max_length=40, default=new_catch_all_id, editable=False)
    subdomains = models.BooleanField(default=False)

    class Meta:
        ordering = ("domain", "subdomains")
        verbose_name = "catch-all"
        constraints = (models.UniqueConstraint(fields=("domain", "subdomains"), name="catch_all_once"),)

    def __str__(self) -> str:
        return f"everything {'below' if self.subdomains else 'at'} {self.domain}"

    @property
    def recipient(self) -> str:
        return f"{'.' if self.subdomains else ''}{self.domain.name}"


class OwnRuleSet(models.Model):
    """A rule set that we may change: made by us, or adopted by a person. Any other is never touched."""

    name = models.CharField(max_length=64)
    region = models.CharField(max_length=32)
    adopted = models.BooleanField(default=False)
    since = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    because = models.TextField(blank=True)

    class Meta:
        ordering = ("-since", "-pk")
        constraints = (models.UniqueConstraint(fields=("region", "name"), name="own_rule_set_once"),)

    def __str__(self) -> str:
        return self.name


class RunKind(models.TextChoices):
    CUSTOMER = "customer", "A customer's own change"
    APPROVED = "approved", "Approved plan"
    ROLLBACK = "rollback", "Roll back"


class RunState(models.TextChoices):
    WAITING = "waiting", "Waiting for the worker"
    RUNNING = "running", "Being carried out"
    DONE = "done", "Done"
    REFUSED = "refused", "Not carried out"
    FAILED = "failed", "Stopped by an error"
    CANCELLED = "cancelled", "Cancelled"


UNFINISHED = (RunState.WAITING, RunState.RUNNING)


class Run(models.Model):
    """One approved plan and what came of it. Its steps are values of the core, as JSON."""

    id = models.CharField(primary_key=True, max_length=40, default=new_run_id, editable=False)
    kind = models.CharField(max_length=10, choices=RunKind.choices)
    region = models.CharField(max_length=32)
    customer = models.ForeignKey(
        "tenants.Customer", null=True, on_delete=models.SET_NULL, related_name="+", help_text="Whose change it is."
    )
    asked = models.JSONField(default=dict, help_text="What the plan was asked for: method, rules to take over ...")
    scope = models.JSONField(null=True, help_text="The recipients that it may change; null for all.")
    digest = models.CharField(max_length=64)
    touched = models.CharField(max_length=64)
    summary = models.TextField()
    consequences = models.JSONField(default=list, help_text="A sentence for each address, the worst first.")
    calls = models.PositiveIntegerField()
    approved_by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    because = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.WAITING)
    problem = models.TextField(blank=True, help_text="Why it waits or has ended, and what to do.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often Amazon refused the present step.")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    cancelled_at = models.DateTimeField(null=True, help_text="When it was asked to stop between two steps.")

    class Meta:
        ordering = ("-created_at", "-id")
        permissions = (("operate_rules", "Can plan, approve and undo changes of receipt rules"),)
        indexes = (models.Index(fields=("state", "created_at"), name="run_by_state"),)
        constraints = (
            models.UniqueConstraint(
                fields=("region",), condition=models.Q(state=RunState.RUNNING), name="one_run_at_a_time"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.created_at:%-d %b %Y %H:%M}"

    @property
    def is_over(self) -> bool:
        return self.state not in UNFINISHED


class StepState(models.TextChoices):
    TO_DO = "to_do", "To do"
    DONE = "done", "Done"


class RunStep(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField()
    step = models.JSONField()
    sentence = models.TextField()
    state = models.CharField(max_length=10, choices=StepState.choices, default=StepState.TO_DO)
    found_done = models.BooleanField(default=False, help_text="It stood already: an answer had been lost.")
    request_ids = models.JSONField(default=list)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("run", "number")
        constraints = (models.UniqueConstraint(fields=("run", "number"), name="run_step_once"),)

    def __str__(self) -> str:
        return self.sentence


class Snapshot(models.Model):
    """The rule set as it was read after a run or at a look: the last known state, and what one can roll back to."""

    id = models.CharField(primary_key=True, max_length=40, default=new_snapshot_id, editable=False)
    region = models.CharField(max_length=32)
    name = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)
    content = models.JSONField()
    known = models.JSONField(null=True, help_text="As we left it, where others had changed it by then; null: the same.")
    holders = models.JSONField(null=True, help_text="Whose each name was that its rules name: name to customer's id.")
    digest = models.CharField(max_length=64)
    recipients = models.PositiveIntegerField()
    rules = models.PositiveIntegerField()
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="snapshots")

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("region", "-at"), name="snapshot_latest"),)

    def __str__(self) -> str:
        return f"{self.name}, {self.at:%-d %b %Y %H:%M}"


class PendingChange(models.Model):
    """A customer has changed something that Amazon's rules may not show yet; the row goes when they do."""

    customer = models.OneToOneField("tenants.Customer", on_delete=models.CASCADE, related_name="+", primary_key=True)
    since = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    waits_because = models.TextField(blank=True, help_text="Why an operator must look at it, in words for people.")

    class Meta:
        ordering = ("since",)

    def __str__(self) -> str:
        return str(self.customer_id)


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
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("address",)

    def __str__(self) -> str:
        return f"{self.address} {self.get_expected_display()}"


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


class IgnoredDifference(models.Model):
    """A difference between Amazon's rules and ours that a person has decided to leave."""

    region = models.CharField(max_length=32)
    key = models.CharField(max_length=400)
    because = models.TextField()
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
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

    customer = models.OneToOneField("tenants.Customer", on_delete=models.CASCADE, related_name="+", primary_key=True)
    is_stopped = models.BooleanField(default=True)
    asked_at = models.DateTimeField()
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    because = models.TextField(blank=True)
    settled_at = models.DateTimeField(null=True, help_text="When Amazon's rules were as the stop wants them.")

    class Meta:
        ordering = ("-asked_at",)

    def __str__(self) -> str:
        return str(self.customer_id)
