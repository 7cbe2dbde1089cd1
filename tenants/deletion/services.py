"""Deletes SES tenants: first the associations, then the tenant, then the configuration set that we created for it."""

from contextlib import suppress
from dataclasses import dataclass

from django.db import transaction
from django.db.models import PROTECT
from django.utils import timezone

from accounts.models.people import User
from accounts.roles import require
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem, Refused
from notifications.alerts import services as alerts_services
from tenants.jobs import queue_read, queue_removal
from tenants.lifecycle import gateway
from tenants.lifecycle.selectors import tenant_subject, tenants_in_region, what_stopped
from tenants.models.tenants import ResourceKind, SendingStatus, Tenant, TenantResource, TenantStage
from tenants.resources import services as resources_services

MOST_SHOWN = 20  # rows of a kind
STOPPED = "SES has stopped sending of {tenant}. Without the tenant, the customer could send again."


@dataclass(frozen=True)
class TenantConsequences:
    """What a person sees before deleting a tenant."""

    resources: tuple[TenantResource, ...]  # the first of those that leave the tenant and remain in SES
    resource_count: int
    configuration_set: str  # deleted with it if we created it; "" if another tenant needs it
    users: tuple[str, ...]  # some of the domains and others that use the tenant and must be removed first
    user_count: int
    held: str = ""  # why a pause or suspension prevents the deletion

    @property
    def more_users(self) -> int:
        return self.user_count - len(self.users)

    @property
    def more_resources(self) -> int:
        return self.resource_count - len(self.resources)


def consequences(tenant: Tenant) -> TenantConsequences:
    resources = TenantResource.objects.filter(tenant=tenant)
    users, user_count = _users_of(tenant)
    return TenantConsequences(
        resources=tuple(resources[:MOST_SHOWN]),
        resource_count=resources.count(),
        configuration_set="" if _is_set_shared(tenant) else tenant.configuration_set,
        users=users,
        user_count=user_count,
        held=_held_by_stop(tenant),
    )


def delete_tenant(*, tenant: Tenant, typed_name: str, actor: User) -> None:
    """Mark it for deletion; the worker deletes it. Raises Refused for a wrong name, or while domains use it."""
    require(actor, "tenants.manage_tenant", "Your role can't delete tenants. Ask an operator.")
    if typed_name.strip() != tenant.name:
        raise Refused(f"To delete the tenant, type its name: {tenant.name}.", code="NAME_NOT_TYPED")
    with transaction.atomic():
        locked = Tenant.objects.select_for_update(of=("self",)).filter(pk=tenant.pk).first()
        if locked is None or locked.stage == TenantStage.DELETING:
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
    return STOPPED.format(tenant=tenant)


def delete_in_ses(*, tenant_id: str) -> None:
    """Delete the tenant, unless SES has stopped it since it was last read. Each step is harmless when repeated.

    Raises AwsProblem, which is also stored for the page.
    """
    tenant = tenants_in_region().select_related("customer").filter(pk=tenant_id, stage=TenantStage.DELETING).first()
    if tenant is None:
        return
    with aws.recording() as request_ids:
        try:
            status = _status_in_ses(tenant)
            if status == SendingStatus.DISABLED:
                _keep_stopped(tenant)
                return
            if status is not None:
                _remove_associations(tenant)
                with suppress(AwsMissing):
                    gateway.delete_tenant(tenant.name)
            _delete_set(tenant)
        except AwsProblem as problem:
            Tenant.objects.filter(pk=tenant.pk).update(stage_problem=str(problem))
            raise
    _finish_removal(tenant, request_ids)


def _status_in_ses(tenant: Tenant) -> str | None:
    """Return the status of the tenant that we know; None if SES no longer has it. Others can reuse its name."""
    try:
        found = gateway.get_tenant(tenant.name)
    except AwsMissing:
        return None
    is_ours = found.arn == tenant.arn if tenant.arn else (gateway.OURS, tenant.pk) in found.tags
    return found.status if is_ours else None


@transaction.atomic
def _keep_stopped(tenant: Tenant) -> None:
    """Keep it: without the tenant, the customer could send again. The pages show who stopped it once it is read."""
    stage = TenantStage.READY if tenant.read_at else TenantStage.CREATING
    asked = Tenant.objects.filter(pk=tenant.pk, stage=TenantStage.DELETING)
    if asked.update(stage=stage, stage_problem="", updated_at=timezone.now()):
        because, about = STOPPED.format(tenant=tenant), tenant_subject(tenant)
        audit_services.record("tenant.delete_refused", about=about, actor=None, because=because, for_staff=True)
        queue_read(tenant)


def _remove_associations(tenant: Tenant) -> None:
    with suppress(AwsMissing):  # the tenant was deleted meanwhile
        for _, arn in resources_services.resources_in_ses(tenant.name):
            gateway.dissociate(tenant.name, arn)


def _delete_set(tenant: Tenant) -> None:
    """Delete the set only if it has our tag; others may use any other.

    It stays while another tenant has it: the default set of an identity that was transferred, whose mail needs it.
    """
    if not tenant.configuration_set or _is_set_shared(tenant):
        return
    with suppress(AwsMissing):
        if (gateway.OURS, tenant.pk) in gateway.get_configuration_set(tenant.configuration_set).tags:
            gateway.delete_configuration_set(tenant.configuration_set)


def _is_set_shared(tenant: Tenant) -> bool:
    same = TenantResource.objects.filter(kind=ResourceKind.CONFIGURATION_SET, name=tenant.configuration_set)
    return same.filter(tenant__region=tenant.region, wanted=True).exclude(tenant=tenant).exists()


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
    users, number = _users_of(tenant)
    if users:
        shown = ", ".join(users[:5]) + (f" and {number - 5:,} more" if number > 5 else "")
        raise Refused(
            f"{shown} {'is' if number == 1 else 'are'} in this tenant. Delete or move them first.",
            code="TENANT_IN_USE",
        )


def _users_of(tenant: Tenant) -> tuple[tuple[str, ...], int]:
    """Return some rows of higher apps that use the tenant, as their protected foreign keys show, and how many do."""
    first: list[str] = []
    number = 0
    for relation in Tenant._meta.related_objects:
        if relation.on_delete is PROTECT and relation.related_model is not TenantResource:
            rows = relation.related_model._default_manager.filter(**{relation.field.name: tenant})
            keys = list(rows.order_by().values_list("pk", flat=True)[:MOST_SHOWN])  # an order would read them all
            first += map(str, rows.filter(pk__in=keys))
            number += rows.count()
    return tuple(first[:MOST_SHOWN]), number
