"""Reads migrations, their progress, the customers to choose from, and the inventory of what a customer's sends use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.domain_list import selectors as domain_list_selectors
from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws, jobs
from operations.jobs import MIGRATE
from operations.models import REVERSIBLE, UNFINISHED, ItemState, Migration, MigrationItem, MigrationState, MigrationStep
from operations.tenant_migration.core import (
    Chosen,
    Inventory,
    MigrationResource,
    MigrationStepState,
    seconds_left,
    wait_seconds,
)
from tenants.lifecycle.core import tenant_name
from tenants.lifecycle.selectors import tenant_of, tenants_in_region
from tenants.models.tenants import ResourceKind, Tenant, TenantResource

CALLS_OF_CUSTOMER = 6  # without those for its domains
CALLS_OF_ADOPTED = 3  # for a domain that others made: its configuration set, its tenants, its association
EXAMPLES = 5
GROUPS = {
    "waiting": ("Pending", (ItemState.WAITING,)),
    "running": ("Migrating", (ItemState.RUNNING, ItemState.ROLLING_BACK)),
    "done": ("Migrated", (ItemState.DONE,)),
    "failed": ("Failed", (ItemState.FAILED,)),
    "back": ("Rolled back", (ItemState.ROLLED_BACK,)),
    "cancelled": ("Cancelled", (ItemState.CANCELLED,)),
}


@dataclass(frozen=True)
class MigrationCounts:
    """How many items of a migration are in each state, and how long the rest takes."""

    total: int
    by_group: dict[str, int]
    seconds_left: int

    @property
    def done(self) -> int:
        return self.by_group["done"]

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
    without_domains: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each kind."""
        found = []
        if self.unverified[0]:
            found.append(f"Not verified yet, so SES rejects mail from them: {_named(*self.unverified)}.")
        if self.left_out[0]:
            found.append(f"Not set up yet; added to the tenant when they are: {_named(*self.left_out)}.")
        if self.without_domains:
            whose = "1 customer has" if self.without_domains == 1 else f"{self.without_domains:,} customers have"
            found.append(f"{whose} no domain in this region.")
        return tuple(found)


def kept_by_pause(migration: Migration) -> dict[str, Customer]:
    """Return by ID the customers that a rollback leaves in their tenants: their sends name one that is stopped."""
    items = MigrationItem.objects.filter(migration=migration, state__in=REVERSIBLE)
    sending = tenants_in_region().filter(customer__in=items.values("customer"), sends_since__isnull=False)
    stopped = [tenant for tenant in sending.select_related("customer").order_by("name") if tenant.is_stopped]
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


def _named(number: int, names: tuple[str, ...]) -> str:
    more = f" and {number - len(names)} more" if number > len(names) else ""
    return f"{number:,} domain{'' if number == 1 else 's'} ({', '.join(names)}{more})"


def may_migrate(viewer: User) -> bool:
    return viewer.is_active and viewer.has_perm("tenants.manage_tenant")


def may_see(viewer: User) -> bool:
    return viewer.is_active and viewer.has_perm("tenants.view_tenant")


def migrations() -> QuerySet[Migration]:
    """Return migrations, newest first, with the number of all, migrated and failed customers."""
    done, failed = (Count("items", filter=Q(items__state=state)) for state in (ItemState.DONE, ItemState.FAILED))
    found = Migration.objects.filter(region=settings.AWS_REGION).select_related("by")
    counted = found.annotate(customers=Count("items"), migrated=done, failed=failed)
    return counted.order_by("-created_at", "-pk")  # grouping drops the model's ordering


def items_of(migration: Migration, group: str = "") -> QuerySet[MigrationItem]:
    found = MigrationItem.objects.filter(migration=migration).select_related("customer").prefetch_related("steps")
    return found.filter(state__in=GROUPS[group][1]) if group in GROUPS else found


def counts(migration: Migration) -> MigrationCounts:
    items = MigrationItem.objects.filter(migration=migration)
    found = dict(items.order_by().values_list("state").annotate(number=Count("pk")))
    by_group = {key: sum(found.get(state, 0) for state in states) for key, (_, states) in GROUPS.items()}
    return MigrationCounts(
        sum(by_group.values()), by_group, 0 if migration.is_finished else _seconds_left(migration, by_group)
    )


def forecast(customers: QuerySet[Customer], chosen: str) -> MigrationForecast:
    """Forecast for customers in a few queries, however many there are. `chosen`: how, see `Chosen`."""
    domains = _domains_of(customers)
    ready = domains.filter(stage=Stage.READY)
    total = customers.count()
    return MigrationForecast(
        customers=total,
        domains=ready.count(),
        calls=_calls_at_most(customers, chosen),
        unverified=_first(ready.filter(verified_at=None)),
        left_out=_first(domains.exclude(stage=Stage.READY)),
        without_domains=total - domains.order_by().values("customer").distinct().count(),
    )


def _domains_of(customers: QuerySet[Customer]) -> QuerySet[Domain]:
    return domain_list_selectors.domains_in_region().filter(customer__in=customers.order_by().values("pk"))


def _calls_at_most(customers: QuerySet[Customer], chosen: str) -> int:
    """For one customer SES is asked about each identity's tenants; for many, a list of all tenants answers that."""
    by_adopted = _domains_of(customers).filter(stage=Stage.READY).order_by().values("adopted")
    domains = dict(by_adopted.annotate(number=Count("pk")).values_list("adopted", "number"))
    own, adopted = domains.get(False, 0), domains.get(True, 0)
    each = 2 if chosen == Chosen.CUSTOMER else 1
    return customers.count() * CALLS_OF_CUSTOMER + own * each + adopted * CALLS_OF_ADOPTED


def _first(domains: QuerySet[Domain]) -> tuple[int, tuple[str, ...]]:
    return domains.count(), tuple(domains.order_by("name").values_list("name", flat=True)[:EXAMPLES])


def waiting_customers(migration: Migration) -> QuerySet[Customer]:
    waiting = MigrationItem.objects.filter(migration=migration, state=ItemState.WAITING)
    return Customer.objects.filter(pk__in=waiting.values("customer"))


def _seconds_left(migration: Migration, by_group: dict[str, int]) -> int:
    steps = MigrationStep.objects.filter(item__migration=migration, item__state=ItemState.RUNNING)
    to_do = steps.filter(state=MigrationStepState.TO_DO).exclude(call="").count()
    calls = _calls_at_most(waiting_customers(migration), migration.chosen) + to_do
    held = seconds_until_next(migration, timezone.now()) if by_group["waiting"] else 0
    return held + seconds_needed(by_group["waiting"], calls, migration.at_most_per_hour)


def seconds_needed(customers: int, calls: int, at_most_per_hour: int | None) -> int:
    """Estimate by the queue and the SES rate limit, or by the hourly limit if that is slower."""
    return max(jobs.seconds_left(task=MIGRATE, calls=calls), seconds_left(customers, calls, at_most_per_hour))


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


def inventory_of(customer: Customer, *, surveyed: bool = False) -> Inventory:
    """Read the inventory in two queries, plus STS once a process for the ARNs' account. Raises AwsProblem.

    `surveyed`: a list of all tenants was read, so SES isn't asked about each identity.
    """
    tenant = tenant_of(customer)
    known = {row.arn: row for row in TenantResource.objects.filter(tenant=tenant, wanted=True)} if tenant else {}
    domains = list(domain_list_selectors.domains_in_region().filter(customer=customer).order_by("name"))
    ready = [domain for domain in domains if domain.stage == Stage.READY]
    own = _own_set(tenant, customer, known)
    identities = tuple(_identity(domain, known, surveyed=surveyed) for domain in ready)
    taken = {own.arn, *(each.arn for each in identities)}
    rest = (row for row in known.values() if row.arn not in taken and row.kind != ResourceKind.IDENTITY)
    return Inventory(
        tenant=tenant.name if tenant else tenant_name(customer.name, NOT_YET),
        is_created=bool(tenant and tenant.arn),
        has_policy=bool(tenant and tenant.policy_told == tenant.policy),
        configuration_set=own,
        set_is_made=bool(tenant and tenant.set_sends is not None),
        identities=identities,
        others=tuple(_other(row) for row in rest),
        left_out=tuple(LEFT_OUT[Stage(each.stage)].format(name=each) for each in domains if each.stage != Stage.READY),
        has_status=bool(tenant and tenant.read_at),
        is_switched=bool(tenant and tenant.sends_since),
    )


def arn_of(kind: str, name: str) -> str:
    """Return the ARN of an SES resource in our account. Raises AwsProblem if the account ID can't be read."""
    return aws.identity_arn("").removesuffix("identity/") + f"{kind}/{name}"


def _own_set(tenant: Tenant | None, customer: Customer, known: dict[str, TenantResource]) -> MigrationResource:
    name = (tenant.configuration_set if tenant else "") or tenant_name(customer.name, NOT_YET)
    arn = arn_of(ResourceKind.CONFIGURATION_SET, name)
    return MigrationResource(ResourceKind.CONFIGURATION_SET, name, arn, _is_associated(known.get(arn)))


def _identity(domain: Domain, known: dict[str, TenantResource], *, surveyed: bool) -> MigrationResource:
    arn = aws.identity_arn(domain.name)
    by_us = not domain.adopted
    asks = not (by_us and surveyed)
    return MigrationResource(ResourceKind.IDENTITY, domain.name, arn, _is_associated(known.get(arn)), by_us, asks)


def _other(row: TenantResource) -> MigrationResource:
    return MigrationResource(row.kind, row.name, row.arn, _is_associated(row))


def _is_associated(row: TenantResource | None) -> bool:
    return row is not None and row.associated_at is not None
