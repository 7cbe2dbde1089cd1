"""Reads migrations, their progress, the customers to choose from, and the inventory of what a customer's sends use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain, Stage, SubIdentity
from inbound_admin.lib import aws, jobs
from operations.jobs import MIGRATE
from operations.models import REVERSIBLE, UNFINISHED, ItemState, Migration, MigrationItem, MigrationState, MigrationStep
from operations.tenant_migration.core import (
    Inventory,
    MigrationResource,
    MigrationStepState,
    seconds_left,
    wait_seconds,
)
from tenants.lifecycle.core import tenant_name
from tenants.lifecycle.selectors import tenant_of, tenants_in_region
from tenants.models.tenants import STOPPED, ResourceKind, Tenant, TenantResource

CALLS_OF_CUSTOMER = 6  # without those for its domains
CALLS_OF_IDENTITY = 3  # its default configuration set, the tenants that have it, its association
IDENTITIES_PER_CALL = 1000
EXAMPLES = 5
GROUPS = {
    "waiting": ("Pending", (ItemState.WAITING,)),
    "running": ("Migrating", (ItemState.RUNNING, ItemState.ROLLING_BACK)),
    "done": ("Migrated", (ItemState.DONE,)),
    "failed": ("Failed", (ItemState.FAILED,)),
    "back": ("Rolled back", (ItemState.ROLLED_BACK,)),
    "cancelled": ("Cancelled", (ItemState.CANCELLED,)),
}


NOUNS = {"domain": "domains", "identity": "identities"}
BELOW_JOIN = "SES also has {} below these domains. They are associated with the tenants as well."
BELOW_STOP = (
    "SES also has {} below these domains. It would reject mail from there that names a tenant. Customers who have one "
    "are not switched: plan the migration again and choose to associate these identities, or delete them in SES."
)
READ_LASTS = timedelta(days=1)  # a default configuration set that was read earlier is read again before the switch


@dataclass(frozen=True)
class MigrationCounts:
    """How many items of a migration are in each state, and how long the rest takes."""

    total: int
    by_group: dict[str, int]
    seconds_left: int
    failed_rollbacks: int = 0  # their sends still name the tenants

    @property
    def done(self) -> int:
        """Return how many customers' sends name their tenants."""
        return self.by_group["done"] + self.failed_rollbacks

    @property
    def over(self) -> int:
        return self.total - self.by_group["waiting"] - self.by_group["running"]

    @property
    def failed(self) -> int:
        return self.by_group["failed"]

    @property
    def is_partial(self) -> bool:
        return 0 < self.done < self.total


@dataclass(frozen=True)
class MigrationForecast:
    """Forecast for pending customers: maximum calls, what isn't migrated, and what doesn't send yet."""

    customers: int
    domains: int
    calls: int
    unverified: tuple[int, tuple[str, ...]]  # how many, and the first names
    left_out: tuple[int, tuple[str, ...]]
    below: tuple[int, tuple[str, ...]]  # identities in SES below the domains, which are no domains here
    associates_below: bool
    without_domains: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each kind."""
        found = []
        if self.unverified[0]:
            found.append(f"Not verified yet, so SES rejects mail from them: {_named(*self.unverified)}.")
        if self.left_out[0]:
            found.append(f"Not set up yet; added to the tenant when they are: {_named(*self.left_out)}.")
        if self.below[0]:
            found.append((BELOW_JOIN if self.associates_below else BELOW_STOP).format(_named(*self.below, "identity")))
        if self.without_domains:
            whose = "1 customer has" if self.without_domains == 1 else f"{self.without_domains:,} customers have"
            found.append(f"{whose} no domain in this region.")
        return tuple(found)


def kept_by_pause(migration: Migration) -> dict[str, Customer]:
    """Return by ID the customers that a rollback leaves in their tenants: their sends name one that is stopped."""
    items = MigrationItem.objects.filter(migration=migration, state__in=REVERSIBLE)
    sending = tenants_in_region().filter(customer__in=items.values("customer"), sends_since__isnull=False)
    stopped = sending.filter(STOPPED).select_related("customer").order_by("name")
    return {tenant.customer_id: tenant.customer for tenant in stopped}


def held_by_pause(customers: Sequence[Customer]) -> str:
    """Say why these customers aren't rolled back; "" for none."""
    if not customers:
        return ""
    names = ", ".join(str(each) for each in customers[:EXAMPLES])
    more = f" and {len(customers) - EXAMPLES:,} more" if len(customers) > EXAMPLES else ""
    return (
        f"Sending is paused for {names}{more}. Outside the tenant the mail would leave again, so a rollback keeps "
        "these customers in their tenants until they may send again."
    )


def _named(number: int, names: tuple[str, ...], noun: str = "domain") -> str:
    more = f" and {number - len(names)} more" if number > len(names) else ""
    plural = noun if number == 1 else NOUNS[noun]
    return f"{number:,} {plural} ({', '.join(names)}{more})"


def may_migrate(viewer: User) -> bool:
    return viewer.is_active and viewer.has_perm("tenants.manage_tenant")


def may_see(viewer: User) -> bool:
    return viewer.is_active and viewer.has_perm("tenants.view_tenant")


def migrations() -> QuerySet[Migration]:
    """Return migrations, newest first, with the number of all, migrated and failed customers."""
    done, failed = (Count("items", filter=state) for state in (SWITCHED, Q(items__state=ItemState.FAILED)))
    found = Migration.objects.filter(region=settings.AWS_REGION).select_related("by")
    counted = found.annotate(customers=Count("items"), migrated=done, failed=failed)
    return counted.order_by("-created_at", "-pk")  # grouping drops the model's ordering


SWITCHED = Q(items__state=ItemState.DONE) | Q(items__state=ItemState.FAILED, items__switched_at__isnull=False)


_STEPS = MigrationStep.objects.filter(item=OuterRef("pk")).order_by().values("item").annotate(number=Count("pk"))
_DONE = _STEPS.filter(state__in=(MigrationStepState.DONE, MigrationStepState.FOUND))


def items_of(migration: Migration, group: str = "") -> QuerySet[MigrationItem]:
    """Return the items with their customers and the numbers of their steps: a large customer has thousands of steps."""
    found = MigrationItem.objects.filter(migration=migration).select_related("customer")
    found = found.annotate(  # type: ignore[no-redef]  # the model declares them
        steps_done=Coalesce(Subquery(_DONE.values("number")), 0),
        steps_in_all=Coalesce(Subquery(_STEPS.values("number")), 0),
    )
    return found.filter(state__in=GROUPS[group][1]) if group in GROUPS else found


def counts(migration: Migration) -> MigrationCounts:
    items = MigrationItem.objects.filter(migration=migration)
    found = dict(items.order_by().values_list("state").annotate(number=Count("pk")))
    by_group = {key: sum(found.get(state, 0) for state in states) for key, (_, states) in GROUPS.items()}
    seconds = 0 if migration.is_finished else _seconds_left(migration, by_group)
    failed_rollbacks = (
        items.filter(state=ItemState.FAILED, switched_at__isnull=False).count() if by_group["failed"] else 0
    )
    return MigrationCounts(sum(by_group.values()), by_group, seconds, failed_rollbacks)


def forecast_of(migration: Migration) -> MigrationForecast:
    """Forecast for the pending customers of a migration."""
    return forecast(waiting_customers(migration), associates_below=migration.associates_below)


def forecast(customers: QuerySet[Customer], *, associates_below: bool = False) -> MigrationForecast:
    """Forecast for customers in a few queries, however many there are."""
    domains = _domains_of(customers)
    below = _below(customers)
    ready = domains.filter(stage=Stage.READY)
    total = customers.count()
    return MigrationForecast(
        customers=total,
        domains=ready.count(),
        calls=_calls_at_most(customers, associates_below=associates_below),
        unverified=_first(ready.filter(verified_at=None)),
        left_out=_first(domains.exclude(stage=Stage.READY)),
        below=(below.count(), tuple(below.values_list("name", flat=True)[:EXAMPLES])),
        associates_below=associates_below,
        without_domains=total - domains.order_by().values("customer").distinct().count(),
    )


def _domains_of(customers: QuerySet[Customer]) -> QuerySet[Domain]:
    return domain_list_selectors.domains_in_region().filter(customer__in=customers.order_by().values("pk"))


def _below(customers: QuerySet[Customer]) -> QuerySet[SubIdentity]:
    """Return the identities below these customers' domains that their tenants don't have."""
    whose = customers.order_by()
    there = TenantResource.objects.filter(
        kind=ResourceKind.IDENTITY, wanted=True, tenant__customer__in=whose.values("pk")
    )
    return sub_identities_of(whose).exclude(name__in=there.values("name"))


def _calls_at_most(customers: QuerySet[Customer], *, associates_below: bool) -> int:
    identities = _domains_of(customers).filter(stage=Stage.READY).count()
    identities += _below(customers).count() if associates_below else 0
    return customers.count() * CALLS_OF_CUSTOMER + identities * CALLS_OF_IDENTITY + _list_calls()


def _list_calls() -> int:
    """Return the calls that list SES's identities once, by the number of domains here."""
    return 1 + domain_list_selectors.domains_in_region().count() // IDENTITIES_PER_CALL


def _first(domains: QuerySet[Domain]) -> tuple[int, tuple[str, ...]]:
    return domains.count(), tuple(domains.order_by("name").values_list("name", flat=True)[:EXAMPLES])


def waiting_customers(migration: Migration) -> QuerySet[Customer]:
    waiting = MigrationItem.objects.filter(migration=migration, state=ItemState.WAITING)
    return Customer.objects.filter(pk__in=waiting.values("customer"))


def _seconds_left(migration: Migration, by_group: dict[str, int]) -> int:
    steps = MigrationStep.objects.filter(item__migration=migration, item__state=ItemState.RUNNING)
    to_do = steps.filter(state=MigrationStepState.TO_DO).exclude(call="").count()
    waiting, below = waiting_customers(migration), migration.associates_below
    calls = _calls_at_most(waiting, associates_below=below) + to_do
    held = seconds_until_next(migration, timezone.now()) if by_group["waiting"] else 0
    return held + seconds_needed(by_group["waiting"], calls, migration.at_most_per_hour)


def seconds_needed(customers: int, calls: int, at_most_per_hour: int | None) -> int:
    """Estimate by the queue and the SES rate limit, or by the hourly limit if that is slower."""
    return max(jobs.seconds_left(task=MIGRATE, calls=calls), seconds_left(customers, calls, at_most_per_hour))


def rollbacks() -> QuerySet[MigrationItem]:
    """Return the customers that are being rolled back, in the order of the migrations."""
    items = MigrationItem.objects.filter(migration__region=settings.AWS_REGION, state=ItemState.ROLLING_BACK)
    return items.select_related("customer", "migration").order_by("migration__created_at", "number")


def to_switch_back() -> QuerySet[MigrationItem]:
    """Return those of them whose sends still name the tenant, and didn't before the migration."""
    sending = tenants_in_region().filter(customer=OuterRef("customer"), sends_since__isnull=False)
    return rollbacks().filter(Exists(sending), before__sends_since="")


def next_item(migration: Migration) -> MigrationItem | None:
    """Return the next item. Started ones come first, so nobody stays half migrated."""
    items = MigrationItem.objects.filter(migration=migration, state__in=UNFINISHED).select_related("customer")
    begun = items.exclude(state=ItemState.WAITING).order_by("number").first()
    return begun or items.order_by("number").first()


def seconds_until_next(migration: Migration, now: datetime) -> int:
    begun = MigrationItem.objects.filter(migration=migration, started_at__isnull=False)
    moments = list(begun.values_list("started_at", flat=True))
    return wait_seconds(now, [moment for moment in moments if moment], migration.at_most_per_hour)


def unfinished() -> QuerySet[Migration]:
    """Return migrations that the worker has to continue, oldest first.

    A paused or cancelled one finishes started items.
    """
    begun = (ItemState.RUNNING, ItemState.ROLLING_BACK)
    found = Migration.objects.filter(region=settings.AWS_REGION)
    running = found.filter(Q(state=MigrationState.RUNNING) | Q(items__state__in=begun))
    return running.distinct().order_by("created_at", "pk")


def customers_to_migrate(text: str = "") -> QuerySet[Customer]:
    """Return customers whose sends name no tenant in this region, without an open migration, by part of the name."""
    switched = Tenant.objects.filter(region=settings.AWS_REGION, sends_since__isnull=False).values("customer")
    in_hand = MigrationItem.objects.filter(state__in=UNFINISHED).values("customer")
    found = Customer.objects.exclude(pk__in=switched).exclude(pk__in=in_hand)
    if text:
        found = found.filter(Q(name__icontains=text) | Q(pk=text))
    return found.order_by(Lower("name"), "pk")


def item_of_customer(customer: Customer) -> MigrationItem | None:
    """Return the customer's newest item."""
    items = MigrationItem.objects.filter(customer=customer, migration__region=settings.AWS_REGION)
    return items.select_related("migration", "customer").order_by("-migration__created_at").first()


NOT_YET = "…"  # placeholder for the ID of a tenant that doesn't exist yet
LEFT_OUT = {
    Stage.CLAIM: "{name}: ownership is not proven yet. It is added to the tenant when it is set up.",
    Stage.STARTING: "{name}: still being set up in SES. It is added to the tenant automatically.",
    Stage.DELETING: "{name} is being deleted.",
}


def inventory_of(
    customer: Customer,
    *,
    is_alone: bool = True,
    associates_below: bool = False,
    runs: bool = False,
    is_listed: bool = False,
) -> Inventory:
    """Read the inventory in a few queries, plus STS once a process for the ARNs' account. Raises AwsProblem.

    `is_alone`: SES's identities are listed for this customer alone. `runs`: for the worker, which counts only what the
    present attempt has read; `is_listed`: it has listed SES's identities.
    """
    tenant = tenant_of(customer)
    known = {row.arn: row for row in TenantResource.objects.filter(tenant=tenant, wanted=True)} if tenant else {}
    domains = domain_list_selectors.domains_in_region().filter(customer=customer).only("name", "stage").order_by("name")
    own = _own_set(tenant, customer, known)
    identity = partial(_identity, known=known, read_since=_read_since(tenant, runs=runs))
    ready = [identity(each.name) for each in domains if each.stage == Stage.READY]
    below = [identity(each.name) for each in sub_identities_of([customer])]
    joining = [each for each in below if associates_below or each.arn in known]
    there = {each.arn for each in (*ready, *joining)}
    rest = [row for row in known.values() if row.kind == ResourceKind.IDENTITY and row.arn not in there]
    others = (row for row in known.values() if row.arn != own.arn and row.kind != ResourceKind.IDENTITY)
    return Inventory(
        tenant=tenant.name if tenant else tenant_name(customer.name, NOT_YET),
        is_created=bool(tenant and tenant.arn),
        has_policy=bool(tenant and tenant.policy_told == tenant.policy),
        configuration_set=own,
        set_is_made=bool(tenant and tenant.set_sends is not None and not tenant.set_gone_at),
        identities=(*ready, *joining, *(identity(row.name) for row in rest)),
        others=tuple(MigrationResource(row.kind, row.name, row.arn, _is_associated(row)) for row in others),
        left_out=tuple(LEFT_OUT[Stage(each.stage)].format(name=each) for each in domains if each.stage != Stage.READY),
        undecided=tuple(each.name for each in below if each not in joining),
        is_listed=is_listed,
        is_alone=is_alone,
        has_status=bool(tenant and tenant.read_at),
        is_switched=bool(tenant and tenant.sends_since),
    )


def _read_since(tenant: Tenant | None, *, runs: bool) -> datetime | None:
    """Return since when a read of a default configuration set counts, None if none does.

    Before an attempt none does; afterwards, the customer's sends name the tenant, and the reads of it do.
    """
    if runs:
        return timezone.now() - READ_LASTS
    return datetime.min.replace(tzinfo=UTC) if tenant and tenant.sends_since else None


def _identity(name: str, known: dict[str, TenantResource], read_since: datetime | None) -> MigrationResource:
    arn = aws.identity_arn(name)
    row = known.get(arn)
    read_at = row.default_read_at if row else None
    is_read = bool(read_at and read_since and read_at > read_since)
    return MigrationResource(ResourceKind.IDENTITY, name, arn, _is_associated(row), has_default_read=is_read)


def person_of(item: MigrationItem) -> User | None:
    """Return who asked for what the worker does, and had the permission then; None is the command line."""
    return item.asked_by or item.migration.by


def arn_of(kind: str, name: str) -> str:
    """Return the ARN of an SES resource in our account. Raises AwsProblem if the account ID can't be read."""
    return aws.identity_arn("").removesuffix("identity/") + f"{kind}/{name}"


def _own_set(tenant: Tenant | None, customer: Customer, known: dict[str, TenantResource]) -> MigrationResource:
    name = (tenant.configuration_set if tenant else "") or tenant_name(customer.name, NOT_YET)
    arn = arn_of(ResourceKind.CONFIGURATION_SET, name)
    is_there = not (tenant and tenant.set_gone_at) and _is_associated(known.get(arn))
    return MigrationResource(ResourceKind.CONFIGURATION_SET, name, arn, is_there)


def _is_associated(row: TenantResource | None) -> bool:
    return row is not None and row.associated_at is not None


def sub_identities_of(customers: Sequence[Customer] | QuerySet[Customer]) -> QuerySet[SubIdentity]:
    """Return the identities below these customers' domains, as of the last read, by name."""
    return SubIdentity.objects.filter(region=settings.AWS_REGION, domain__customer__in=customers).order_by("name")
