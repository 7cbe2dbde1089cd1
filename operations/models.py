"""Models that span the apps: tenant migrations, drift, batches, domain removals and imports."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import models

from inbound_admin.lib.ids import new_id
from inbound_admin.lib.lockable import Lockable
from operations.batches.core import BatchKind as BatchKind  # noqa: PLC0414  who queries the column finds its values here
from operations.drift.core import OUTAGES, Decision
from operations.legacy_import.core import ImportResult as ImportResult  # noqa: PLC0414  who queries the column finds its values here
from operations.legacy_import.core import RowKind as RowKind  # noqa: PLC0414  who queries the column finds its values here
from operations.tenant_migration.core import Chosen, MigrationStepState, Progress

_PERSON = settings.AUTH_USER_MODEL


def new_migration_id() -> str:
    return new_id("mig")


def new_item_id() -> str:
    return new_id("item")


def new_difference_id() -> str:
    return new_id("dif")


class MigrationState(models.TextChoices):
    PLANNED = "planned", "Planned"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class Migration(Lockable):
    """A selected set of customers that migrate into tenants; a single customer is a set of one."""

    id = models.CharField(primary_key=True, max_length=40, default=new_migration_id, editable=False)
    region = models.CharField(max_length=32)
    chosen = models.CharField(max_length=10, choices=[(each.value, each.words) for each in Chosen])
    chosen_text = models.CharField(max_length=200, blank=True, help_text="The filter text or the file name.")
    left_out = models.TextField(
        blank=True, db_default="", help_text="Lines of the file that selected no customer, and why."
    )
    because = models.TextField(blank=True)
    policy = models.CharField(max_length=10, help_text="Reputation policy of new tenants.")
    associates_below = models.BooleanField(
        default=False, db_default=False, help_text="Identities below the customers' domains join their tenants too."
    )
    identities_read_at = models.DateTimeField(null=True, help_text="When SES's identities were last listed for it.")
    at_most_per_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="Maximum customers started per hour."
    )
    state = models.CharField(max_length=10, choices=MigrationState.choices, default=MigrationState.PLANNED)
    waits_because = models.TextField(blank=True, help_text="Why it waits, as shown on the page.")
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (models.Index(fields=("state", "created_at"), name="migration_by_state"),)

    def __str__(self) -> str:
        return f"{self.get_chosen_display()}, {self.created_at.astimezone(UTC):%-d %b %Y %H:%M} UTC"

    @property
    def is_finished(self) -> bool:
        return self.state in (MigrationState.DONE, MigrationState.CANCELLED)


class ItemState(models.TextChoices):
    WAITING = "waiting", "Pending"
    RUNNING = "running", "Migrating"
    DONE = "done", "Migrated"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    ROLLING_BACK = "rolling_back", "Rolling back"
    ROLLED_BACK = "rolled_back", "Rolled back"


STARTED = (ItemState.RUNNING, ItemState.ROLLING_BACK)
UNFINISHED = (ItemState.WAITING, *STARTED)
REVERSIBLE = (ItemState.DONE, ItemState.FAILED, ItemState.RUNNING)


class MigrationItem(models.Model):
    """One customer of a migration, with the steps, their outcomes, and the previous state for a rollback."""

    id = models.CharField(primary_key=True, max_length=40, default=new_item_id, editable=False)
    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="items")
    customer = models.ForeignKey("accounts.Customer", on_delete=models.CASCADE, related_name="+")
    number = models.PositiveIntegerField(help_text="Position in the migration, from 1.")
    state = models.CharField(max_length=15, choices=ItemState.choices, default=ItemState.WAITING)
    problem = models.TextField(blank=True, help_text="Why it waits or failed, as shown on the page.")
    before = models.JSONField(default=dict, help_text="State before the migration, for a rollback; empty: not started.")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    switched_at = models.DateTimeField(null=True, help_text="When the customer's sends started naming the tenant.")
    rolls_back = models.BooleanField(
        default=False, db_default=False, help_text="A rollback was requested, and is not done."
    )
    asked_by = models.ForeignKey(
        _PERSON,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="Who started, retried or rolled it back last.",
    )
    asked_because = models.TextField(blank=True, db_default="", help_text="The reason of the last rollback.")

    steps_done: int
    steps_in_all: int

    class Meta:
        ordering = ("migration", "number")
        indexes = (models.Index(fields=("migration", "state", "number"), name="item_by_state"),)
        constraints = (
            models.UniqueConstraint(fields=("migration", "number"), name="item_number_once"),
            models.UniqueConstraint(
                fields=("customer",), condition=models.Q(state__in=UNFINISHED), name="customer_migrates_once_at_a_time"
            ),
        )

    def __str__(self) -> str:
        return str(self.customer)

    @property
    def rollback_failed(self) -> bool:
        return self.state == ItemState.FAILED and self.rolls_back

    @property
    def progress(self) -> Progress:
        """Return the numbers that `tenant_migration.selectors.items_of` annotates."""
        return Progress(self.steps_done, self.steps_in_all)


class MigrationStep(models.Model):
    """One step of a customer's migration, and its outcome."""

    item = models.ForeignKey(MigrationItem, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=400, blank=True, help_text="ARN of the associated resource.")
    sentence = models.TextField()
    call = models.CharField(max_length=60, blank=True, help_text="SES operation; empty if none is needed.")
    state = models.CharField(max_length=10, choices=[(each.value, each.words) for each in MigrationStepState])
    problem = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True)
    request_ids = models.JSONField(default=list)

    class Meta:
        ordering = ("item", "number")
        constraints = (models.UniqueConstraint(fields=("item", "kind", "subject"), name="migration_step_once"),)

    def __str__(self) -> str:
        return self.sentence


class Difference(Lockable):
    """A difference between SES and our rows. One row lasts until the difference ends or changes.

    `key` names the subject and the value found, so a further change is another difference without a decision.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_difference_id, editable=False)
    region = models.CharField(max_length=32)
    area = models.CharField(max_length=20, help_text="tenants, identities or rules.")
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=500)
    subject = models.CharField(max_length=400, help_text="Name or ARN of the object that differs.")
    place = models.CharField(max_length=64, blank=True, help_text="Name of the tenant or rule set.")
    customer = models.ForeignKey("accounts.Customer", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    sentence = models.TextField()
    wanted = models.JSONField(default=dict)
    found = models.JSONField(default=dict)
    may_adopt = models.BooleanField(default=False)
    may_restore = models.BooleanField(default=False)
    decision = models.CharField(max_length=10, blank=True, choices=[(each.value, each.words) for each in Decision])
    because = models.TextField(blank=True)
    by = models.ForeignKey(_PERSON, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True, help_text="Why the decision could not be applied.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, help_text="When a check no longer found it.")

    class Meta:
        ordering = ("area", "subject", "kind")
        indexes = (models.Index(fields=("region", "gone_at", "area"), name="difference_open"),)
        constraints = (
            models.UniqueConstraint(
                fields=("region", "key"), condition=models.Q(gone_at=None), name="open_difference_once"
            ),
        )

    def __str__(self) -> str:
        return self.sentence

    @property
    def is_outage(self) -> bool:
        """SES rejects or misroutes all mail. This must be fixed and can't be ignored."""
        return self.kind in OUTAGES


class DriftCheck(models.Model):
    """The last drift check of an area. With a `problem`, SES could not be read, so it proves nothing."""

    region = models.CharField(max_length=32)
    area = models.CharField(max_length=20)
    at = models.DateTimeField(null=True, help_text="When SES was last read completely.")
    asked_at = models.DateTimeField(null=True, help_text="When a check was last requested.")
    calls = models.PositiveIntegerField(default=0)
    tenants = models.PositiveIntegerField(null=True, help_text="Tenants of the account in SES.")
    problem = models.TextField(blank=True)
    place = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="Tenant after which the next check goes on; empty: at the first.",
    )
    began_at = models.DateTimeField(null=True, help_text="When the check that goes on there began at the first.")

    class Meta:
        db_table = "operations_driftlook"
        constraints = (models.UniqueConstraint(fields=("region", "area"), name="drift_look_once"),)

    def __str__(self) -> str:
        return f"{self.region} {self.area}"


def new_batch_id() -> str:
    return new_id("bulk")


class BatchItemState(models.TextChoices):
    WAITING = "waiting", "Pending"
    DONE = "done", "Done"
    REFUSED = "refused", "Failed"
    STOPPED = "stopped", "Stopped"


class Batch(Lockable):
    """One action on many things, with the same details. All its changes in the log carry its ID."""

    id = models.CharField(primary_key=True, max_length=40, default=new_batch_id, editable=False)
    kind = models.CharField(max_length=10, choices=[(each.value, each.words) for each in BatchKind])
    words = models.JSONField(default=dict, help_text="Details for all items: reason, dates, recipient.")
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    paused_at = models.DateTimeField(null=True, help_text="When it was paused; empty: it is not paused.")
    ended_at = models.DateTimeField(null=True, help_text="When its last item finished; empty: items are pending.")

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.created_at.astimezone(UTC):%-d %b %Y %H:%M} UTC"


class BatchItem(models.Model):
    """One domain, tenant, difference or customer of a batch, and its outcome."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=400, help_text="Name of the item, kept after the item is deleted.")
    domain = models.ForeignKey("domains.Domain", null=True, on_delete=models.SET_NULL, related_name="+")
    tenant = models.ForeignKey("tenants.Tenant", null=True, on_delete=models.SET_NULL, related_name="+")
    difference = models.ForeignKey(Difference, null=True, on_delete=models.SET_NULL, related_name="+")
    customer = models.ForeignKey("accounts.Customer", null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, choices=BatchItemState.choices, default=BatchItemState.WAITING)
    problem = models.TextField(blank=True, help_text="Why it failed or waits, as shown on the page.")
    done_at = models.DateTimeField(null=True)
    retried_by = models.ForeignKey(
        _PERSON,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="Who asked to retry it; empty: who started the batch.",
    )

    class Meta:
        ordering = ("batch", "number")
        constraints = (models.UniqueConstraint(fields=("batch", "number"), name="batch_item_once"),)
        indexes = (
            models.Index(fields=("number", "id"), name="batch_item_waiting", condition=models.Q(state="waiting")),
        )

    def __str__(self) -> str:
        return self.name

    def settle(self, *, now: datetime) -> None:
        """Mark the item as done, in the transaction of its change."""
        self.state, self.problem, self.done_at = BatchItemState.DONE, "", now
        self.save(update_fields=("state", "problem", "domain", "done_at"))


class DomainRemoval(models.Model):
    """The deletion of a domain: first its addresses and catch-alls, then receipt rules, then identity and row."""

    domain = models.OneToOneField("domains.Domain", on_delete=models.CASCADE, related_name="+", primary_key=True)
    bulk_id = models.CharField(max_length=40, help_text="ID of the bulk action that all its changes carry.")
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    problem = models.TextField(blank=True, help_text="Why it waits, as shown on the page.")

    class Meta:
        ordering = ("asked_at",)

    def __str__(self) -> str:
        return str(self.domain_id)


def new_legacy_import_id() -> str:
    return new_id("mov")


class LegacyImportState(models.TextChoices):
    CHECKING = "looking", "Checking"
    READY = "looked", "Ready to import"
    IMPORTING = "moving", "Importing"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class LegacyImport(models.Model):
    """Rows of the previous system's export. They are checked, previewed and then stored, customer by customer.

    The tables and two columns keep the names that they had before `LegacyImport` was called so.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_legacy_import_id, editable=False)
    region = models.CharField(max_length=32)
    name = models.CharField(max_length=200, help_text="Names of the files.")
    because = models.TextField()
    state = models.CharField(max_length=10, choices=LegacyImportState.choices, default=LegacyImportState.CHECKING)
    problem = models.TextField(blank=True, help_text="Why it waits, as shown on the page.")
    by = models.ForeignKey(_PERSON, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "operations_movingin"
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        return self.state in (LegacyImportState.DONE, LegacyImportState.CANCELLED)


class LegacyImportRow(models.Model):
    """One parsed row of an import. Until `done_at` is set, `result` is a preview."""

    legacy_import = models.ForeignKey(
        LegacyImport, on_delete=models.CASCADE, related_name="rows", db_column="moving_in_id"
    )
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=[(each.value, each.words) for each in RowKind])
    owner = models.CharField(max_length=320, blank=True, help_text="Email address of its owner.")
    name = models.CharField(max_length=400, blank=True)
    values = models.JSONField(default=dict)
    why_not = models.TextField(blank=True, help_text="Why the row can't be imported.")
    result = models.CharField(
        max_length=10, blank=True, choices=[(each.value, each.words) for each in ImportResult], db_column="fate"
    )
    words = models.TextField(blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "operations_movinginrow"
        ordering = ("legacy_import", "number")
        constraints = (models.UniqueConstraint(fields=("legacy_import", "number"), name="moving_in_row_once"),)
        indexes = (models.Index(fields=("legacy_import", "result", "number"), name="moving_in_by_fate"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"
