"""Migrations of customers into tenants: planned, started, steered, followed customer by customer; for staff."""

from typing import Annotated, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from inbound_admin.lib.api import In, Page, Paged, Text, page_of
from inbound_admin.lib.api.accepted import Accepted
from inbound_admin.lib.errors import Refused
from operations.api.migration_fields import (
    MigrationItemOne,
    MigrationItemOut,
    MigrationOne,
    MigrationOut,
    item_fields,
    migration_fields,
    migration_one,
    step_out,
)
from operations.models import Migration, MigrationItem
from operations.selectors import migrations as found
from operations.services import choosing, migrating
from operations.services.choosing import Choice
from tenants.api import call_router, caller, reads, writes
from tenants.models import User
from tenants.selectors import customers_for
from tenants.services.allowing import NotAllowed

router = call_router("Migrations")
MOST_CUSTOMERS = 1000  # by id in one call; more go by filter, or all


class MigrationWanted(In):
    """`all` who are not migrated, those by part of a name (`filter`, `text`), or `customers` by their ids."""

    chosen: Literal["all", "filter", "customers"]
    text: Text = ""
    customers: Annotated[list[Text], Field(max_length=MOST_CUSTOMERS)] = Field(default_factory=list)
    because: Text
    policy: Literal["standard", "strict", "none"] | None = None
    at_most_per_hour: Annotated[int, Field(ge=1, le=3600)] | None = None


class RollBackWanted(In):
    because: Text


class ItemFilters(Paged):
    group: Literal["", "waiting", "running", "done", "failed", "back", "cancelled"] = ""


@router.get("/v2/migrations", **reads(Page[MigrationOut], staff=True), summary="Migrations")
def list_migrations(request: HttpRequest, query: Annotated[Paged, Query()]) -> Page[MigrationOut]:
    _viewer(request)
    rows, pagination = page_of(found.migrations(), query)
    return Page[MigrationOut](data=[MigrationOut(**migration_fields(row)) for row in rows], pagination=pagination)


@router.post("/v2/migrations", **writes(MigrationOne, status=201, staff=True), summary="Plan one")
def plan_migration(request: HttpRequest, asked: MigrationWanted) -> Status[MigrationOne]:
    """Rows alone: nothing is called until it is started."""
    actor = _viewer(request)
    migration = migrating.plan_migration(
        choice=_choice(asked, actor),
        actor=actor,
        because=asked.because,
        policy=asked.policy or "",
        at_most_per_hour=asked.at_most_per_hour,
    )
    return Status(201, migration_one(_migration(request, migration.pk)))


@router.get("/v2/migrations/{migration_id}", **reads(MigrationOne, staff=True), summary="How far one is")
def get_migration(request: HttpRequest, migration_id: str) -> MigrationOne:
    return migration_one(_migration(request, migration_id))


@router.post("/v2/migrations/{migration_id}/start", **writes(Accepted, status=202, staff=True), summary="Start it")
def start_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    migrating.start(migration=migration, actor=caller(request))
    return _accepted(migration, "Started.")


@router.post("/v2/migrations/{migration_id}/pause", **writes(Accepted, status=202, staff=True), summary="Pause it")
def pause_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    migrating.pause(migration=migration, actor=caller(request))
    return _accepted(migration, "Paused. Whoever is being migrated is finished first.")


@router.post("/v2/migrations/{migration_id}/resume", **writes(Accepted, status=202, staff=True), summary="Go on")
def resume_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    migrating.resume(migration=migration, actor=caller(request))
    return _accepted(migration, "It goes on.")


@router.post("/v2/migrations/{migration_id}/cancel", **writes(Accepted, status=202, staff=True), summary="Cancel it")
def cancel_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    migrating.cancel(migration=migration, actor=caller(request))
    return _accepted(migration, "Cancelled. Whoever is migrated stays so.")


@router.post(
    "/v2/migrations/{migration_id}/retry", **writes(Accepted, status=202, staff=True), summary="Try the failed again"
)
def retry_migration(request: HttpRequest, migration_id: str) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    number = migrating.try_again(migration=migration, actor=caller(request))
    return _accepted(migration, f"{number} tried again.")


@router.post(
    "/v2/migrations/{migration_id}/rollback", **writes(Accepted, status=202, staff=True), summary="Roll it back"
)
def roll_back_migration(request: HttpRequest, migration_id: str, asked: RollBackWanted) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    number = migrating.roll_back(migration=migration, actor=caller(request), because=asked.because)
    return _accepted(migration, f"{number} rolled back.")


@router.get("/v2/migrations/{migration_id}/items", **reads(Page[MigrationItemOut], staff=True), summary="Its customers")
def list_migration_items(
    request: HttpRequest, migration_id: str, query: Annotated[ItemFilters, Query()]
) -> Page[MigrationItemOut]:
    rows, pagination = page_of(found.items_of(_migration(request, migration_id), query.group), query)
    return Page[MigrationItemOut](data=[MigrationItemOut(**item_fields(row)) for row in rows], pagination=pagination)


@router.get(
    "/v2/migrations/{migration_id}/items/{item_id}", **reads(MigrationItemOne, staff=True), summary="One, step by step"
)
def get_migration_item(request: HttpRequest, migration_id: str, item_id: str) -> MigrationItemOne:
    row = _item(_migration(request, migration_id), item_id)
    return MigrationItemOne(**item_fields(row), steps=[step_out(step) for step in row.steps.all()])


@router.post(
    "/v2/migrations/{migration_id}/items/{item_id}/retry",
    **writes(Accepted, status=202, staff=True),
    summary="Try one customer again",
)
def retry_migration_item(request: HttpRequest, migration_id: str, item_id: str) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    row = _item(migration, item_id)
    migrating.try_again(migration=migration, actor=caller(request), item=row)
    return _accepted(migration, f"{row.customer} is tried again.", row)


@router.post(
    "/v2/migrations/{migration_id}/items/{item_id}/rollback",
    **writes(Accepted, status=202, staff=True),
    summary="Roll one customer back",
)
def roll_back_migration_item(
    request: HttpRequest, migration_id: str, item_id: str, asked: RollBackWanted
) -> Status[Accepted]:
    migration = _migration(request, migration_id)
    row = _item(migration, item_id)
    migrating.roll_back(migration=migration, actor=caller(request), because=asked.because, item=row)
    return _accepted(migration, f"{row.customer} is rolled back.", row)


def _viewer(request: HttpRequest) -> User:
    viewer = caller(request)
    if not found.may_see(viewer):
        raise NotAllowed("Migrations are for operators.")
    return viewer


def _migration(request: HttpRequest, migration_id: str) -> Migration:
    _viewer(request)
    return get_object_or_404(found.migrations(), pk=migration_id)


def _item(migration: Migration, item_id: str) -> MigrationItem:
    return get_object_or_404(found.items_of(migration), pk=item_id)


def _choice(asked: MigrationWanted, viewer: User) -> Choice:
    if asked.chosen == "all":
        return choosing.all_of_them()
    if asked.chosen == "filter":
        return choosing.by_filter(asked.text)
    customers = list(customers_for(viewer).filter(pk__in=asked.customers).order_by("pk"))
    if missing := set(asked.customers) - {each.pk for each in customers}:
        raise Refused(f"There is no customer {sorted(missing)[0][:60]}.", code="CUSTOMER_MISSING")
    return choosing.one(customers[0]) if len(customers) == 1 else choosing.named(customers)


def _accepted(migration: Migration, message: str, item: MigrationItem | None = None) -> Status[Accepted]:
    address = f"/api/v2/migrations/{migration.pk}" + (f"/items/{item.pk}" if item else "")
    return Status(202, Accepted(id=item.pk if item else migration.pk, status_url=address, message=message))
