"""Tenants and their associations (ses.md E). Tenants are addressed by name, their reputation by ARN."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.aws.errors import already_exists, bad_request, limit_exceeded, not_found
from sandbox.aws.extension import Answer, Request, v2
from sandbox.aws.pages import BadToken, page
from sandbox.aws.state import WORLD, RegionState, Tenant
from sandbox.aws.tags import forget_tags, put_tags, resource_exists, tags_of

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Real SES returns and accepts these values, not those of botocore's model.
WIRE_TYPES = ("identity", "configuration-set", "template")


def aggregate(tenant: Tenant) -> str:
    """Return DISABLED if either side is; REINSTATED if the customer reinstated."""
    sides = (tenant.customer.status, tenant.amazon.status)
    return next((status for status in ("DISABLED", "REINSTATED") if status in sides), "ENABLED")


def pages(ask: Request, items: Sequence[Any], key: Any, scope: str) -> tuple[list[Any], str | None]:
    """A page of at most 100. Raises BadRequestException for a size out of range or a token of another list."""
    most = WORLD.limits.tenants_per_page
    size = int(ask.params.get("PageSize") or most)
    if not 1 <= size <= most:
        raise bad_request(f"PageSize must be between 1 and {most}.")
    try:
        return page(items, key, size=size, token=ask.params.get("NextToken"), scope=scope)
    except BadToken as problem:
        raise bad_request("Invalid NextToken.") from problem


def _known(ask: Request) -> Tenant:
    tenant = ask.state.tenants.get(ask.text("TenantName"))
    if tenant is None:
        raise not_found(f"Tenant {ask.text('TenantName')} does not exist.")
    return tenant


def _described(ask: Request, tenant: Tenant) -> dict[str, object]:
    return {
        **_listed(tenant),
        "Tags": tags_of(ask, tenant.arn),
        "SuppressionAttributes": tenant.suppression or None,
    }


def _listed(tenant: Tenant) -> dict[str, object]:
    return {
        "TenantName": tenant.name,
        "TenantId": tenant.id,
        "TenantArn": tenant.arn,
        "CreatedTimestamp": tenant.created,
        "SendingStatus": aggregate(tenant),
    }


@v2("CreateTenant")
def create_tenant(ask: Request) -> Answer:
    name = ask.text("TenantName")
    if not _NAME.fullmatch(name):
        raise bad_request(f"Invalid tenant name {name}.")
    if name in ask.state.tenants:
        raise already_exists(f"Tenant {name} already exists.")
    if len(ask.state.tenants) >= WORLD.limits.tenants:
        raise limit_exceeded("Maximum number of tenants exceeded.")
    tenant = _new(ask.state, name, ask)
    put_tags(ask, tenant.arn, ask.params.get("Tags") or [])
    ask.state.tenants[name] = tenant
    return _described(ask, tenant)


def _new(state: RegionState, name: str, ask: Request) -> Tenant:
    """The same name again is another tenant, with a new ID and ARN."""
    tenant_id = f"tn-{secrets.token_hex(16)}"
    suppression = _suppression(ask.params.get("SuppressionAttributes") or {})
    return Tenant(name, tenant_id, state.arn("tenant", f"{name}/{tenant_id}"), ask.now, suppression=suppression)


def _suppression(wanted: Mapping[str, Any]) -> dict[str, Any]:
    scope, reasons = wanted.get("SuppressionScope"), wanted.get("SuppressedReasons")
    if (scope is None) != (reasons is None):
        raise bad_request("SuppressionScope and SuppressedReasons are set together or not at all.")
    return {} if scope is None else {"SuppressionScope": scope, "SuppressedReasons": reasons}


@v2("GetTenant")
def get_tenant(ask: Request) -> Answer:
    return {"Tenant": _described(ask, _known(ask))}


@v2("DeleteTenant")
def delete_tenant(ask: Request) -> Answer:
    """Its associations are deleted too; the resources remain."""
    tenant = _known(ask)
    del ask.state.tenants[tenant.name]
    forget_tags(ask, tenant.arn)
    return None


@v2("ListTenants")
def list_tenants(ask: Request) -> Answer:
    wanted: dict[str, str] = ask.params.get("Filter") or {}
    chosen = [
        tenant
        for tenant in ask.state.tenants.values()
        if wanted.get("TENANT_NAME_CONTAINS", "").lower() in tenant.name.lower()
        and wanted.get("SENDING_STATUS", aggregate(tenant)) == aggregate(tenant)
    ]
    found, token = pages(ask, chosen, lambda tenant: tenant.name, f"tenants {sorted(wanted.items())}")
    return {"Tenants": [_listed(tenant) for tenant in found], "NextToken": token}


@v2("PutTenantSuppressionAttributes")
def put_tenant_suppression_attributes(ask: Request) -> Answer:
    _known(ask).suppression = _suppression(ask.params)
    return None


@v2("PutConfigurationSetReputationOptions")
def put_configuration_set_reputation_options(ask: Request) -> Answer:
    found = ask.backend.config_sets.get(ask.text("ConfigurationSetName"))
    if found is None:
        raise not_found(f"Configuration set {ask.text('ConfigurationSetName')} does not exist.")
    found.reputation_options = {"ReputationMetricsEnabled": bool(ask.params.get("ReputationMetricsEnabled"))}
    return None


@v2("CreateTenantResourceAssociation")
def create_tenant_resource_association(ask: Request) -> Answer:
    tenant, arn = _known(ask), ask.text("ResourceArn")
    if not resource_exists(ask, arn):
        raise not_found(f"Resource {arn} does not exist.")
    if _wire_type(arn) not in WIRE_TYPES:
        raise bad_request(f"Resource {arn} cannot be associated with a tenant.")
    if arn in tenant.associations:
        raise already_exists(f"Resource {arn} is already associated with tenant {tenant.name}.")
    tenant.associations[arn] = ask.now
    return None


@v2("DeleteTenantResourceAssociation")
def delete_tenant_resource_association(ask: Request) -> Answer:
    _known(ask).associations.pop(ask.text("ResourceArn"), None)
    return None


def _wire_type(arn: str) -> str:
    return arn.split(":", 5)[5].partition("/")[0]


@v2("ListTenantResources")
def list_tenant_resources(ask: Request) -> Answer:
    tenant, wanted = _known(ask), (ask.params.get("Filter") or {}).get("RESOURCE_TYPE")
    if wanted not in (None, *WIRE_TYPES):
        raise bad_request(f"Invalid RESOURCE_TYPE {wanted}; it is one of {', '.join(WIRE_TYPES)}.")
    chosen = [arn for arn in tenant.associations if wanted in (None, _wire_type(arn))]
    found, token = pages(ask, chosen, str, f"resources of {tenant.name} {wanted}")
    resources = [{"ResourceType": _wire_type(arn), "ResourceArn": arn} for arn in found]
    return {"TenantResources": resources, "NextToken": token}


@v2("ListResourceTenants")
def list_resource_tenants(ask: Request) -> Answer:
    arn = ask.text("ResourceArn")
    if not resource_exists(ask, arn):
        raise not_found(f"Resource {arn} does not exist.")
    found, token = pages(ask, ask.state.tenants_of(arn), lambda tenant: tenant.name, f"tenants of {arn}")
    return {"ResourceTenants": [_holding(tenant, arn) for tenant in found], "NextToken": token}


def _holding(tenant: Tenant, arn: str) -> dict[str, object]:
    return {
        "TenantName": tenant.name,
        "TenantId": tenant.id,
        "ResourceArn": arn,
        "AssociatedTimestamp": tenant.associations[arn],
    }
