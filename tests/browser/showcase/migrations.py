"""Rows of the showcase's pages of migrations and differences, created when the first page is visited."""

from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils import timezone

from operations.models import Difference, DriftCheck, Migration, MigrationItem
from tests.browser.showcase.world import Showcase
from tests.factories import make_customer

ARN = "arn:aws:ses:eu-west-1:123456789012:identity/the-friends-of-the-old-harbour-and-its-three-lighthouses.co.uk"
STEPS = (
    ("tenant", "", "Create tenant acme-and-daughters-4f9k2m7q.", "CreateTenant", "found", ""),
    (
        "policy",
        "",
        "Set its reputation policy.",
        "UpdateReputationEntityPolicy",
        "done",
        "",
    ),
    (
        "associate",
        ARN,
        f"Associate the identity {ARN.rpartition('/')[2]}.",
        "CreateTenantResourceAssociation",
        "done",
        "",
    ),
    ("gate", "", "Confirm that every required resource is associated.", "ListTenantResources", "failed", "It is not."),
    ("switch", "", "Switch the customer’s sending to the tenant.", "", "to_do", ""),
)


def first_row(model: type[Model], **which: Any) -> Any:
    """Return the URL's arguments: the ID of the first row of this model."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        make_migrations(world)
        return (model._default_manager.filter(**which).values_list("pk", flat=True)[0],)

    return arguments


def item(state: str) -> Any:
    def arguments(world: Showcase) -> tuple[str, str]:
        make_migrations(world)
        found = MigrationItem.objects.filter(state=state)[0]
        return found.migration_id, found.pk

    return arguments


def no_arguments(world: Showcase) -> tuple[()]:
    make_migrations(world)
    return ()


def make_migrations(world: Showcase) -> None:
    """Create a running migration with a customer in each state, a planned one, and a difference for each decision."""
    if Migration.objects.exists():
        return
    now, region = timezone.now(), settings.AWS_REGION
    running = Migration.objects.create(
        region=region,
        chosen="filter",
        chosen_text="the-friends-of-the-old-harbour-and-its-three-lighthouses",
        because="As announced in May",
        policy="standard",
        at_most_per_hour=60,
        state="running",
        started_at=now,
        waits_because="The limit of 60 customers per hour is reached. The migration continues at 14:20 UTC.",
        by=world.people["adam"],
    )
    for number, state in enumerate(("done", "failed", "running", "waiting", "rolled_back", "cancelled"), start=1):
        problem = "SES does not list harbour.co.uk in the tenant. Try again." if state == "failed" else ""
        moved = MigrationItem.objects.create(
            migration=running, customer=make_customer(f"Mover {state}"), number=number, state=state, problem=problem
        )
        if state not in ("waiting", "cancelled"):
            _steps(moved)
    Migration.objects.create(region=region, chosen="all", because="The rest", policy="strict", by=world.people["adam"])
    MigrationItem.objects.create(
        migration=Migration.objects.get(state="planned"), customer=make_customer("Still to move"), number=1
    )
    _differences(world)


def _steps(moved: MigrationItem) -> None:
    for number, (kind, subject, sentence, call, state, problem) in enumerate(STEPS, start=1):
        moved.steps.create(
            number=number,
            kind=kind,
            subject=subject,
            sentence=sentence,
            call=call,
            state=state,
            problem=problem,
            done_at=timezone.now() if state == "done" else None,
            request_ids=["5a7e-1"] if state == "done" else [],
        )


def _differences(world: Showcase) -> None:
    now = timezone.now()
    shared = {"region": settings.AWS_REGION, "area": "tenants", "first_seen_at": now, "last_seen_at": now}
    _open_differences(world, shared)
    Difference.objects.create(
        kind="status",
        key="status",
        subject="left",
        place="left",
        sentence="left is paused in SES, but was not paused here.",
        decision="ignore",
        by=world.people["adam"],
        because="Their own test until Friday",
        decided_at=now,
        **shared,
    )
    DriftCheck.objects.create(region=settings.AWS_REGION, area="tenants", at=now, calls=14, tenants=12)


def _open_differences(world: Showcase, shared: dict[str, Any]) -> None:
    Difference.objects.create(
        kind="policy",
        key="policy",
        subject="acme",
        place="acme",
        customer=world.acme,
        sentence="The reputation policy of acme is none in SES, but should be standard.",
        wanted={"policy": "standard"},
        found={"policy": "none"},
        may_adopt=True,
        may_restore=True,
        **shared,
    )
    Difference.objects.create(
        kind="unknown",
        key="unknown",
        subject="made-by-hand",
        place="made-by-hand",
        sentence="Tenant made-by-hand (1 resource) has no customer here.",
        found={"arn": ARN, "resources": [ARN]},
        may_adopt=True,
        **shared,
    )
