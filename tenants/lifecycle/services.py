"""Creates and adopts SES tenants, and creates those again that were deleted in SES.

Creation takes five calls, each harmless when repeated. What AWS answered is stored before the next call, so a process
that dies anywhere continues from there. SES has no client token: after "already exists" our tag shows whether a lost
attempt of ours created it.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import require
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing, AwsProblem, Refused
from inbound_admin.lib.ids import new_id
from tenants.jobs import queue_associations, queue_creation, queue_status
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import NOT_ASSOCIATED, ConfigurationSet, Entity, TenantFound, is_tenant_name, tenant_name
from tenants.lifecycle.selectors import tenant_subject, tenants_in_region
from tenants.models.tenants import (
    Policy,
    ResourceKind,
    SendingStatus,
    Suppression,
    Tenant,
    TenantResource,
    TenantStage,
    new_tenant_id,
)
from tenants.resources import services as resources_services
from tenants.resources.services import resources_in_ses
from tenants.status import services as status_services
from tenants.status.services import warn_of_rejected

SUFFIX = 8  # characters of Crockford's base 32 that distinguish customers with the same name
NOT_YOURS = "Your role can't create tenants. Ask an operator."
NAME_TAKEN = (
    "SES has another tenant {name}, which this customer’s sends would use. Delete that tenant in the SES console."
)


def require_permission(actor: User | None) -> None:
    """Raises NotAllowed unless the actor may create tenants. None is the system itself, which may."""
    require(actor, "tenants.manage_tenant", NOT_YOURS)


def create_tenant(*, customer: Customer, actor: User | None, policy: str = "", sends_at_once: bool = False) -> Tenant:
    """Store the request; the worker creates the tenant. Raises Refused if the customer has one, or NotAllowed.

    `sends_at_once` is for a customer who doesn't send yet, so no sends exist that don't name a tenant.
    """
    require_permission(actor)
    return store_tenant(customer=customer, by=actor, policy=policy, sends_at_once=sends_at_once)


def store_tenant(*, customer: Customer, by: User | None, policy: str = "", sends_at_once: bool = False) -> Tenant:
    """Store a request that `by` was allowed to make when they made it, as the start of a migration. Raises Refused."""
    tenant = Tenant(pk=new_tenant_id(), customer=customer, policy=_policy(policy or settings.TENANT_POLICY))
    tenant.name = tenant.configuration_set = _name(tenant)
    return _store_new(tenant, by, sends_at_once=sends_at_once)


def adopt_tenant(*, customer: Customer, name: str, actor: User) -> Tenant:
    """Adopt a tenant that exists in SES. Makes one call. Raises Refused, NotAllowed, AwsProblem."""
    require_permission(actor)
    if not is_tenant_name(name):
        raise Refused("Use up to 64 letters, digits, - and _.")
    _refuse_second(customer)
    try:
        lifecycle_gateway.get_tenant(name)
    except AwsMissing as missing:
        raise Refused(f"SES has no tenant {name} in {settings.AWS_REGION}.", code="TENANT_MISSING") from missing
    tenant = Tenant(customer=customer, name=name, adopted=True, policy=_policy(settings.TENANT_POLICY))
    return _store_new(tenant, actor, sends_at_once=False)


@transaction.atomic
def _store_new(tenant: Tenant, actor: User | None, *, sends_at_once: bool) -> Tenant:
    _refuse_second(tenant.customer)
    tenant.region, tenant.created_by = settings.AWS_REGION, actor
    tenant.sends_since = timezone.now() if sends_at_once else None
    try:
        with transaction.atomic():
            tenant.save(force_insert=True)
    except IntegrityError as error:
        _refuse_second(tenant.customer)  # raises the right sentence for the person who lost the race
        raise Refused(f"Tenant {tenant.name} belongs to another customer here.", code="TENANT_TAKEN") from error
    after = {"name": tenant.name, "customer": tenant.customer.name, "adopted": tenant.adopted or None}
    audit_services.record("tenant.added", about=tenant_subject(tenant), actor=actor, after=after)
    queue_creation(tenant)
    return tenant


def recreate_tenant(*, tenant: Tenant, pause: Mapping[str, object], arn: str = "") -> None:
    """Create the tenant again under its name, or, with `arn`, adopt the one that has the name. Run it in a transaction.

    Policy, suppression list, configuration set and associations are applied again, and `pause`, as `tenants.pause`
    keeps it. The caller records actor and reason.
    """
    fields: dict[str, object] = {
        "stage": TenantStage.CREATING,
        "stage_problem": "",
        "adopted": False,
        "arn": arn,
        "ses_id": arn.rpartition("/")[2],
        "policy_told": "",
        "suppression_told": "",
        "set_sends": None,
        "set_gone_at": None,
        "read_problem": "",
        **pause,
    }
    Tenant.objects.filter(pk=tenant.pk, stage=TenantStage.READY).update(**fields, updated_at=timezone.now())
    rows = TenantResource.objects.filter(tenant=tenant)
    rows.filter(wanted=True, lost_at=None).exclude(associated_at=None).update(lost_at=timezone.now())
    rows.update(associated_at=None, problem="", held_by="", retry_at=None, missing_since=None)
    queue_creation(tenant)


def create_in_ses(*, tenant_id: str) -> None:
    """Continue the creation from its stored step. Raises AwsProblem, which is also stored for the page."""
    tenant = tenants_in_region().select_related("customer").filter(pk=tenant_id, stage=TenantStage.CREATING).first()
    if tenant is None:
        return
    with aws.recording() as request_ids:
        try:
            if all(
                step(tenant)
                for step in (
                    *(_tenant, _stop, _adopt_state, _set_policy, _set_suppression),
                    *(_set, _associate_own_set, _read),
                )
            ):
                _finish(tenant, request_ids)
        except AwsProblem as problem:
            _store(tenant, stage_problem=str(problem))
            raise


def _tenant(tenant: Tenant) -> bool:
    if tenant.arn:
        return True
    if tenant.adopted:
        return _adopted(tenant)
    try:
        return _store_found(tenant, lifecycle_gateway.create_tenant(tenant.name, ours=tenant.pk))
    except AwsConflict:
        found = lifecycle_gateway.get_tenant(tenant.name)
    if (lifecycle_gateway.OURS, tenant.pk) in found.tags:  # our own first attempt, whose answer was lost
        return _store_found(tenant, found)
    if tenant.is_restoring:  # its sends name it
        _store(tenant, stage_problem=NAME_TAKEN.format(name=tenant.name))
        return False
    return _choose_other_name(tenant) and _tenant(tenant)


def _stop(tenant: Tenant) -> bool:
    """Pause a tenant that is restored paused, before anything can be sent with it."""
    if tenant.is_paused and tenant.is_under_way and tenant.status_told_at is None:
        lifecycle_gateway.set_status(tenant.arn, SendingStatus.DISABLED)
        same = Tenant.objects.filter(pk=tenant.pk, status_asked_at=tenant.status_asked_at, status_told_at=None)
        same.update(status_told_at=timezone.now())
    return True


def _adopted(tenant: Tenant) -> bool:
    try:
        found = lifecycle_gateway.get_tenant(tenant.name)
        tenant.suppression = found.suppression if found.suppression in tuple(Suppression) else tenant.suppression
        _store(tenant, suppression=tenant.suppression, suppression_told=tenant.suppression)
        return _store_found(tenant, found)
    except AwsMissing:
        _store(tenant, stage_problem="This tenant no longer exists in SES. Delete it here and create a new one.")
        return False


def _store_found(tenant: Tenant, found: TenantFound) -> bool:
    try:
        with transaction.atomic():
            fields = {"ses_id": found.ses_id, "arn": found.arn, "ses_created_at": found.created_at}
            return _store(tenant, **fields)
    except IntegrityError:
        tenant.arn = ""
        _store(
            tenant, stage_problem="This tenant belongs to another customer here. Delete it here and create a new one."
        )
        return False


def _choose_other_name(tenant: Tenant) -> bool:
    """Choose another name, since somebody else's tenant has this one."""
    name = _name(tenant, new_id("")[-SUFFIX:])
    return _store(tenant, name=name, configuration_set=name)


def _adopt_state(tenant: Tenant) -> bool:
    """Store an adopted tenant's policy, associations and configuration set unchanged."""
    if not tenant.adopted or tenant.policy_told:
        return True
    resources_services.adopt_associations(tenant, resources_services.resources_in_ses(tenant.name))
    entity = status_services.entity_of(tenant)
    known = entity is not None and entity.policy in tuple(Policy)
    if entity is None or not known:  # if SES returns no policy, or an unknown one, the next step sets it
        return True
    return _store(tenant, policy=entity.policy, ses_policy=entity.policy, policy_told=entity.policy)


def _set_policy(tenant: Tenant) -> bool:
    """Set the policy explicitly, since sources disagree on a new tenant's default."""
    if tenant.policy_told:
        return True
    lifecycle_gateway.set_policy(tenant.arn, Policy(tenant.policy))
    return _store(tenant, policy_told=tenant.policy, ses_policy=tenant.policy)


def _set_suppression(tenant: Tenant) -> bool:
    """Set the tenant's own list again in a tenant that exists again. A new tenant uses the account's list."""
    if tenant.suppression == tenant.suppression_told:
        return True
    lifecycle_gateway.set_suppression(tenant.name, Suppression(tenant.suppression))
    read_at, told = timezone.now(), tenant.suppression
    return _store(tenant, suppression_told=told, ses_suppression=told, suppression_read_at=read_at)


def _set(tenant: Tenant) -> bool:
    if tenant.set_sends is not None:
        return True
    if tenant.adopted and not tenant.configuration_set and not _adopt_configuration_set(tenant):
        _store(tenant, configuration_set=_name(tenant))
    if tenant.adopted and _is_associated(tenant, tenant.configuration_set):  # adoption writes nothing
        return _store_set(tenant, lifecycle_gateway.get_configuration_set(tenant.configuration_set))
    try:
        lifecycle_gateway.create_configuration_set(tenant.configuration_set, ours=tenant.pk)
    except AwsConflict:
        found = lifecycle_gateway.get_configuration_set(tenant.configuration_set)
        adopted = _is_associated(tenant, tenant.configuration_set)
        if (lifecycle_gateway.OURS, tenant.pk) in found.tags or adopted:
            return _store_set(tenant, found)
        return _store(tenant, configuration_set=_name(tenant, new_id("")[-SUFFIX:])) and _set(tenant)
    return _store(tenant, set_sends=True, set_read_at=timezone.now())


def _store_set(tenant: Tenant, found: ConfigurationSet) -> bool:
    """Store that SES has the set. A read from before doesn't replace it."""
    return _store(tenant, set_sends=found.sends, set_read_at=timezone.now())


def _adopt_configuration_set(tenant: Tenant) -> bool:
    """Use the first configuration set of an adopted tenant as the customer's."""
    sets = TenantResource.objects.filter(
        tenant=tenant, kind=ResourceKind.CONFIGURATION_SET, associated_at__isnull=False
    )
    first = sets.order_by("name").first()
    return first is not None and _store(tenant, configuration_set=first.name)


def _is_associated(tenant: Tenant, name: str) -> bool:
    """Return whether the tenant has the set, or had it before it was deleted in SES."""
    known = TenantResource.objects.filter(tenant=tenant, kind=ResourceKind.CONFIGURATION_SET, name=name)
    return known.exclude(associated_at=None, lost_at=None).exists()


def _associate_own_set(tenant: Tenant) -> bool:
    """Associate the tenant's own configuration set; without one it can't send."""
    arn = lifecycle_gateway.configuration_set_arn(tenant.configuration_set)
    resource = resources_services.store_association(tenant, arn)
    if not resource.associated_at:
        resources_services.associate(resource)
    return True


def _read(tenant: Tenant) -> bool:
    status_services.read(tenant)
    return True


@transaction.atomic
def _finish(tenant: Tenant, request_ids: list[str]) -> None:
    """Mark it as created. Of two concurrent workers only one finds it unfinished, so the change log has one entry."""
    if not _store(tenant, stage=TenantStage.READY, stage_problem=""):
        return
    what = "tenant.adopted" if tenant.adopted else "tenant.created"
    after = {"tenant": tenant.name, "policy": tenant.policy, "configuration_set": tenant.configuration_set}
    audit_services.record(what, about=tenant_subject(tenant), actor=None, after=after, aws_request_ids=request_ids)
    tenant.refresh_from_db()
    queue_associations(tenant)
    if tenant.is_under_way:
        queue_status(tenant)


def _store(tenant: Tenant, **fields: object) -> bool:
    """Store fields. Returns False, and stores nothing, if it was deleted meanwhile or another worker finished it."""
    for name, value in fields.items():
        setattr(tenant, name, value)
    rows = Tenant.objects.filter(pk=tenant.pk, stage=TenantStage.CREATING)
    return bool(rows.update(**fields, updated_at=timezone.now()))


def _refuse_second(customer: Customer) -> None:
    known = tenants_in_region().filter(customer=customer).first()
    if known is None:
        return
    if known.stage == TenantStage.DELETING:
        raise Refused(f"{customer}'s tenant is being deleted. Wait until it is deleted.", code="TENANT_DELETING")
    raise Refused(f"{customer} already has tenant {known.name}.", code="TENANT_EXISTS")


def _policy(name: str) -> Policy:
    try:
        return Policy(name)
    except ValueError as error:
        raise Refused(f"“{name}” is not a reputation policy. Use standard, strict or none.") from error


def _name(tenant: Tenant, suffix: str = "") -> str:
    return tenant_name(tenant.customer.name, suffix or tenant.pk[-SUFFIX:])


# Reads every tenant that SES has in this region, whoever created it, and stores which associations SES has lost.


@dataclass(frozen=True)
class TenantInventory:
    """One tenant in SES. `resources` are (kind, ARN); `entity` is None if SES keeps no reputation of it."""

    tenant: TenantFound
    resources: tuple[tuple[str, str], ...]
    entity: Entity | None = None


def tenants_in_ses() -> tuple[TenantFound, ...]:
    """Return all tenants, one call for each hundred.

    Raises AwsProblem, since in half a list the others would look deleted.
    """
    return tuple(lifecycle_gateway.all_pages(lifecycle_gateway.list_tenants))


def entities_in_ses() -> dict[str, Entity]:
    """Return reputations by the tenant's ARN, one call for each hundred. Raises AwsProblem."""
    return {entity.arn: entity for entity in lifecycle_gateway.all_pages(lifecycle_gateway.list_entities)}


def read_inventories(tenants: Iterable[TenantFound], entities: Mapping[str, Entity]) -> tuple[TenantInventory, ...]:
    """Read each tenant's resources, one call each. A tenant deleted meanwhile is left out. Raises AwsProblem."""
    found = []
    for tenant in tenants:
        with suppress(AwsMissing):
            found.append(TenantInventory(tenant, resources_in_ses(tenant.name), entities.get(tenant.arn)))
    return tuple(found)


def read_inventories_of(names: frozenset[str]) -> tuple[TenantInventory, ...]:
    """Read only the tenants with these names, three calls each. A tenant that SES doesn't have is left out."""
    found = []
    for name in sorted(names):
        with suppress(AwsMissing):
            tenant = lifecycle_gateway.get_tenant(name)
            found.append(TenantInventory(tenant, resources_in_ses(name), _entity_of(tenant)))
    return tuple(found)


def _entity_of(tenant: TenantFound) -> Entity | None:
    with suppress(AwsMissing):  # SES may keep no reputation of a tenant that never sent
        return lifecycle_gateway.get_entity(tenant.arn)
    return None


@transaction.atomic
def record_lost(
    *, tenants: Collection[str], lost: Collection[tuple[str, str]], listed: Collection[tuple[str, str]]
) -> None:
    """Store which associations of these tenants SES has lost, or lists again, as (tenant, ARN), and alert of them."""
    rows = TenantResource.objects.filter(tenant__in=tenants_in_region().filter(name__in=tenants), wanted=True)
    changed: dict[str, Tenant] = {}
    for row in rows.exclude(associated_at=None, lost_at=None).select_related("tenant"):
        key, same = (row.tenant.name, row.arn), TenantResource.objects.filter(pk=row.pk)
        if row.is_lost and key in listed:
            same.update(lost_at=None, problem="", associated_at=row.associated_at or timezone.now())
        elif key in lost and not row.is_lost:
            same.update(lost_at=timezone.now(), problem=NOT_ASSOCIATED)
        else:
            continue
        changed[row.tenant_id] = row.tenant
    for tenant in changed.values():
        warn_of_rejected(tenant, timezone.now())
