"""Runs that change the rules at SES, their steps, the states read before and after, and pending changes."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from inbound_admin.lib.ids import new_id


def new_run_id() -> str:
    return new_id("run")


def new_snapshot_id() -> str:
    return new_id("snap")


class OwnRuleSet(models.Model):
    """A rule set that we may change: created by us, or adopted by a person. Other sets are never changed."""

    name = models.CharField(max_length=64)
    region = models.CharField(max_length=32)
    adopted = models.BooleanField(default=False)
    since = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    because = models.TextField(blank=True)

    class Meta:
        ordering = ("-since", "-pk")
        constraints = (models.UniqueConstraint(fields=("region", "name"), name="own_rule_set_once"),)

    def __str__(self) -> str:
        return self.name


class RunKind(models.TextChoices):
    CUSTOMER = "customer", "Customer change"
    APPROVED = "approved", "Approved plan"
    ROLLBACK = "rollback", "Rollback"
    HOLDER = "holder", "Domain transfer"


class RunState(models.TextChoices):
    PROPOSED = "proposed", "Second approval needed"
    WAITING = "waiting", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    REFUSED = "refused", "Not applied"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


UNFINISHED = (RunState.WAITING, RunState.RUNNING)
OPEN = (RunState.PROPOSED, *UNFINISHED)


class Run(models.Model):
    """An approved plan and its outcome. Its steps are values of the core, as JSON."""

    id = models.CharField(primary_key=True, max_length=40, default=new_run_id, editable=False)
    kind = models.CharField(max_length=10, choices=RunKind.choices)
    region = models.CharField(max_length=32)
    customer = models.ForeignKey(
        "accounts.Customer", null=True, on_delete=models.SET_NULL, related_name="+", help_text="Customer of the change."
    )
    asked = models.JSONField(default=dict, help_text="Plan options: method, rules to take over, ...")
    scope = models.JSONField(null=True, help_text="The recipients that it may change; null: all.")
    digest = models.CharField(max_length=64)
    touched = models.CharField(max_length=64)
    summary = models.TextField()
    consequences = models.JSONField(default=list, help_text="A sentence for each address, most severe first.")
    calls = models.PositiveIntegerField()
    outcome = models.TextField(blank=True, help_text="Impact on mail, as read from SES after the run.")
    started_from = models.ForeignKey("Snapshot", null=True, on_delete=models.SET_NULL, related_name="+")
    set_aside = models.JSONField(default=list, help_text="Recipients that SES refused and the steps skip.")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    because = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.WAITING)
    problem = models.TextField(blank=True, help_text="Why the run waits or has ended, and what to do.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often SES refused the current step.")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    cancelled_at = models.DateTimeField(null=True, help_text="When a stop between two steps was requested.")

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
        return self.state not in OPEN


class StepState(models.TextChoices):
    TO_DO = "to_do", "To do"
    LEFT_OUT = "left_out", "Skipped"
    DONE = "done", "Done"


class RunStep(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField()
    step = models.JSONField()
    sentence = models.TextField()
    state = models.CharField(max_length=10, choices=StepState.choices, default=StepState.TO_DO)
    found_done = models.BooleanField(default=False, help_text="Already applied (a response was lost).")
    request_ids = models.JSONField(default=list)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("run", "number")
        constraints = (models.UniqueConstraint(fields=("run", "number"), name="run_step_once"),)

    def __str__(self) -> str:
        return self.sentence


class Snapshot(models.Model):
    """The rule set as read after a run or a check: the last known state, and a state to roll back to."""

    id = models.CharField(primary_key=True, max_length=40, default=new_snapshot_id, editable=False)
    region = models.CharField(max_length=32)
    name = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)
    content = models.JSONField()
    known = models.JSONField(null=True, help_text="As the run left it, if others changed it since; null: unchanged.")
    disabled = models.JSONField(null=True, help_text="Names of its disabled managed rules; null: unknown.")
    holders = models.JSONField(null=True, help_text="Customer ID of the holder of each domain in its rules.")
    digest = models.CharField(max_length=64)
    recipients = models.PositiveIntegerField()
    rules = models.PositiveIntegerField()
    own_rules = models.PositiveIntegerField(null=True, help_text="How many of them are managed; null: not counted.")
    own_recipients = models.PositiveIntegerField(null=True, help_text="Recipients of managed rules.")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="snapshots")

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("region", "-at"), name="snapshot_latest"),)

    def __str__(self) -> str:
        return f"{self.name}, {self.at:%-d %b %Y %H:%M}"

    @property
    def foreign_rules(self) -> int:
        return self.rules - (self.rules if self.own_rules is None else self.own_rules)


class RollbackHold(models.Model):
    """The recipients that a rollback changed, held from the start of its run until an operator releases them."""

    region = models.CharField(max_length=32)
    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="hold")
    recipients = models.JSONField(help_text="Each recipient with the ID of the customer who held its domain then.")
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.run}: {len(self.recipients):,} recipients"


class PendingChange(models.Model):
    """A customer's change that may not be in the SES rules yet; deleted once it is."""

    customer = models.OneToOneField("accounts.Customer", on_delete=models.CASCADE, related_name="+", primary_key=True)
    since = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    recipients = models.JSONField(null=True, help_text="Recipients that changed; null: all of the customer.")
    waits_because = models.TextField(blank=True, help_text="Why an operator must review it, as people read it.")
    domains = ArrayField(
        models.CharField(max_length=40), default=list, blank=True, help_text="IDs of its domains; none: all."
    )

    class Meta:
        ordering = ("since",)

    def __str__(self) -> str:
        return str(self.customer_id)

    def concerns(self, domain_id: str) -> bool:
        return not self.domains or domain_id in self.domains


# The last read of the rules at SES, ignored differences, and customers whose receiving is stopped.


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
