"""Reads a tenant's configuration set and suppression list, and creates a set again that was deleted in SES.

A tenant without its set can't send. Nobody creates one again unasked: what others had set in it (event destinations,
tracking, IP pools) is not known here. The request is a row (`set_gone_at` without `set_sends`); the worker creates the
set before it associates it.
"""

from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inbound_admin.lib.errors import AwsConflict, AwsMissing
from inbound_admin.lib.freshness import is_outdated, not_newer
from tenants.jobs import queue_associations
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import SET_GONE, ConfigurationSet
from tenants.models.tenants import LayerName, ResourceKind, StatusChange, Tenant, TenantResource, TenantStage


def read_set(*, tenant: Tenant) -> None:
    """Read its configuration set: one call. `tenant` is refreshed. Raises AwsProblem."""
    asked_at, found = timezone.now(), None
    with suppress(AwsMissing):
        found = lifecycle_gateway.get_configuration_set(tenant.configuration_set)
    _store(tenant, found, asked_at)
    tenant.refresh_from_db()


@transaction.atomic
def _store(tenant: Tenant, found: ConfigurationSet | None, asked_at: datetime) -> None:
    """Store the read, unless a newer one is stored, or the tenant or its set was requested again meanwhile."""
    locked = Tenant.locked(tenant.pk)
    is_other = (locked.configuration_set, locked.arn) != (tenant.configuration_set, tenant.arn)
    is_coming = locked.stage != TenantStage.READY or (found is None and locked.awaits_set)
    if is_other or is_coming or is_outdated(asked_at, locked.set_read_at):
        return
    old = "" if locked.set_sends is None else _status(sends=locked.set_sends)
    new, cause = _status(sends=found is not None and found.sends), "" if found else SET_GONE
    if old != new and (old or new != "ENABLED"):
        change = StatusChange(tenant=locked, layer=LayerName.CONFIGURATION_SET, old=old, new=new, cause=cause)
        change.save()
    if found is None:
        _update(locked, set_sends=False, set_measures=None, set_gone_at=locked.set_gone_at or asked_at, at=asked_at)
    else:
        _update(locked, set_sends=found.sends, set_measures=found.measures, set_gone_at=None, at=asked_at)


def _status(*, sends: bool) -> str:
    return "ENABLED" if sends else "DISABLED"


def _update(tenant: Tenant, *, at: datetime, **fields: object) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(**fields, set_read_at=at)


def enable_metrics(*, tenant: Tenant) -> None:
    """Turn on reputation metrics for the tenant's configuration set: one call. Raises AwsProblem."""
    lifecycle_gateway.set_measured(tenant.configuration_set)
    _update(tenant, set_measures=True, at=timezone.now())


def read_suppression(*, tenant: Tenant) -> None:
    """Read its suppression scope: one call. A tenant that is gone was recorded by the read of its status."""
    asked_at = timezone.now()
    with suppress(AwsMissing):
        found = lifecycle_gateway.get_tenant(tenant.name)
        same = Tenant.objects.filter(not_newer("suppression_read_at", asked_at), pk=tenant.pk, arn=found.arn)
        same.update(ses_suppression=found.suppression, suppression_read_at=asked_at)


@transaction.atomic
def request_set(*, tenant: Tenant) -> None:
    """Request that the worker creates its set, which SES doesn't have, and associates it. The caller records who."""
    rows = Tenant.objects.filter(pk=tenant.pk, set_gone_at__isnull=False)
    if rows.update(set_sends=None, updated_at=timezone.now()):
        own = TenantResource.objects.filter(
            tenant=tenant, kind=ResourceKind.CONFIGURATION_SET, name=tenant.configuration_set
        )
        own.update(associated_at=None, problem="", held_by="", wanted=True, missing_since=None, retry_at=None)
        queue_associations(tenant)
    tenant.refresh_from_db()


def create_requested(*, resource: TenantResource) -> bool:
    """Create the set if it is the tenant's own and was requested. Repeatable: one that exists by now is kept.

    Returns whether we created it, for the change log. Raises AwsProblem.
    """
    tenant = Tenant.objects.get(pk=resource.tenant_id)
    if resource.name != tenant.configuration_set or not tenant.awaits_set:
        return False
    sends = measures = is_ours = True
    try:
        lifecycle_gateway.create_configuration_set(tenant.configuration_set, ours=tenant.pk)
    except AwsConflict:  # from an attempt whose answer was lost, or made by hand
        found = lifecycle_gateway.get_configuration_set(tenant.configuration_set)
        sends, measures, is_ours = found.sends, found.measures, (lifecycle_gateway.OURS, tenant.pk) in found.tags
    made = {"set_sends": sends, "set_measures": measures, "set_gone_at": None, "set_read_at": timezone.now()}
    rows = Tenant.objects.filter(pk=tenant.pk, set_gone_at__isnull=False, set_sends=None)
    return bool(rows.update(**made)) and is_ours
