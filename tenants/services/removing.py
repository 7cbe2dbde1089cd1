"""A tenant goes: its associations first, then the tenant, then the configuration set that we made for it."""

from contextlib import suppress
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models.deletion import Collector, ProtectedError

from alerts import services as alerts
from changes import services as changes
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem, Refused
from tenants.gateway import ses
from tenants.models import Tenant, TenantResource, TenantStage, User
from tenants.selectors import here
from tenants.services import associating
from tenants.services.allowing import MANAGE, require
from tenants.services.queue import remove_soon
from tenants.services.subjects import tenant_subject


@dataclass(frozen=True)
class Consequences:
    """What a person reads before a tenant is deleted."""

    resources: tuple[TenantResource, ...]  # they leave the tenant, and stay at Amazon
    configuration_set: str  # goes with it, if we made it
    in_use: tuple[str, ...]  # domains and others that live in it, and must go first


def consequences(tenant: Tenant) -> Consequences:
    resources = tuple(TenantResource.objects.filter(tenant=tenant))
    return Consequences(resources, tenant.configuration_set, _in_use(tenant))


def delete_tenant(*, tenant: Tenant, typed_name: str, actor: User) -> None:
    """Mark it; the worker carries it out. Raises Refused for a wrong name, or while domains live in it."""
    require(actor, MANAGE, "Your role cannot delete tenants. Ask an operator.")
    if typed_name.strip() != tenant.name:
        raise Refused(f"To delete the tenant, type its name: {tenant.name}.", code="NAME_NOT_TYPED")
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.stage == TenantStage.DELETING:
            return
        if locked.is_paused:
            raise Refused(
                f"{locked} is paused: deleting it would lift the pause. Resume it first.", code="TENANT_PAUSED"
            )
        _refuse_while_in_use(locked)
        before = {"stage": locked.stage}
        locked.stage, locked.stage_problem = TenantStage.DELETING, ""
        locked.save(update_fields=("stage", "stage_problem", "updated_at"))
        about, after = tenant_subject(locked), {"stage": TenantStage.DELETING.value}
        changes.record("tenant.delete_asked", about=about, actor=actor, before=before, after=after, for_staff=True)
        remove_soon(locked)
    tenant.refresh_from_db()


def carry_out_removal(*, tenant_id: str) -> None:
    """Each step is harmless when repeated. Raises AwsProblem, which is also stored for the page."""
    tenant = here().select_related("customer").filter(pk=tenant_id, stage=TenantStage.DELETING).first()
    if tenant is None:
        return
    with aws.recording() as request_ids:
        try:
            if _is_ours(tenant):
                _empty(tenant)
                with suppress(AwsMissing):
                    ses.delete_tenant(tenant.name)
            _delete_set(tenant)
        except AwsProblem as problem:
            Tenant.objects.filter(pk=tenant.pk).update(stage_problem=str(problem))
            raise
    _finish(tenant, request_ids)


def _is_ours(tenant: Tenant) -> bool:
    """Amazon has it still, and it is the one that we know: a name can be deleted and made again there by others."""
    try:
        found = ses.get_tenant(tenant.name)
    except AwsMissing:
        return False
    return found.arn == tenant.arn if tenant.arn else (ses.OURS, tenant.pk) in found.tags


def _empty(tenant: Tenant) -> None:
    with suppress(AwsMissing):  # the tenant went meanwhile
        for _, arn in associating.resources_at_amazon(tenant.name):
            ses.dissociate(tenant.name, arn)


def _delete_set(tenant: Tenant) -> None:
    """Only one that carries our tag: others may send with any other."""
    if not tenant.configuration_set:
        return
    with suppress(AwsMissing):
        if (ses.OURS, tenant.pk) in ses.get_configuration_set(tenant.configuration_set).tags:
            ses.delete_configuration_set(tenant.configuration_set)


@transaction.atomic
def _finish(tenant: Tenant, request_ids: list[str]) -> None:
    locked = Tenant.objects.select_for_update().filter(pk=tenant.pk, stage=TenantStage.DELETING).first()
    if locked is None:
        return
    before = {"tenant": tenant.name, "customer": tenant.customer.name}
    about = tenant_subject(tenant)
    changes.record("tenant.deleted", about=about, actor=None, before=before, aws_request_ids=request_ids)
    TenantResource.objects.filter(tenant=locked).delete()
    alerts.forget(about=about)
    locked.delete()


def _refuse_while_in_use(tenant: Tenant) -> None:
    """What apps above this one keep in the tenant protects it, so that they need not be known here."""
    if things := _in_use(tenant):
        shown = ", ".join(things[:5])
        raise Refused(
            f"{shown} {'is' if len(things) == 1 else 'are'} in this tenant. Delete or move that first.",
            code="TENANT_IN_USE",
        )


def _in_use(tenant: Tenant) -> tuple[str, ...]:
    try:
        Collector(using=DEFAULT_DB_ALIAS).collect([tenant])
    except ProtectedError as error:
        things = [thing for thing in error.protected_objects if not isinstance(thing, TenantResource)]
        return tuple(sorted(str(thing) for thing in things))
    return ()
