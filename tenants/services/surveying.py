"""All tenants of the account as Amazon has them, whoever made them: for migrations and for differences."""

from contextlib import suppress
from dataclasses import dataclass

from inbound_admin.lib.errors import AwsMissing
from tenants.core.amazon import Entity, TenantFound
from tenants.gateway import ses
from tenants.services.associating import resources_at_amazon


@dataclass(frozen=True)
class Surveyed:
    """One tenant at Amazon: `resources` as (kind, ARN); `entity` None where Amazon keeps no reputation of it."""

    tenant: TenantFound
    resources: tuple[tuple[str, str], ...]
    entity: Entity | None = None


def tenants_at_amazon() -> tuple[TenantFound, ...]:
    """A call for each hundred. Raises AwsProblem, and nothing is known: half a list would show the rest as gone."""
    return tuple(ses.all_pages(ses.list_tenants))


def entities_at_amazon() -> dict[str, Entity]:
    """By the tenant's ARN; a call for each hundred. Raises AwsProblem."""
    return {entity.arn: entity for entity in ses.all_pages(ses.list_entities)}


def survey() -> tuple[Surveyed, ...]:
    """A call for each tenant, and two for each hundred. One deleted meanwhile is left out. Raises AwsProblem."""
    entities = entities_at_amazon()
    found = []
    for tenant in tenants_at_amazon():
        try:
            found.append(Surveyed(tenant, resources_at_amazon(tenant.name), entities.get(tenant.arn)))
        except AwsMissing:
            continue
    return tuple(found)


def survey_of(names: frozenset[str]) -> tuple[Surveyed, ...]:
    """Of the tenants of these names alone; three calls each. One that Amazon does not know is left out."""
    found = []
    for name in sorted(names):
        try:
            tenant = ses.get_tenant(name)
            found.append(Surveyed(tenant, resources_at_amazon(name), _entity_of(tenant)))
        except AwsMissing:
            continue
    return tuple(found)


def take_out(*, tenant_name: str, arn: str) -> None:
    """An association that no row of ours wants; repeatable. Raises AwsProblem."""
    with suppress(AwsMissing):  # the tenant is gone, and its associations with it
        ses.dissociate(tenant_name, arn)


def _entity_of(tenant: TenantFound) -> Entity | None:
    with suppress(AwsMissing):  # SES may keep no reputation of one that never sent
        return ses.get_entity(tenant.arn)
    return None


def taken_identities(tenants: tuple[TenantFound, ...]) -> dict[str, str]:
    """ARN of each identity that these tenants have, and the name of the tenant; a call for each. Raises AwsProblem."""
    taken: dict[str, str] = {}
    for tenant in tenants:
        try:
            resources = resources_at_amazon(tenant.name)
        except AwsMissing:
            continue
        taken |= {arn: tenant.name for kind, arn in resources if kind == "identity"}
    return taken
