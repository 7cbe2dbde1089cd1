"""Plans, starts, pauses, resumes, cancels, retries and rolls back tenant migrations. The worker runs them.

A migration covers one customer, all customers, or those of a filter or a file.

It is not a batch of `operations.batches`, whose items are either pending or settled: CONTRIBUTING says why, under "One
engine for work on many things".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import all_called, customer_subject
from audit import services as audit_services
from inbound_admin.lib.errors import NotAllowed, Refused
from operations.jobs import migration_subject, queue_migrations
from operations.models import REVERSIBLE, UNFINISHED, ItemState, Migration, MigrationItem, MigrationState
from operations.tenant_migration.core import Chosen, CustomerLine, customer_lines, file_text
from operations.tenant_migration.selectors import customers_to_migrate, held_by_pause, kept_by_pause, may_migrate
from tenants.lifecycle.selectors import tenants_in_region
from tenants.resources import services as resources_services
from tenants.status.core import Policy

MOST_SHOWN = 1_000  # lines of a file that were left out, on the page of the migration


@dataclass(frozen=True)
class Choice:
    """`left_out`: a sentence for each line of a file that selects no customer."""

    chosen: Chosen
    text: str
    customers: tuple[Customer, ...]
    left_out: tuple[str, ...] = ()


def all_of_them() -> Choice:
    return Choice(Chosen.ALL, "", tuple(customers_to_migrate()))


def by_filter(text: str) -> Choice:
    """Select by part of the name. Raises Refused for an empty text, which would match everybody."""
    if not text.strip():
        raise Refused("Enter part of a customer’s name, or choose all.", code="FILTER_MISSING")
    return Choice(Chosen.FILTER, text.strip()[:200], tuple(customers_to_migrate(text.strip())))


def one(customer: Customer) -> Choice:
    return Choice(Chosen.CUSTOMER, customer.name[:200], (customer,))


def named(customers: Iterable[Customer]) -> Choice:
    """Select customers that the caller fetched for its viewer, without migrated ones."""
    keys = [customer.pk for customer in customers]
    return Choice(Chosen.CSV, "by the API", tuple(customers_to_migrate().filter(pk__in=keys)))


def by_file(data: bytes, name: str) -> Choice:
    """Select a customer for each line of a file, by ID or full name. A line that selects none says why.

    Raises Refused: FILE_UNREADABLE, TOO_MANY, FILE_EMPTY, NOBODY.
    """
    lines = customer_lines(file_text(data))
    if not lines:
        raise Refused("The file contains no customers.", code="FILE_EMPTY")
    known = all_called({text for line in lines for text in line.texts}, Customer.objects.all())
    left = {customer.pk: customer for customer in customers_to_migrate()}
    chosen, left_out = dict[str, Customer](), list[str]()
    for line in lines:
        found = next((known[text] for text in line.texts if known[text]), ())
        if len(found) == 1 and found[0].pk in left:
            chosen[found[0].pk] = left[found[0].pk]
        else:
            left_out.append(f"Line {line.number}: {_why_left_out(line, found)}")
    if not chosen:
        raise Refused(f"No line of the file selects a customer. {summary(left_out)}", code="NOBODY")
    return Choice(Chosen.CSV, name[:200], tuple(chosen.values()), tuple(left_out))


def _why_left_out(line: CustomerLine, found: Sequence[Customer]) -> str:
    if line.problem:
        return line.problem
    named = f"“{' '.join(line.texts[0].split())[:120]}”"
    if not found:
        return f"No customer has the name or ID {named}."
    if len(found) > 1:
        return f"{len(found):,} customers have the name {named}. Use the ID."
    return f"{named} is migrated already, or part of another migration."


def summary(sentences: Sequence[str], most: int = 10) -> str:
    """Return the first of these sentences, and how many more there are."""
    more = f" And {len(sentences) - most:,} more lines." if len(sentences) > most else ""
    return f"{' '.join(sentences[:most])}{more}"


RETRYABLE = (ItemState.FAILED, ItemState.CANCELLED, ItemState.ROLLED_BACK)


@transaction.atomic
def plan_migration(
    *,
    choice: Choice,
    actor: User | None,
    because: str = "",
    policy: str = "",
    at_most_per_hour: int | None = None,
    associates_below: bool = False,
) -> Migration:
    """Store the plan; no call is made until it is started. Customers in another open migration are left out.

    `associates_below`: identities that SES has below the customers' domains join their tenants. Without it, a customer
    who has one isn't switched.

    Raises Refused: NOT_ALLOWED, NOBODY, POLICY_UNKNOWN, LIMIT.
    """
    _require_permission(actor)
    if at_most_per_hour is not None and not 1 <= at_most_per_hour <= 3600:
        raise Refused("Enter 1 to 3,600 customers per hour, or leave blank for no limit.", code="LIMIT")
    migration = Migration.objects.create(
        region=settings.AWS_REGION,
        chosen=choice.chosen,
        chosen_text=choice.text,
        because=because.strip(),
        policy=_policy(policy),
        at_most_per_hour=at_most_per_hour,
        associates_below=associates_below,
        left_out="\n".join(choice.left_out[:MOST_SHOWN]),
        by=actor,
    )
    number = _add_items(migration, choice.customers)
    if not number:
        raise Refused(
            "No customers to migrate: all of them have a tenant or are part of another migration.", code="NOBODY"
        )
    after = {"chosen": migration.get_chosen_display(), "customers": number, "at_most_per_hour": at_most_per_hour}
    if associates_below:
        after["identities_below"] = "associated"
    about = migration_subject(migration)
    audit_services.record_bulk("migration.planned", about=about, actor=actor, because=because.strip(), after=after)
    return migration


def _add_items(migration: Migration, customers: Iterable[Customer]) -> int:
    """Add items and lock the customers: two concurrent plans must not include the same one.

    A customer whose sends name the tenant is migrated: a rollback would take out what has joined the tenant since.
    """
    keys = [customer.pk for customer in customers]
    there = _lock_customers(keys)
    left = set(customers_to_migrate().filter(pk__in=keys).values_list("pk", flat=True))
    free = [key for key in keys if key in there & left]
    items = [MigrationItem(migration=migration, customer_id=key, number=at) for at, key in enumerate(free, start=1)]
    return len(MigrationItem.objects.bulk_create(items, batch_size=1000))


def _lock_customers(keys: Iterable[str]) -> set[str]:
    """Return the IDs of those that exist. Until the end of the transaction, no other migration includes them."""
    locked = Customer.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk")
    return {customer.pk for customer in locked}


def _lock_items(found: QuerySet[MigrationItem], only: MigrationItem | None) -> list[MigrationItem]:
    """Lock and return the items, all or this one, after their customers: the worker locks both in this order."""
    rows = found if only is None else found.filter(pk=only.pk)
    customers = dict(rows.values_list("pk", "customer_id"))
    _lock_customers(customers.values())
    return list(rows.filter(pk__in=customers).select_for_update(of=("self",)).select_related("customer"))


@transaction.atomic
def start(*, migration: Migration, actor: User | None) -> None:
    """Start the migration. Raises Refused."""
    _turn(migration, actor, {MigrationState.PLANNED: MigrationState.RUNNING}, "migration.started")
    Migration.objects.filter(pk=migration.pk).update(started_at=timezone.now())
    MigrationItem.objects.filter(migration=migration).update(asked_by=actor)
    queue_migrations()


@transaction.atomic
def pause(*, migration: Migration, actor: User | None) -> None:
    """Start no further customer; the running one is finished. Raises Refused."""
    _turn(migration, actor, {MigrationState.RUNNING: MigrationState.PAUSED}, "migration.paused")
    Migration.objects.filter(pk=migration.pk).update(waits_because="")  # it waits only for the person who resumes it


@transaction.atomic
def resume(*, migration: Migration, actor: User | None) -> None:
    """Continue a paused migration. Raises Refused."""
    _turn(migration, actor, {MigrationState.PAUSED: MigrationState.RUNNING}, "migration.resumed")
    queue_migrations()


@transaction.atomic
def cancel(*, migration: Migration, actor: User | None) -> None:
    """Cancel. The running customer is finished, migrated ones stay so, and nobody else is started. Raises Refused."""
    open_states = (MigrationState.PLANNED, MigrationState.RUNNING, MigrationState.PAUSED)
    _turn(migration, actor, dict.fromkeys(open_states, MigrationState.CANCELLED), "migration.cancelled")
    waiting = MigrationItem.objects.filter(migration=migration, state=ItemState.WAITING)
    waiting.update(state=ItemState.CANCELLED)
    Migration.objects.filter(pk=migration.pk).update(ended_at=timezone.now(), waits_because="")
    queue_migrations()


@transaction.atomic
def retry(*, migration: Migration, actor: User | None, item: MigrationItem | None = None) -> int:
    """Retry failed items, or the given one; completed steps are not repeated. Returns the number.

    What failed is retried: a migration, or a rollback. A paused migration stays paused, so who is to be migrated waits
    until a person resumes it. Raises Refused if there are none.
    """
    locked = _locked(migration, actor)
    states = RETRYABLE if item else (ItemState.FAILED,)
    asked = _lock_items(MigrationItem.objects.filter(migration=locked, state__in=states), item)
    chosen = [each for each in asked if not _has_open_item(each.customer_id)]
    if not chosen:
        raise Refused("No customer of this migration failed.", code="NOTHING_TO_DO")
    for tenant in tenants_in_region().filter(customer__in=[each.customer_id for each in chosen]):
        resources_services.retry_associations(tenant=tenant, actor=actor)
        resources_services.forget_default_sets(tenant=tenant)
    back, again = (
        MigrationItem.objects.filter(pk__in=[one.pk for one in chosen if one.rolls_back == way])
        for way in (True, False)
    )
    back.update(state=ItemState.ROLLING_BACK, problem="", ended_at=None, asked_by=actor)
    again.update(state=ItemState.WAITING, problem="", ended_at=None, asked_by=actor)
    _run_again(locked)
    for each in chosen:
        _record_of("tenant.rollback_retried" if each.rolls_back else "tenant.migration_retried", each, actor)
    about, after = migration_subject(locked), {"customers": len(chosen)}
    audit_services.record_bulk("migration.tried_again", about=about, actor=actor, after=after)
    queue_migrations()
    return len(chosen)


def _run_again(migration: Migration) -> None:
    """Let an ended migration run for whom it has to migrate again; SES's identities are listed anew."""
    row = Migration.objects.filter(pk=migration.pk)
    row.update(identities_read_at=None)
    if migration.is_finished and MigrationItem.objects.filter(migration=migration, state=ItemState.WAITING).exists():
        row.update(state=MigrationState.RUNNING, ended_at=None, waits_because="")


def waits_for_resume(migration: Migration) -> str:
    """Return a sentence to add to the answer to a retry, "" if the migration isn't paused."""
    migration.refresh_from_db(fields=("state",))
    return " The migration stays paused; resume it to go on." if migration.state == MigrationState.PAUSED else ""


def _record_of(what: str, item: MigrationItem, actor: User | None, because: str = "") -> None:
    """Record a request at its customer, for staff."""
    audit_services.record(
        what,
        about=customer_subject(item.customer),
        actor=actor,
        because=because,
        after={"migration": item.migration_id},
        bulk_id=item.migration_id,
        for_staff=True,
    )


@transaction.atomic
def roll_back(*, migration: Migration, actor: User | None, because: str, item: MigrationItem | None = None) -> int:
    """Roll back all started items, or the given one: sends no longer name the tenant, new associations are removed.

    The tenants remain, with what they had before. Customers whose sending is paused stay in theirs, since their mail
    would leave again. Returns the number. Raises Refused.
    """
    locked = _locked(migration, actor)
    if not because.strip():
        raise Refused("Enter a reason for the rollback.", code="REASON_MISSING")
    started = _started_items(locked, item)
    if not started:
        raise Refused("No customer of this migration was started.", code="NOTHING_TO_DO")
    kept = kept_by_pause(locked)
    chosen = [each for each in started if each.customer_id not in kept]
    if not chosen:
        raise Refused(held_by_pause([each.customer for each in started]), code="TENANT_PAUSED")
    if item is None:
        _cancel_waiting(locked)
    keys = [each.pk for each in chosen]
    asked = {"rolls_back": True, "asked_by": actor, "asked_because": because.strip()}
    rows = MigrationItem.objects.filter(pk__in=keys)
    rows.update(state=ItemState.ROLLING_BACK, problem="", ended_at=None, **asked)
    for each in chosen:
        _record_of("tenant.rollback_requested", each, actor, because.strip())
    about, after = migration_subject(locked), {"customers": len(keys)}
    audit_services.record_bulk("migration.rolled_back", about=about, actor=actor, because=because.strip(), after=after)
    queue_migrations()
    return len(keys)


def _cancel_waiting(migration: Migration) -> None:
    """Cancel who waits. A paused migration has nobody left to start, so it runs until the rollbacks end."""
    MigrationItem.objects.filter(migration=migration, state=ItemState.WAITING).update(state=ItemState.CANCELLED)
    paused = Migration.objects.filter(pk=migration.pk, state=MigrationState.PAUSED)
    paused.update(state=MigrationState.RUNNING)


def _started_items(migration: Migration, item: MigrationItem | None) -> list[MigrationItem]:
    wanted = MigrationItem.objects.filter(migration=migration, state__in=REVERSIBLE).exclude(before={})
    return [
        each
        for each in _lock_items(wanted, item)
        if not _has_open_item(each.customer_id, beside=each.pk) and not _is_migrated_by_another(each)
    ]


def _is_migrated_by_another(item: MigrationItem) -> bool:
    """Return whether a later migration switched the customer: a rollback of this one would undo that one's work."""
    here = MigrationItem.objects.filter(customer=item.customer_id, migration__region=settings.AWS_REGION)
    done = here.filter(state=ItemState.DONE)
    return item.state != ItemState.DONE and done.exclude(pk=item.pk).exists()


def _has_open_item(customer_id: str, beside: str = "") -> bool:
    items = MigrationItem.objects.filter(customer=customer_id, state__in=UNFINISHED)
    return items.exclude(pk=beside).exists()


def _turn(migration: Migration, actor: User | None, moves: dict[MigrationState, MigrationState], what: str) -> None:
    locked = _locked(migration, actor)
    before = MigrationState(locked.state)
    if before not in moves:
        raise Refused(f"Not possible: the migration is {before.label.lower()}.", code="WRONG_STATE")
    locked.state = migration.state = moves[before]
    locked.save(update_fields=("state",))
    audit_services.record_bulk(
        what,
        about=migration_subject(locked),
        actor=actor,
        because=locked.because if what == "migration.started" else "",
        before={"state": before.label},
        after={"state": moves[before].label},
    )


def _locked(migration: Migration, actor: User | None) -> Migration:
    _require_permission(actor)
    return Migration.locked(migration.pk)


def _require_permission(actor: User | None) -> None:
    """Raise Refused unless the actor may migrate. None is the command line, which may."""
    if actor is not None and not may_migrate(actor):
        raise NotAllowed("Only operators can migrate customers.")


def _policy(policy: str) -> str:
    chosen = policy or str(settings.TENANT_POLICY)
    if chosen not in list(Policy):
        raise Refused(f"{chosen} is not a reputation policy. Use one of: {', '.join(Policy)}.", code="POLICY_UNKNOWN")
    return chosen
