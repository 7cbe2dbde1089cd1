"""A migration, its customers and their steps in answers."""

from datetime import datetime
from typing import Any

from pydantic import Field

from inbound_admin.lib.api import Out
from operations.models import Migration, MigrationItem, MigrationStep
from operations.selectors.migrations import counts


class MigrationOut(Out):
    id: str
    chosen: str
    chosen_text: str
    because: str
    policy: str
    at_most_per_hour: int | None
    state: str
    waits_because: str | None
    customers: int
    migrated: int
    failed: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class MigrationOne(MigrationOut):
    by_group: dict[str, int] = Field(description="How many customers: waiting, running, done, failed, back, cancelled")
    seconds_left: int


class MigrationStepOut(Out):
    number: int
    kind: str
    sentence: str
    call: str
    state: str
    problem: str | None
    done_at: datetime | None
    request_ids: list[str]


class MigrationItemOut(Out):
    id: str
    migration_id: str
    number: int
    customer_id: str
    customer_name: str
    state: str
    problem: str | None
    steps_done: int
    steps_total: int
    started_at: datetime | None
    ended_at: datetime | None
    switched_at: datetime | None


class MigrationItemOne(MigrationItemOut):
    steps: list[MigrationStepOut]


def migration_fields(row: Migration) -> dict[str, Any]:
    return {
        "id": row.pk,
        "chosen": str(row.chosen),
        "chosen_text": row.chosen_text,
        "because": row.because,
        "policy": row.policy,
        "at_most_per_hour": row.at_most_per_hour,
        "state": str(row.state),
        "waits_because": row.waits_because or None,
        "customers": row.customers,  # type: ignore[attr-defined]  # annotated by the selector, as the next two
        "migrated": row.migrated,  # type: ignore[attr-defined]
        "failed": row.failed,  # type: ignore[attr-defined]
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def migration_one(row: Migration) -> MigrationOne:
    counted = counts(row)
    return MigrationOne(**migration_fields(row), by_group=counted.by_group, seconds_left=counted.seconds_left)


def item_fields(row: MigrationItem) -> dict[str, Any]:
    progress = row.progress
    return {
        "id": row.pk,
        "migration_id": row.migration_id,
        "number": row.number,
        "customer_id": row.customer_id,
        "customer_name": row.customer.name,
        "state": str(row.state),
        "problem": row.problem or None,
        "steps_done": progress.done,
        "steps_total": progress.total,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "switched_at": row.switched_at,
    }


def step_out(row: MigrationStep) -> MigrationStepOut:
    return MigrationStepOut(
        number=row.number,
        kind=row.kind,
        sentence=row.sentence,
        call=row.call,
        state=str(row.state),
        problem=row.problem or None,
        done_at=row.done_at,
        request_ids=list(row.request_ids),
    )
