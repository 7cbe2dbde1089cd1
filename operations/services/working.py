"""The worker carries migrations on: customer by customer, what was begun first, at the pace that was asked for."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from domains.models import Domain
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsProblem, AwsUnreachable, Refused
from operations.core.migration import Chosen
from operations.models import UNDER_WAY, UNFINISHED, ItemState, Migration, MigrationItem, MigrationState
from operations.selectors.migrations import next_item, seconds_until_next, unfinished
from operations.services import moving
from operations.services.queue import migrate_soon
from tenants.services.surveying import taken_identities, tenants_at_amazon

WAITS = "At most {number} customers are begun in an hour: it goes on at {at:%H:%M} UTC."
Clock = Callable[[], datetime]


def work(*, now: Clock = timezone.now) -> None:
    """All that is due; repeating it is harmless. Raises AwsProblem where to wait for Amazon."""
    for migration in list(unfinished()):
        _work(migration, now)


def carry_on() -> None:
    """What was begun and has no job any more is queued again."""
    if unfinished().exists():
        migrate_soon(unless_running=True)


def _work(migration: Migration, now: Clock) -> None:
    _survey(migration)
    while item := _next(migration, now):
        if not _carry_on(item):
            break
    _finish(migration)


def _next(migration: Migration, now: Clock) -> MigrationItem | None:
    """What was begun is finished whatever became of the migration; another is begun only while it runs."""
    migration.refresh_from_db()
    item = next_item(migration)
    if item is None or item.state in UNDER_WAY:
        return item
    if migration.state != MigrationState.RUNNING:
        return None
    if seconds := seconds_until_next(migration, now()):
        free_at = now() + timedelta(seconds=seconds)
        _say(migration, WAITS.format(number=migration.at_most_per_hour, at=free_at))
        migrate_soon(in_seconds=seconds)
        return None
    return item


def _carry_on(item: MigrationItem) -> bool:
    """Raises AwsProblem where waiting helps: the item stays as it is, and says why."""
    back = item.state == ItemState.ROLLING_BACK
    try:
        if back:
            moving.move_back(item)
        else:
            moving.move(item)
    except (AwsBusy, AwsUnreachable, AwsDenied) as problem:
        MigrationItem.objects.filter(pk=item.pk).update(problem=str(problem))
        _say(item.migration, str(problem))
        raise
    except (Refused, AwsProblem) as problem:
        moving.stop(item, problem)
    _say(item.migration, "")
    return True


def _survey(migration: Migration) -> None:
    """Whose every identity is, in one go, where that is cheaper than to ask for each. Raises AwsProblem."""
    if migration.taken is not None or migration.chosen == Chosen.CUSTOMER or migration.state != MigrationState.RUNNING:
        return
    customers = MigrationItem.objects.filter(migration=migration, state__in=UNFINISHED).values("customer")
    identities = Domain.objects.filter(Q(customer__in=customers), region=migration.region).count()
    try:
        there = tenants_at_amazon()
        if len(there) >= identities:
            return
        migration.taken = taken_identities(there)
    except AwsProblem as problem:
        _say(migration, str(problem))
        raise
    Migration.objects.filter(pk=migration.pk).update(taken=migration.taken)


def _finish(migration: Migration) -> None:
    """Over when nobody is left, also where some were stopped by a problem: those are shown, and can be tried again."""
    if MigrationItem.objects.filter(migration=migration, state__in=UNFINISHED).exists():
        return
    rows = Migration.objects.filter(pk=migration.pk, state=MigrationState.RUNNING)
    rows.update(state=MigrationState.DONE, ended_at=timezone.now(), waits_because="")


def _say(migration: Migration, text: str) -> None:
    Migration.objects.filter(pk=migration.pk).exclude(waits_because=text).update(waits_because=text)
