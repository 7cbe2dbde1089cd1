"""Reads every tenant that SES has in this region, whoever created it, and stores which associations SES has lost."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from inbound_admin.lib.errors import AwsMissing
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import NOT_ASSOCIATED, Entity, TenantFound
from tenants.lifecycle.selectors import tenants_in_region
from tenants.models.tenants import Tenant, TenantResource
from tenants.resources.services import resources_in_ses
from tenants.status.services import warn_of_rejected


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
