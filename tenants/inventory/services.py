"""Reads every tenant that SES has in this region, whoever created it, for migrations and drift."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from inbound_admin.lib.errors import AwsMissing
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import Entity, TenantFound


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
        try:
            found.append(TenantInventory(tenant, _resources_of(tenant.name), entities.get(tenant.arn)))
        except AwsMissing:
            continue
    return tuple(found)


def read_inventories_of(names: frozenset[str]) -> tuple[TenantInventory, ...]:
    """Read only the tenants with these names, three calls each. A tenant that SES doesn't have is left out."""
    found = []
    for name in sorted(names):
        try:
            tenant = lifecycle_gateway.get_tenant(name)
            found.append(TenantInventory(tenant, _resources_of(name), _entity_of(tenant)))
        except AwsMissing:
            continue
    return tuple(found)


def _entity_of(tenant: TenantFound) -> Entity | None:
    with suppress(AwsMissing):  # SES may keep no reputation of a tenant that never sent
        return lifecycle_gateway.get_entity(tenant.arn)
    return None


def _resources_of(tenant_name: str) -> tuple[tuple[str, str], ...]:
    found = lifecycle_gateway.all_pages(lifecycle_gateway.resources_of, tenant_name)
    return tuple((one.kind, one.arn) for one in found)
