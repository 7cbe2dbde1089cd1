"""One customer moves into a tenant, and out again: each step harmless when repeated, so it may die between any two.

What stands is read from the rows that the tenants' services store after each call; the steps of the page follow them.
The switch comes last, in the transaction that finds everything associated, and only after Amazon has listed it so.
"""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.models import Domain
from domains.services import reading_sets
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.core.migration import Inventory, Resource, StepKind, missing
from operations.models import ItemState, MigrationItem
from operations.selectors.inventory import arn_of, inventory_of
from operations.services import step_keeping
from tenants.models import Customer, ResourceKind, Tenant, TenantResource
from tenants.selectors import tenant_of
from tenants.services import associating, creating
from tenants.services.customers import subject

GATE_SHUT = (
    "Amazon does not list {names} with the tenant, so mail that names it would be refused. The customer’s sends were "
    "not switched. Try again."
)
HELD = "{names} could not be put into the tenant: {why}"
TURNS = 3  # a domain that is set up meanwhile is taken along


def move(item: MigrationItem) -> None:
    """Carry it on from where it is. Raises AwsProblem where to wait, Refused where a person has to look."""
    _begin(item)
    with aws.recording() as request_ids:
        try:
            tenant = _tenant(item)
            creating.carry_out_creation(tenant_id=tenant.pk)
            for _ in range(TURNS):
                if _associated(item, tenant) and _switched(item, tenant):
                    return
                step_keeping.keep(item, _inventory(item), request_ids)
        finally:
            step_keeping.keep(item, _inventory(item), request_ids)
    raise Refused("Domains of this customer change all the time. Try again in a minute.")


def _inventory(item: MigrationItem) -> Inventory:
    return inventory_of(item.customer, surveyed=item.migration.taken is not None)


def _begin(item: MigrationItem) -> None:
    """What was before is kept once: a second try must not take our own half for it."""
    if not item.before:
        tenant = tenant_of(item.customer)
        domains = Domain.objects.filter(customer=item.customer, region=settings.AWS_REGION)
        resources = (
            TenantResource.objects.filter(tenant=tenant, wanted=True) if tenant else TenantResource.objects.none()
        )
        item.before = {
            "tenant": tenant.pk if tenant else "",
            "sends_since": tenant.sends_since.isoformat() if tenant and tenant.sends_since else "",
            "domains": {domain.pk: domain.tenant_id or "" for domain in domains},
            "associations": sorted(resources.values_list("arn", flat=True)),
        }
    item.state, item.problem = ItemState.RUNNING, ""
    item.started_at = item.started_at or timezone.now()
    item.save(update_fields=("before", "state", "problem", "started_at"))


def _tenant(item: MigrationItem) -> Tenant:
    found = tenant_of(item.customer)
    if found is None:
        found = creating.create_tenant(customer=item.customer, actor=item.migration.by, policy=item.migration.policy)
    step_keeping.keep(item, _inventory(item), [])
    return found


def _associated(item: MigrationItem, tenant: Tenant) -> bool:
    """Everything that a send uses; then Amazon is asked whether it is so. Raises Refused while it is not."""
    inventory = _inventory(item)
    _refuse_held(item, inventory)
    for resource in (*inventory.identities, *_more(inventory)):
        if not resource.is_associated:
            free = _is_free(item, resource)
            associating.want(tenant=tenant, arn=resource.arn, kind=resource.kind, free=free)
    associating.carry_out_associations(tenant_id=tenant.pk)
    step_keeping.keep(item, _inventory(item), [])
    _refuse_problems(tenant)
    found = [arn for _, arn in associating.resources_at_amazon(tenant.name)]
    wanted = _inventory(item).resources
    if names := missing(wanted, found):
        step_keeping.fail(item, StepKind.GATE, GATE_SHUT.format(names=", ".join(names)))
        _ask_again(tenant, wanted, found)
        raise Refused(GATE_SHUT.format(names=", ".join(names)), code="NOT_READY")
    step_keeping.done(item, StepKind.GATE)
    return True


def _more(inventory: Inventory) -> tuple[Resource, ...]:
    """Default configuration sets of identities that others made, and the templates that the settings name."""
    sets = [
        reading_sets.default_configuration_set(each.name)
        for each in inventory.identities
        if not each.by_us and not each.is_associated
    ]
    named = [(ResourceKind.CONFIGURATION_SET, name) for name in dict.fromkeys(sets) if name]
    named += [(ResourceKind.TEMPLATE, name) for name in settings.TENANT_TEMPLATES]
    there = {each.arn for each in inventory.resources}
    found = [Resource(kind, name, arn_of(kind, name)) for kind, name in named]
    return tuple(each for each in found if each.arn not in there)


def _refuse_held(item: MigrationItem, inventory: Inventory) -> None:
    """By the list of all tenants that was read at the migration's start."""
    taken: dict[str, str] = item.migration.taken or {}
    held = [each.name for each in inventory.identities if taken.get(each.arn, inventory.tenant) != inventory.tenant]
    if held:
        why = "another tenant has it. The page of differences offers to take it out."
        raise Refused(HELD.format(names=", ".join(held), why=why), code="IN_ANOTHER_TENANT")


def _is_free(item: MigrationItem, resource: Resource) -> bool:
    """What we made ourselves, and no tenant of that list has, need not be asked for by itself."""
    taken = item.migration.taken
    return taken is not None and resource.by_us and resource.arn not in taken


def _refuse_problems(tenant: Tenant) -> None:
    rows = TenantResource.objects.filter(tenant=tenant, wanted=True, associated_at=None)
    if problems := [HELD.format(names=row.name, why=row.problem) for row in rows if row.problem]:
        raise Refused(" ".join(problems), code="NOT_ASSOCIATED")


def _ask_again(tenant: Tenant, wanted: tuple[Resource, ...], found: list[str]) -> None:
    """Our rows said that these are associated, and Amazon does not: the next try asserts them once more."""
    lost = [each.arn for each in wanted if each.arn not in found]
    TenantResource.objects.filter(tenant=tenant, arn__in=lost).update(associated_at=None)


@transaction.atomic
def _switched(item: MigrationItem, tenant: Tenant) -> bool:
    """False where something came meanwhile that is not associated."""
    Customer.objects.select_for_update(no_key=True).get(pk=item.customer_id)
    locked = Tenant.objects.select_for_update(of=("self",)).get(pk=tenant.pk)
    inventory = _inventory(item)
    if not all(each.is_associated for each in inventory.resources):
        return False
    now = timezone.now()
    names = [each.name for each in inventory.identities]
    domains = Domain.objects.filter(customer=item.customer, region=settings.AWS_REGION)
    domains.filter(name__in=names).update(tenant=locked)
    was = locked.sends_since
    locked.sends_since = was or now
    locked.save(update_fields=("sends_since",))
    MigrationItem.objects.filter(pk=item.pk).update(state=ItemState.DONE, switched_at=now, ended_at=now, problem="")
    item.state = ItemState.DONE
    changes.record(
        "tenant.switched",
        about=subject(item.customer),
        actor=item.migration.by,
        because=item.migration.because,
        before={"sends_as": ""},
        after={"sends_as": locked.name, "domains": names},
        bulk_id=item.migration_id,
    )
    return True


def move_back(item: MigrationItem) -> None:
    """First the switch, then the associations that came by the move. Raises AwsProblem where to wait."""
    tenant = Tenant.objects.filter(customer=item.customer, region=settings.AWS_REGION).first()
    if tenant is not None:
        _switch_back(item, tenant)
        _take_out(item, tenant)
    _end_back(item)


@transaction.atomic
def _switch_back(item: MigrationItem, tenant: Tenant) -> None:
    locked = Tenant.objects.select_for_update(of=("self",)).get(pk=tenant.pk)
    before: dict[str, str] = item.before.get("domains", {})
    for domain in Domain.objects.select_for_update(of=("self",)).filter(tenant=locked):
        if not before.get(domain.pk):
            Domain.objects.filter(pk=domain.pk).update(tenant=None)
    if locked.sends_since is None or item.before.get("sends_since"):
        return
    locked.sends_since = None
    locked.save(update_fields=("sends_since",))
    changes.record(
        "tenant.switched_back",
        about=subject(item.customer),
        actor=item.migration.by,
        before={"sends_as": locked.name},
        after={"sends_as": ""},
        bulk_id=item.migration_id,
    )


def _take_out(item: MigrationItem, tenant: Tenant) -> None:
    """The tenant stays with its own configuration set, which nothing else uses."""
    kept = {*item.before.get("associations", ()), arn_of(ResourceKind.CONFIGURATION_SET, tenant.configuration_set)}
    for row in TenantResource.objects.filter(tenant=tenant, wanted=True).exclude(arn__in=kept):
        associating.unwant(tenant=tenant, arn=row.arn)
    with aws.recording():
        associating.carry_out_associations(tenant_id=tenant.pk)


def _end_back(item: MigrationItem) -> None:
    step_keeping.undo(item)
    MigrationItem.objects.filter(pk=item.pk).update(
        state=ItemState.ROLLED_BACK, ended_at=timezone.now(), switched_at=None, problem="", before={}
    )


def stop(item: MigrationItem, problem: Refused | AwsProblem) -> None:
    """It needs a person; what is done stays, and a new try begins there."""
    step_keeping.fail_first(item, str(problem))
    text = f"The rolling back was stopped: {problem}" if item.state == ItemState.ROLLING_BACK else str(problem)
    MigrationItem.objects.filter(pk=item.pk).update(state=ItemState.FAILED, problem=text, ended_at=timezone.now())
