"""Runs one customer's tenant migration, step by step, and the worker's loop over the customers of all migrations.

Each step is harmless when repeated, so the process may die between any two. What exists is read from the rows that the
tenants' services store after each call; the step rows follow them. The switch, which makes sends name the tenant, comes
last, in the transaction that finds everything associated, and only after SES has listed it so. The worker rolls back
first, since SES may be rejecting that mail, then continues running customers, then starts new ones at the chosen rate.

A send uses the most exact identity that SES has for its sender, and that identity's default configuration set if it
names no other. So each attempt reads the default set of every identity of the customer, whoever made or associated it,
and a customer with an identity below their domains that nobody has decided about is not switched.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models.people import Customer
from accounts.people.selectors import customer_subject
from audit import services as audit_services
from domains.identity import services as identity_services
from domains.models.domains import Domain
from domains.sub_identities import services as sub_identities_services
from inbound_admin.lib import aws, isolation
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsMissing, AwsProblem, AwsUnreachable, Refused
from operations.jobs import queue_migrations
from operations.migration_rollback.services import roll_back_customer, switch_back
from operations.models import STARTED, UNFINISHED, ItemState, Migration, MigrationItem, MigrationState, MigrationStep
from operations.tenant_migration import selectors
from operations.tenant_migration.core import (
    Chosen,
    Inventory,
    MigrationResource,
    MigrationStepState,
    Step,
    StepKind,
    missing,
    plan,
)
from tenants.configuration_sets import services as configuration_sets_services
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.selectors import tenant_of
from tenants.models.tenants import ResourceKind, Tenant, TenantResource
from tenants.resources import services as resources_services

OF_SET = (StepKind.CONFIGURATION_SET, StepKind.OWN_SET)
OPEN = (MigrationStepState.TO_DO, MigrationStepState.FAILED, MigrationStepState.UNDONE)


@transaction.atomic
def store_steps(item: MigrationItem, inventory: Inventory, request_ids: Sequence[str]) -> None:
    """Create the steps at the first call. What exists then existed before; what is created later is ours."""
    steps = plan(inventory)
    known = {(row.kind, row.subject): row for row in MigrationStep.objects.select_for_update().filter(item=item)}
    is_first = not known
    new_ids = [each for each in request_ids if not any(each in row.request_ids for row in known.values())]
    for number, step in enumerate(steps, start=1):
        row = known.get((step.kind, step.subject))
        if row is None:
            _make(item, number, step, is_first=is_first)
        elif row.state in OPEN and step.stands:
            row.state, row.done_at, row.problem, row.number = MigrationStepState.DONE, timezone.now(), "", number
            row.request_ids, new_ids = [*row.request_ids, *new_ids], []
            row.save(update_fields=("state", "done_at", "problem", "number", "request_ids"))
        elif step.kind in OF_SET and row.state not in OPEN and not step.stands:  # deleted in SES meanwhile
            row.state, row.done_at = MigrationStepState.TO_DO, None
            row.save(update_fields=("state", "done_at"))
        elif (row.number, row.sentence) != (number, step.sentence):
            MigrationStep.objects.filter(pk=row.pk).update(number=number, sentence=step.sentence)


def _make(item: MigrationItem, number: int, step: Step, *, is_first: bool) -> None:
    state = (
        (MigrationStepState.FOUND if is_first else MigrationStepState.DONE) if step.stands else MigrationStepState.TO_DO
    )
    MigrationStep.objects.create(
        item=item,
        number=number,
        kind=step.kind,
        subject=step.subject,
        sentence=step.sentence,
        call=step.call,
        state=state,
        done_at=timezone.now() if step.stands else None,
    )


def done(item: MigrationItem, kind: StepKind) -> None:
    rows = MigrationStep.objects.filter(item=item, kind=kind, state__in=OPEN)
    rows.update(state=MigrationStepState.DONE, done_at=timezone.now(), problem="")


def fail(item: MigrationItem, kind: StepKind, problem: str) -> None:
    MigrationStep.objects.filter(item=item, kind=kind).update(state=MigrationStepState.FAILED, problem=problem)


def fail_first(item: MigrationItem, problem: str) -> None:
    """Mark the first open step as failed, unless another one is."""
    steps = MigrationStep.objects.filter(item=item)
    if steps.filter(state=MigrationStepState.FAILED).exists():
        return
    first = steps.filter(state=MigrationStepState.TO_DO).order_by("number").first()
    if first is not None:
        MigrationStep.objects.filter(pk=first.pk).update(state=MigrationStepState.FAILED, problem=problem)


GATE_SHUT = (
    "SES does not list {names} in the tenant, so it would reject mail that names the tenant. The customer’s sends were "
    "not switched. Try again."
)
UNDECIDED = (
    "SES also has {names} below this customer’s domains. SES would reject mail from there that names the tenant, so "
    "the customer’s sends were not switched. Migrate the customer again and choose to associate these identities, or "
    "delete them in SES and try again."
)
SET_IS_GONE = (
    " Configuration set {name} no longer exists there: the next attempt creates it again, without event destinations "
    "and other settings that were made in SES."
)
HELD = "{names} could not be associated with the tenant: {why}"
ELSEWHERE = "it belongs to another tenant in SES. Remove it there, under Drift or in the SES console, and try again."
UNFORESEEN = "An internal error stopped this customer. The others go on. Our team finds it in the log. Try again."
TURNS = 3  # a domain that is set up meanwhile is included
LIST_LASTS = timedelta(hours=1)  # then SES's identities are listed again, one call for each thousand


def migrate_customer(item: MigrationItem) -> None:
    """Continue one customer, unless cancelled. Raises AwsProblem if it must wait, Refused if a person must act."""
    if not _begin(item):
        return
    store_steps(item, _inventory(item), [])
    with aws.recording() as request_ids:
        try:
            _check_below(item)
            tenant = _tenant(item)
            for _ in range(TURNS):
                _check_below(item)
                if _associate_all(item, tenant) and _switch_to_tenant(item, tenant, request_ids):
                    return
                store_steps(item, _inventory(item), request_ids)
        except (Refused, AwsProblem):
            store_steps(item, _inventory(item), request_ids)
            raise
    raise Refused("This customer’s domains keep changing. Try again in a minute.")


def _inventory(item: MigrationItem) -> Inventory:
    migration = item.migration
    return selectors.inventory_of(
        item.customer,
        is_alone=migration.chosen == Chosen.CUSTOMER,
        associates_below=migration.associates_below,
        runs=True,
        is_listed=_is_listed(migration),
    )


def _is_listed(migration: Migration) -> bool:
    at = migration.identities_read_at
    return at is not None and at > timezone.now() - LIST_LASTS


def _check_below(item: MigrationItem) -> None:
    """Refuse a customer with an identity below their domains that nobody has decided about. Raises AwsProblem too.

    SES's identities are listed for all customers who are migrated within the hour.
    """
    if not _is_listed(item.migration):
        began = timezone.now()
        identity_services.read_sub_identities()
        item.migration.identities_read_at = began
        Migration.objects.filter(pk=item.migration_id).update(identities_read_at=began)
    if names := _inventory(item).undecided:
        text = UNDECIDED.format(names=", ".join(names))
        fail(item, StepKind.GATE, text)
        raise Refused(text, code="IDENTITIES_BELOW")


def _begin(item: MigrationItem) -> bool:
    """Store the state before the migration, once: a retry must not store a half-migrated state.

    Returns False if a person has cancelled the item, or rolls it back, since it was read.
    """
    if not item.before:
        tenant = tenant_of(item.customer)
        domains = Domain.objects.filter(customer=item.customer, region=settings.AWS_REGION)
        resources = TenantResource.objects.filter(tenant=tenant, wanted=True)
        if tenant:
            resources_services.forget_default_sets(tenant=tenant)
        item.before = {
            "tenant": tenant.pk if tenant else "",
            "sends_since": tenant.sends_since.isoformat() if tenant and tenant.sends_since else "",
            "domains": {domain.pk: domain.tenant_id or "" for domain in domains},
            "associations": sorted(resources.values_list("arn", flat=True)),
        }
    item.state, item.problem = ItemState.RUNNING, ""
    item.started_at = item.started_at or timezone.now()
    same = MigrationItem.objects.filter(pk=item.pk, state__in=(ItemState.WAITING, ItemState.RUNNING))
    return bool(same.update(before=item.before, state=item.state, problem="", started_at=item.started_at))


def _tenant(item: MigrationItem) -> Tenant:
    found = tenant_of(item.customer)
    if found is None:
        by, policy = selectors.person_of(item), item.migration.policy
        found = lifecycle_services.store_tenant(customer=item.customer, by=by, policy=policy)
    store_steps(item, _inventory(item), [])
    lifecycle_services.create_in_ses(tenant_id=found.pk)
    found.refresh_from_db()  # another name, if SES had one of this name
    return found


def _associate_all(item: MigrationItem, tenant: Tenant) -> bool:
    """Associate everything that a send uses, then read SES. Raises Refused if SES does not list all of it."""
    inventory = _inventory(item)
    if not inventory.set_is_made:
        configuration_sets_services.request_set(tenant=tenant)
    for resource in (*inventory.identities, *_templates(inventory)):
        if not resource.is_associated:
            resources_services.request_association(tenant=tenant, arn=resource.arn, kind=resource.kind)
    _read_default_sets(item, tenant)
    resources_services.apply_associations(tenant_id=tenant.pk)
    store_steps(item, _inventory(item), [])
    _refuse_problems(tenant)
    found = [arn for _, arn in resources_services.resources_in_ses(tenant.name)]
    wanted = _inventory(item).resources
    if names := missing(wanted, found):
        text = GATE_SHUT.format(names=", ".join(names))
        fail(item, StepKind.GATE, text)
        _reset_associations(tenant, wanted, found)
        if tenant.configuration_set in names:
            configuration_sets_services.read_set(tenant=tenant)
            text += SET_IS_GONE.format(name=tenant.configuration_set) if tenant.set_gone_at else ""
        raise Refused(text, code="NOT_READY")
    done(item, StepKind.GATE)
    return True


def _read_default_sets(item: MigrationItem, tenant: Tenant) -> None:
    """Read what this attempt has not read, one call for each identity. Raises AwsProblem, and Refused."""
    for each in _inventory(item).identities:
        if each.has_default_read:
            continue
        try:
            resources_services.read_default_set(tenant=tenant, arn=each.arn)
        except AwsMissing as missing:
            if Domain.objects.filter(customer=item.customer, region=settings.AWS_REGION, name=each.name).exists():
                why = resources_services.UNKNOWN
                raise Refused(HELD.format(names=each.name, why=why), code="NOT_ASSOCIATED") from missing
            resources_services.forget_association(tenant=tenant, arn=each.arn)  # deleted in SES: nothing sends with it
            sub_identities_services.forget(name=each.name)


def _templates(inventory: Inventory) -> tuple[MigrationResource, ...]:
    """Return the templates of the settings that the tenant doesn't have."""
    named = [(ResourceKind.TEMPLATE, name) for name in settings.TENANT_TEMPLATES]
    there = {each.arn for each in inventory.resources}
    found = [MigrationResource(kind, name, selectors.arn_of(kind, name)) for kind, name in named]
    return tuple(each for each in found if each.arn not in there)


def _refuse_problems(tenant: Tenant) -> None:
    rows = list(TenantResource.objects.filter(tenant=tenant, wanted=True, associated_at=None).exclude(problem=""))
    whys = {row.name: ELSEWHERE if row.held_by else row.problem for row in rows}
    if problems := [HELD.format(names=name, why=why) for name, why in whys.items()]:
        code = "IN_ANOTHER_TENANT" if any(row.held_by for row in rows) else "NOT_ASSOCIATED"
        raise Refused(" ".join(problems), code=code)


def _reset_associations(tenant: Tenant, wanted: tuple[MigrationResource, ...], found: list[str]) -> None:
    """Reset associations that our rows have and SES doesn't list, so the next retry makes them again."""
    lost = [each.arn for each in wanted if each.arn not in found]
    TenantResource.objects.filter(tenant=tenant, arn__in=lost).update(associated_at=None)


@transaction.atomic
def _switch_to_tenant(item: MigrationItem, tenant: Tenant, request_ids: Sequence[str]) -> bool:
    """Make sends name the tenant. Returns False if something was added meanwhile that is not associated.

    The item is done in the transaction of its last step, since its page stops polling once the item is done. Nothing
    is switched if a person rolls it back in the meantime.
    """
    Customer.locked(item.customer_id)
    domains = Domain.objects.filter(customer=item.customer, region=settings.AWS_REGION)
    list(domains.select_for_update(of=("self",)).order_by("pk").values_list("pk"))  # before tenants, as a transfer
    locked = Tenant.locked(tenant.pk)
    inventory = _inventory(item)
    if not inventory.is_ready:
        return False
    now = timezone.now()
    running = MigrationItem.objects.filter(pk=item.pk, state=ItemState.RUNNING)
    if not running.update(state=ItemState.DONE, switched_at=now, ended_at=now, problem=""):
        return True
    item.state = ItemState.DONE
    names = [each.name for each in inventory.identities]
    domains.filter(name__in=names).update(tenant=locked)
    locked.sends_since = locked.sends_since or now
    locked.save(update_fields=("sends_since",))
    store_steps(item, _inventory(item), request_ids)
    audit_services.record(
        "tenant.switched",
        about=customer_subject(item.customer),
        actor=selectors.person_of(item),
        because=item.migration.because,
        before={"sends_as": ""},
        after={"sends_as": locked.name, "domains": names},
        bulk_id=item.migration_id,
    )
    return True


def mark_failed(item: MigrationItem, problem: Refused | AwsProblem) -> None:
    """Mark the item as failed, unless a person rolls it back by now. Completed steps stay; a retry continues there."""
    fail_first(item, str(problem))
    rolls_back = item.state == ItemState.ROLLING_BACK
    text = f"The rollback failed: {problem}" if rolls_back else str(problem)
    same = MigrationItem.objects.filter(pk=item.pk, state=item.state)
    same.update(state=ItemState.FAILED, problem=text, ended_at=timezone.now(), rolls_back=rolls_back)


WAITS = "The limit of {limit} per hour is reached. The migration continues at {at:%H:%M} UTC."
Clock = Callable[[], datetime]


def work(*, now: Clock = timezone.now) -> None:
    """Continue all migrations. Repeatable. Raises AwsProblem if it must wait."""
    while item := _next(now):
        _run(item, roll_back_customer if item.state == ItemState.ROLLING_BACK else migrate_customer)


def _next(now: Clock) -> MigrationItem | None:
    """Return the next customer. Before it, every requested switch back is made: it needs no call."""
    for item in selectors.to_switch_back():
        _run(item, switch_back)
    if rollback := selectors.rollbacks().first():
        return rollback
    for migration in selectors.unfinished():
        if found := _next_of(migration, now):
            return found
        _finish(migration)
    return None


def _next_of(migration: Migration, now: Clock) -> MigrationItem | None:
    """Return the migration's next customer: a started one in any state of it; a new one only while it runs."""
    item = selectors.next_item(migration)
    if item is None or item.state in STARTED:
        return item
    if migration.state != MigrationState.RUNNING:
        return None
    if seconds := selectors.seconds_until_next(migration, now()):
        free_at = now() + timedelta(seconds=seconds)
        limit = "1 customer" if migration.at_most_per_hour == 1 else f"{migration.at_most_per_hour:,} customers"
        running = Migration.objects.filter(pk=migration.pk, state=MigrationState.RUNNING)  # not if paused meanwhile
        running.update(waits_because=WAITS.format(limit=limit, at=free_at.astimezone(UTC)))
        queue_migrations(in_seconds=seconds)
        return None
    return item


def _run(item: MigrationItem, act: Callable[[MigrationItem], None]) -> None:
    """Continue an item. Raises AwsProblem if waiting helps; the item then keeps its state and shows why."""
    try:
        act(item)
    except (AwsBusy, AwsUnreachable, AwsDenied) as problem:
        MigrationItem.objects.filter(pk=item.pk).update(problem=str(problem))
        _store_wait_reason(item.migration, str(problem))
        raise
    except (Refused, AwsProblem) as problem:
        mark_failed(item, problem)
    except Exception as error:  # noqa: BLE001  # logged, or raised again
        isolation.log_or_raise("migrate a customer", item.pk, error)
        item.refresh_from_db(fields=("state",))  # what was changed in memory was not stored
        mark_failed(item, Refused(UNFORESEEN))
    _store_wait_reason(item.migration, "")


def _finish(migration: Migration) -> None:
    """Finish if no customer is left, even if some failed: those are shown and can be retried."""
    if MigrationItem.objects.filter(migration=migration, state__in=UNFINISHED).exists():
        return
    rows = Migration.objects.filter(pk=migration.pk, state=MigrationState.RUNNING)
    rows.update(state=MigrationState.DONE, ended_at=timezone.now(), waits_because="")


def _store_wait_reason(migration: Migration, text: str) -> None:
    Migration.objects.filter(pk=migration.pk).exclude(waits_because=text).update(waits_because=text)
