"""Bulk actions, migrations, drift and imports."""

from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models.people import User
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions import services as domain_actions_services
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import PredictedResult, predict
from operations.legacy_import import services as legacy_import_services
from operations.migration_steps import services as migration_steps_services
from operations.models import Batch, MigrationItem
from operations.tenant_migration import services as tenant_migration_services
from tests.operations.factories import make_difference, make_sender, start_migration
from tests.operations.legacy_documents import document, files
from tests.tenants.factories import make_tenant
from tests.writes.world import WHY, Post, World, Write, ready

RETRIED = ("tenant.migration_retried",)  # at the customer
BACK = ("tenant.rollback_requested",)


def _steer_migration(do: str, **form: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        customer, olga = make_sender(domains=1), world.people["olga"]
        migration = start_migration(customer, actor=olga)
        if do == "pause":
            return Post((migration.pk,), {"do": do})
        if do == "resume":
            tenant_migration_services.pause(migration=migration, actor=olga)
        if do == "roll_back":
            migration_steps_services.work()
        if do == "retry":
            MigrationItem.objects.update(state="failed")
        return Post((migration.pk,), {"do": do, **form})

    return of


def _steer_migration_item(do: str, **form: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        post = _steer_migration(do, **form)(world)
        return Post((*post.args, MigrationItem.objects.get().pk), post.form)

    return of


def _start_migration(world: World) -> Post:
    choice = tenant_migration_services.one(make_sender(domains=1))
    return Post(
        (tenant_migration_services.plan_migration(choice=choice, actor=world.people["olga"]).pk,), {"do": "start"}
    )


def _stored_import(world: World, *, previewed: bool = True) -> Any:
    legacy_import = legacy_import_services.store_import(
        files=files(document()), because="Contract 12", actor=world.people["olga"]
    )
    if previewed:
        legacy_import_services.work()
    return legacy_import


def _difference(decision: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        tenant = make_tenant(world.customer, ses_policy="none")
        sides = {"found": {"policy": "none"}, "wanted": {"policy": "standard"}}
        row = make_difference(world.customer, subject=tenant.name, place=tenant.name, **sides)
        return Post((row.pk,), {"decision": decision, **WHY})

    return of


def _decide_many(world: World) -> Post:
    row = make_difference(world.customer)
    form = {"difference": row.pk, "decision": "ignore", "typed": 1, **WHY}
    return Post(form=form, worker=batches_services.work)


def _bulk(world: World) -> Post:
    ready(world)
    return Post(form={"do": "hold", "names": "shop.com", "go": "yes", **WHY}, worker=batches_services.work)


def _start_hold(rows: tuple[PredictedResult, ...], sam: User) -> Batch:
    items = domain_actions_services.items_of(rows)
    return batches_services.start(kind=BatchKind.HOLD, items=items, words=WHY, actor=sam)


def _stop_bulk(world: World) -> Post:
    ready(world)
    sam = world.people["sam"]
    rows = predict(BatchKind.HOLD, (DomainLine("shop.com"),), viewer=sam)
    return Post((_start_hold(rows, sam).pk,))


def _resume_bulk(world: World) -> Post:
    post = _stop_bulk(world)
    Batch.objects.update(paused_at=timezone.now())
    return post


def _retry_bulk(world: World) -> Post:
    domain, sam = ready(world), world.people["sam"]
    rows = predict(BatchKind.HOLD, (DomainLine("shop.com"),), viewer=sam)
    made = _start_hold(rows, sam)
    made.items.update(state="refused")
    assert not domain.is_held
    return Post((made.pk,), worker=batches_services.work)


WRITES = (
    Write("operations:start_bulk", "domain.held", "sam", _bulk),
    Write("operations:retry_bulk", "bulk.retried", "sam", _retry_bulk, beside=("domain.held",)),
    Write("operations:stop_bulk", "bulk.stopped", "sam", _stop_bulk),
    Write("operations:pause_bulk", "bulk.paused", "sam", _stop_bulk),
    Write("operations:resume_bulk", "bulk.resumed", "sam", _resume_bulk),
    Write(
        "operations:plan_migration",
        "migration.planned",
        "olga",
        lambda _: (make_sender(domains=1), Post(form={"chosen": "all", "policy": "standard", **WHY}))[1],
    ),
    Write("operations:steer_migration", "migration.started", "olga", _start_migration),
    Write("operations:steer_migration", "migration.paused", "olga", _steer_migration("pause")),
    Write("operations:steer_migration", "migration.resumed", "olga", _steer_migration("resume")),
    Write("operations:steer_migration", "migration.cancelled", "olga", _steer_migration("cancel")),
    Write("operations:steer_migration", "migration.tried_again", "olga", _steer_migration("retry"), beside=RETRIED),
    Write(
        "operations:steer_migration", "migration.rolled_back", "olga", _steer_migration("roll_back", **WHY), beside=BACK
    ),
    Write("operations:migration_item", "migration.tried_again", "olga", _steer_migration_item("retry"), beside=RETRIED),
    Write(
        "operations:migration_item",
        "migration.rolled_back",
        "olga",
        _steer_migration_item("roll_back", **WHY),
        beside=BACK,
    ),
    Write(
        "operations:move",
        "migration.started",
        "olga",
        lambda _: Post((make_sender(domains=1).pk,), {"policy": "standard", **WHY}),
        beside=("migration.planned",),
    ),
    Write("operations:difference", "drift.adopted", "olga", _difference("adopt"), beside=("tenant.policy",)),
    Write("operations:difference", "drift.restored", "olga", _difference("restore"), beside=("tenant.policy",)),
    Write("operations:difference", "drift.ignored", "olga", _difference("ignore")),
    Write("operations:decide_many", "drift.ignored", "olga", _decide_many),
    Write(
        "operations:legacy_import",
        "moving_in.taken_in",
        "olga",
        lambda _: Post(
            form={
                "documents": [SimpleUploadedFile("old.json", files(document())["old.json"], "application/json")],
                **WHY,
            }
        ),
    ),
    Write(
        "operations:adopt_identities",
        "moving_in.taken_in",
        "olga",
        lambda w: Post(form={"text": "shop.com", "customer": w.customer.pk, **WHY}),
    ),
    Write(
        "operations:steer_legacy_import",
        "moving_in.begun",
        "olga",
        lambda w: Post((_stored_import(w).pk,), {"do": "begin"}),
    ),
    Write(
        "operations:steer_legacy_import",
        "moving_in.cancelled",
        "olga",
        lambda w: Post((_stored_import(w).pk,), {"do": "cancel"}),
    ),
)
