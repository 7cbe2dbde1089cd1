"""API operations on tenant migrations for staff: plan, start, pause, resume, cancel, retry, roll back and follow."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from accounts.models.people import User
from accounts.people.selectors import customers_for
from inbound_admin.lib.api.schemas import Accepted, Blank, In, Out, Page, Paged, Text, page_of
from inbound_admin.lib.errors import NotAllowed, Refused
from operations.models import Migration, MigrationItem
from operations.tenant_migration import selectors, services
from operations.tenant_migration.selectors import counts
from operations.tenant_migration.services import Choice


class MigrationOut(Out):
    id: str
    chosen: str
    chosen_text: str
    because: str
    policy: str
    at_most_per_hour: int | None
    associates_below: bool = Field(
        description="Whether identities that SES has below the customers' domains join their tenants"
    )
    state: str
    waits_because: Blank
    customers: int
    migrated: int
    failed: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class MigrationOne(MigrationOut):
    by_group: dict[str, int] = Field(
        description="Number of customers by state: waiting, running, done, failed, back, cancelled"
    )
    seconds_left: int
    warnings: list[str] = Field(description="For a planned migration: domains that are not included or can't send yet")


class MigrationStepOut(Out):
    number: int
    kind: str
    sentence: str
    call: str
    state: str
    problem: Blank
    done_at: datetime | None
    request_ids: list[str]


class MigrationItemOut(Out):
    id: str
    migration_id: str
    number: int
    customer_id: str
    customer_name: str
    state: str
    problem: Blank
    steps_done: int
    steps_total: int
    started_at: datetime | None
    ended_at: datetime | None
    switched_at: datetime | None = Field(description="When the customer's sends started to name the tenant, if they do")
    rollback_failed: bool = Field(description="Whether a rollback failed, which a retry continues")


class MigrationItemOne(MigrationItemOut):
    steps: list[MigrationStepOut]


def _migration_one(row: Migration) -> MigrationOne:
    """The counts of `row` are annotated by the selector."""
    counted, warnings = counts(row), list(selectors.forecast_of(row).warnings)
    return MigrationOne.of(row, by_group=counted.by_group, seconds_left=counted.seconds_left, warnings=warnings)


ItemShown = TypeVar("ItemShown", bound=MigrationItemOut)


def _item_out(form: type[ItemShown], row: MigrationItem, **more: Any) -> ItemShown:
    progress = row.progress
    return form.of(row, customer_name=row.customer.name, steps_done=progress.done, steps_total=progress.total, **more)


router = call_router("Migrations")
_ACCEPTED = writes(Accepted, status=202, staff=True)
MOST_CUSTOMERS = 1000  # by id in one call; more go by filter, or all


class MigrationWanted(In):
    """All customers that are not migrated (`all`), by part of the name (`filter`, `text`), or by ID (`customers`)."""

    chosen: Literal["all", "filter", "customers"]
    text: Text = ""
    customers: Annotated[list[Text], Field(max_length=MOST_CUSTOMERS)] = Field(default_factory=list)
    because: Text
    policy: Literal["standard", "strict", "none"] | None = None
    at_most_per_hour: Annotated[int, Field(ge=1, le=3600)] | None = None
    associates_below: bool = Field(
        False,
        description="Associate identities that SES has below the customers' domains (subdomains and addresses). "
        "Without it, a customer who has one is not switched",
    )


class RollBackWanted(In):
    because: Text


class ItemFilters(Paged):
    group: Literal["", "waiting", "running", "done", "failed", "back", "cancelled"] = Field(
        "", description="Their state; back: rolled back"
    )


@router.get("/v2/migrations", **reads(Page[MigrationOut], staff=True), summary="List tenant migrations")
def list_migrations(request: HttpRequest, query: Annotated[Paged, Query()]) -> Page[MigrationOut]:
    """Return the migrations of customers to SES tenants, newest first."""
    _viewer(request)
    rows, pagination = page_of(selectors.migrations(), query)
    return Page[MigrationOut](data=[MigrationOut.of(row) for row in rows], pagination=pagination)


@router.post("/v2/migrations", **writes(MigrationOne, status=201, staff=True), summary="Plan a migration")
def plan_migration(request: HttpRequest, asked: MigrationWanted) -> Status[MigrationOne]:
    """Plan a migration of customers to tenants. Nothing changes in SES until it is started.

    `warnings` names domains that aren't included or can't send yet. Refused: 400 `CUSTOMER_MISSING`, 422 `NOBODY`
    if no customer is left to migrate, `FILTER_MISSING`.
    """
    actor = _viewer(request)
    migration = services.plan_migration(
        choice=_choice(asked, actor),
        actor=actor,
        because=asked.because,
        policy=asked.policy or "",
        at_most_per_hour=asked.at_most_per_hour,
        associates_below=asked.associates_below,
    )
    return Status(201, _migration_one(_migration(request, migration.pk)))


@router.get("/v2/migrations/{migration_id}", **reads(MigrationOne, staff=True), summary="Get a migration")
def get_migration(request: HttpRequest, migration_id: str) -> MigrationOne:
    """Return one migration with its progress."""
    return _migration_one(_migration(request, migration_id))


@router.post("/v2/migrations/{migration_id}/start", **_ACCEPTED, summary="Start a migration")
def start_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    """Start a planned migration.

    Returns 202 with `statusUrl`. 422 `WRONG_STATE` if it was started before.
    """
    migration = _migration(request, migration_id)
    services.start(migration=migration, actor=caller(request))
    return _accepted(migration, "Started.")


@router.post("/v2/migrations/{migration_id}/pause", **_ACCEPTED, summary="Pause a migration")
def pause_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    """Pause a running migration. Customers in progress are finished first.

    422 `WRONG_STATE` if it isn't running.
    """
    migration = _migration(request, migration_id)
    services.pause(migration=migration, actor=caller(request))
    return _accepted(migration, "Paused. Customers already in progress are finished first.")


@router.post("/v2/migrations/{migration_id}/resume", **_ACCEPTED, summary="Resume a migration")
def resume_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    """Resume a paused migration.

    422 `WRONG_STATE` if it isn't paused.
    """
    migration = _migration(request, migration_id)
    services.resume(migration=migration, actor=caller(request))
    return _accepted(migration, "Resumed.")


@router.post("/v2/migrations/{migration_id}/cancel", **_ACCEPTED, summary="Cancel a migration")
def cancel_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    """Cancel a migration. Migrated customers stay migrated.

    422 `WRONG_STATE` if it has ended.
    """
    migration = _migration(request, migration_id)
    services.cancel(migration=migration, actor=caller(request))
    return _accepted(migration, "Cancelled. Migrated customers stay migrated.")


@router.post("/v2/migrations/{migration_id}/retry", **_ACCEPTED, summary="Retry the failed customers of a migration")
def retry_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    """Queue all failed customers of a migration again. A paused migration stays paused. A failed rollback is retried.

    422 `NOTHING_TO_DO` if none failed.
    """
    migration = _migration(request, migration_id)
    number = services.retry(migration=migration, actor=caller(request))
    return _accepted(migration, f"{number:,} queued for retry.{services.waits_for_resume(migration)}")


@router.post(
    "/v2/migrations/{migration_id}/rollback",
    **_ACCEPTED,
    summary="Roll back a migration",
)
def roll_back_migration(request: HttpRequest, migration_id: str, asked: RollBackWanted) -> Status[Accepted]:
    """Queue the rollback of all customers that were started.

    Customers whose sending is paused stay in their tenants; `message` names them. 422 `NOTHING_TO_DO` if none was
    started, `TENANT_PAUSED` if all of them are paused, `REASON_MISSING` without a reason.
    """
    migration = _migration(request, migration_id)
    number = services.roll_back(migration=migration, actor=caller(request), because=asked.because)
    held = selectors.held_by_pause([*selectors.kept_by_pause(migration).values()])
    return _accepted(migration, f"{number:,} queued for rollback. {held}".strip())


@router.get(
    "/v2/migrations/{migration_id}/items",
    **reads(Page[MigrationItemOut], staff=True),
    summary="List the customers of a migration",
)
def list_migration_items(
    request: HttpRequest, migration_id: str, query: Annotated[ItemFilters, Query()]
) -> Page[MigrationItemOut]:
    """Return the customers of a migration with their state and progress.

    `group` filters by state.
    """
    rows, pagination = page_of(selectors.items_of(_migration(request, migration_id), query.group), query)
    return Page[MigrationItemOut](data=[_item_out(MigrationItemOut, row) for row in rows], pagination=pagination)


@router.get(
    "/v2/migrations/{migration_id}/items/{item_id}",
    **reads(MigrationItemOne, staff=True),
    summary="Get a customer of a migration",
)
def get_migration_item(request: HttpRequest, migration_id: str, item_id: str) -> MigrationItemOne:
    """Return one customer's migration with each step, its SES call and its problem."""
    row = _item(_migration(request, migration_id), item_id)
    return _item_out(MigrationItemOne, row, steps=[MigrationStepOut.of(step) for step in row.steps.all()])


@router.post(
    "/v2/migrations/{migration_id}/items/{item_id}/retry",
    **_ACCEPTED,
    summary="Retry a customer of a migration",
)
def retry_migration_item(request: HttpRequest, migration_id: str, item_id: str) -> Status[Accepted]:
    """Queue one failed customer again. A paused migration stays paused. A failed rollback is retried as a rollback.

    422 `NOTHING_TO_DO` if it didn't fail.
    """
    migration = _migration(request, migration_id)
    row = _item(migration, item_id)
    services.retry(migration=migration, actor=caller(request), item=row)
    return _accepted(migration, f"{row.customer} queued for retry.{services.waits_for_resume(migration)}", row)


@router.post(
    "/v2/migrations/{migration_id}/items/{item_id}/rollback",
    **_ACCEPTED,
    summary="Roll back a customer of a migration",
)
def roll_back_migration_item(
    request: HttpRequest, migration_id: str, item_id: str, asked: RollBackWanted
) -> Status[Accepted]:
    """Queue the rollback of one customer.

    422 `NOTHING_TO_DO` if it wasn't started, `TENANT_PAUSED` while its sending is paused, `REASON_MISSING` without a
    reason.
    """
    migration = _migration(request, migration_id)
    row = _item(migration, item_id)
    services.roll_back(migration=migration, actor=caller(request), because=asked.because, item=row)
    return _accepted(migration, f"{row.customer} queued for rollback.", row)


def _viewer(request: HttpRequest) -> User:
    viewer = caller(request)
    if not selectors.may_see(viewer):
        raise NotAllowed("Only operators can see migrations.")
    return viewer


def _migration(request: HttpRequest, migration_id: str) -> Migration:
    _viewer(request)
    return get_object_or_404(selectors.migrations(), pk=migration_id)


def _item(migration: Migration, item_id: str) -> MigrationItem:
    return get_object_or_404(selectors.items_of(migration), pk=item_id)


def _choice(asked: MigrationWanted, viewer: User) -> Choice:
    if asked.chosen == "all":
        return services.all_of_them()
    if asked.chosen == "filter":
        return services.by_filter(asked.text)
    customers = list(customers_for(viewer).filter(pk__in=asked.customers).order_by("pk"))
    if missing := set(asked.customers) - {each.pk for each in customers}:
        raise Refused(f"No customer has the ID {sorted(missing)[0][:60]}.", code="CUSTOMER_MISSING")
    return services.one(customers[0]) if len(customers) == 1 else services.named(customers)


def _accepted(migration: Migration, message: str, item: MigrationItem | None = None) -> Status[Accepted]:
    address = f"/api/v2/migrations/{migration.pk}" + (f"/items/{item.pk}" if item else "")
    return Status(202, Accepted(id=item.pk if item else migration.pk, status_url=address, message=message))
