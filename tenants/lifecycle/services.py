"""Creates, adopts and deletes SES tenants.

Creation takes five calls, each harmless when repeated. What AWS answered is stored before the next call, so a process
that dies anywhere continues from there. SES has no client token: after "already exists" our tag shows whether a lost
attempt of ours created it.

Deletion removes the associations first, then the tenant, then the configuration set that we created for it.
"""

from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, IntegrityError, transaction
from django.db.models.deletion import Collector, ProtectedError
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import require
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing, AwsProblem, Refused
from inbound_admin.lib.ids import new_id
from notifications.alerts import services as alerts_services
from tenants.jobs import queue_associations, queue_creation, queue_removal, queue_status
from tenants.lifecycle import gateway
from tenants.lifecycle.core import ConfigurationSet, TenantFound, is_tenant_name, tenant_name
from tenants.lifecycle.selectors import tenant_subject, tenants_in_region, what_stopped
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
from tenants.status import services as status_services

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
        gateway.get_tenant(name)
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
        return _store_found(tenant, gateway.create_tenant(tenant.name, ours=tenant.pk))
    except AwsConflict:
        found = gateway.get_tenant(tenant.name)
    if (gateway.OURS, tenant.pk) in found.tags:  # our own first attempt, whose answer was lost
        return _store_found(tenant, found)
    if tenant.is_restoring:  # its sends name it
        _store(tenant, stage_problem=NAME_TAKEN.format(name=tenant.name))
        return False
    return _choose_other_name(tenant) and _tenant(tenant)


def _stop(tenant: Tenant) -> bool:
    """Pause a tenant that is restored paused, before anything can be sent with it."""
    if tenant.is_paused and tenant.is_under_way and tenant.status_told_at is None:
        gateway.set_status(tenant.arn, SendingStatus.DISABLED)
        same = Tenant.objects.filter(pk=tenant.pk, status_asked_at=tenant.status_asked_at, status_told_at=None)
        same.update(status_told_at=timezone.now())
    return True


def _adopted(tenant: Tenant) -> bool:
    try:
        found = gateway.get_tenant(tenant.name)
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
    gateway.set_policy(tenant.arn, Policy(tenant.policy))
    return _store(tenant, policy_told=tenant.policy, ses_policy=tenant.policy)


def _set_suppression(tenant: Tenant) -> bool:
    """Set the tenant's own list again in a tenant that exists again. A new tenant uses the account's list."""
    if tenant.suppression == tenant.suppression_told:
        return True
    gateway.set_suppression(tenant.name, Suppression(tenant.suppression))
    read_at, told = timezone.now(), tenant.suppression
    return _store(tenant, suppression_told=told, ses_suppression=told, suppression_read_at=read_at)


def _set(tenant: Tenant) -> bool:
    if tenant.set_sends is not None:
        return True
    if tenant.adopted and not tenant.configuration_set and not _adopt_configuration_set(tenant):
        _store(tenant, configuration_set=_name(tenant))
    if tenant.adopted and _is_associated(tenant, tenant.configuration_set):  # adoption writes nothing
        return _store_set(tenant, gateway.get_configuration_set(tenant.configuration_set))
    try:
        gateway.create_configuration_set(tenant.configuration_set, ours=tenant.pk)
    except AwsConflict:
        found = gateway.get_configuration_set(tenant.configuration_set)
        adopted = _is_associated(tenant, tenant.configuration_set)
        if (gateway.OURS, tenant.pk) in found.tags or adopted:
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
    arn = gateway.configuration_set_arn(tenant.configuration_set)
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


@dataclass(frozen=True)
class TenantConsequences:
    """What a person sees before deleting a tenant."""

    resources: tuple[TenantResource, ...]  # they leave the tenant and remain in SES
    configuration_set: str  # deleted with it if we created it
    in_use: tuple[str, ...]  # domains and others that use the tenant and must be removed first
    held: str = ""  # why a pause or suspension prevents the deletion


def consequences(tenant: Tenant) -> TenantConsequences:
    resources = tuple(TenantResource.objects.filter(tenant=tenant))
    return TenantConsequences(resources, tenant.configuration_set, _users_of(tenant), _held_by_stop(tenant))


def delete_tenant(*, tenant: Tenant, typed_name: str, actor: User) -> None:
    """Mark it for deletion; the worker deletes it. Raises Refused for a wrong name, or while domains use it."""
    require(actor, "tenants.manage_tenant", "Your role can't delete tenants. Ask an operator.")
    if typed_name.strip() != tenant.name:
        raise Refused(f"To delete the tenant, type its name: {tenant.name}.", code="NAME_NOT_TYPED")
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.stage == TenantStage.DELETING:
            return
        if held := _held_by_stop(locked):
            raise Refused(held, code="TENANT_PAUSED")
        _refuse_while_in_use(locked)
        before = {"stage": locked.stage}
        locked.stage, locked.stage_problem = TenantStage.DELETING, ""
        locked.save(update_fields=("stage", "stage_problem", "updated_at"))
        about, after = tenant_subject(locked), {"stage": TenantStage.DELETING.value}
        audit_services.record(
            "tenant.delete_asked", about=about, actor=actor, before=before, after=after, for_staff=True
        )
        queue_removal(locked)
    tenant.refresh_from_db()


def _held_by_stop(tenant: Tenant) -> str:
    """Return why it can't be deleted while it is stopped, by staff or by SES; "" if it isn't."""
    if tenant.is_paused:
        return f"{tenant} is paused. Deleting it would end the pause, so resume it first."
    if not tenant.is_stopped:
        return ""
    if tenant.is_gone:
        before = what_stopped(tenant)
        return f"{before} Without the tenant, the customer could send again. Restore it under Drift first."
    return f"SES has stopped sending of {tenant}. Without the tenant, the customer could send again."


def delete_in_ses(*, tenant_id: str) -> None:
    """Delete the tenant. Each step is harmless when repeated. Raises AwsProblem, which is also stored for the page."""
    tenant = tenants_in_region().select_related("customer").filter(pk=tenant_id, stage=TenantStage.DELETING).first()
    if tenant is None:
        return
    with aws.recording() as request_ids:
        try:
            if _is_ours(tenant):
                _remove_associations(tenant)
                with suppress(AwsMissing):
                    gateway.delete_tenant(tenant.name)
            _delete_set(tenant)
        except AwsProblem as problem:
            Tenant.objects.filter(pk=tenant.pk).update(stage_problem=str(problem))
            raise
    _finish_removal(tenant, request_ids)


def _is_ours(tenant: Tenant) -> bool:
    """Return whether SES still has the tenant that we know. Others can delete it and reuse its name."""
    try:
        found = gateway.get_tenant(tenant.name)
    except AwsMissing:
        return False
    return found.arn == tenant.arn if tenant.arn else (gateway.OURS, tenant.pk) in found.tags


def _remove_associations(tenant: Tenant) -> None:
    with suppress(AwsMissing):  # the tenant was deleted meanwhile
        for _, arn in resources_services.resources_in_ses(tenant.name):
            gateway.dissociate(tenant.name, arn)


def _delete_set(tenant: Tenant) -> None:
    """Delete the set only if it has our tag; others may use any other."""
    if not tenant.configuration_set:
        return
    with suppress(AwsMissing):
        if (gateway.OURS, tenant.pk) in gateway.get_configuration_set(tenant.configuration_set).tags:
            gateway.delete_configuration_set(tenant.configuration_set)


@transaction.atomic
def _finish_removal(tenant: Tenant, request_ids: list[str]) -> None:
    locked = Tenant.objects.select_for_update().filter(pk=tenant.pk, stage=TenantStage.DELETING).first()
    if locked is None:
        return
    before = {"tenant": tenant.name, "customer": tenant.customer.name}
    about = tenant_subject(tenant)
    audit_services.record("tenant.deleted", about=about, actor=None, before=before, aws_request_ids=request_ids)
    TenantResource.objects.filter(tenant=locked).delete()
    alerts_services.resolve_silently(about=about)
    locked.delete()


def _refuse_while_in_use(tenant: Tenant) -> None:
    """Refuse while rows of higher apps use the tenant, as their protected foreign keys show."""
    if things := _users_of(tenant):
        shown = ", ".join(things[:5])
        raise Refused(
            f"{shown} {'is' if len(things) == 1 else 'are'} in this tenant. Delete or move them first.",
            code="TENANT_IN_USE",
        )


def _users_of(tenant: Tenant) -> tuple[str, ...]:
    try:
        Collector(using=DEFAULT_DB_ALIAS).collect([tenant])
    except ProtectedError as error:
        things = [thing for thing in error.protected_objects if not isinstance(thing, TenantResource)]
        return tuple(sorted(str(thing) for thing in things))
    return ()
