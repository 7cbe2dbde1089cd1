"""What of a customer's a send uses, from the rows: the base of a migration's steps."""

from domains.models import Domain, Stage
from domains.selectors import finding
from inbound_admin.lib import aws
from operations.core.migration import Inventory, Resource
from tenants.core.naming import tenant_name
from tenants.models import Customer, ResourceKind, Tenant, TenantResource
from tenants.selectors import tenant_of

NOT_YET = "…"  # where the id of a tenant will stand that is not made yet
LEFT_OUT = {
    Stage.CLAIM: "{name}: its ownership is not proven yet, so it is left out. It joins the tenant when it is set up.",
    Stage.STARTING: "{name}: Amazon is still being told of it. It joins the tenant by itself.",
    Stage.DELETING: "{name} is being deleted.",
}


def inventory_of(customer: Customer, *, surveyed: bool = False) -> Inventory:
    """Two queries and, once a process, STS for the account of the ARNs: raises AwsProblem where that fails.

    `surveyed`: a list of all tenants has told which identities others have, so they are not asked for one by one.
    """
    tenant = tenant_of(customer)
    known = {row.arn: row for row in TenantResource.objects.filter(tenant=tenant, wanted=True)} if tenant else {}
    domains = list(finding.here().filter(customer=customer).order_by("name"))
    ready = [domain for domain in domains if domain.stage == Stage.READY]
    own = _own_set(tenant, customer, known)
    identities = tuple(_identity(domain, known, surveyed=surveyed) for domain in ready)
    taken = {own.arn, *(each.arn for each in identities)}
    rest = (row for row in known.values() if row.arn not in taken and row.kind != ResourceKind.IDENTITY)
    return Inventory(
        tenant=tenant.name if tenant else tenant_name(customer.name, NOT_YET),
        is_created=bool(tenant and tenant.arn),
        has_policy=bool(tenant and tenant.policy_told == tenant.policy),
        configuration_set=own,
        set_is_made=bool(tenant and tenant.set_sends is not None),
        identities=identities,
        others=tuple(_other(row) for row in rest),
        left_out=tuple(LEFT_OUT[Stage(each.stage)].format(name=each) for each in domains if each.stage != Stage.READY),
        has_status=bool(tenant and tenant.read_at),
        is_switched=bool(tenant and tenant.sends_since),
    )


def arn_of(kind: str, name: str) -> str:
    """The ARN of a resource of SES's in our account. Raises AwsProblem where the account cannot be found out."""
    return aws.identity_arn("").removesuffix("identity/") + f"{kind}/{name}"


def _own_set(tenant: Tenant | None, customer: Customer, known: dict[str, TenantResource]) -> Resource:
    name = (tenant.configuration_set if tenant else "") or tenant_name(customer.name, NOT_YET)
    arn = arn_of(ResourceKind.CONFIGURATION_SET, name)
    return Resource(ResourceKind.CONFIGURATION_SET, name, arn, _is_associated(known.get(arn)))


def _identity(domain: Domain, known: dict[str, TenantResource], *, surveyed: bool) -> Resource:
    arn = aws.identity_arn(domain.name)
    by_us = not domain.adopted
    asks = not (by_us and surveyed)
    return Resource(ResourceKind.IDENTITY, domain.name, arn, _is_associated(known.get(arn)), by_us, asks)


def _other(row: TenantResource) -> Resource:
    return Resource(row.kind, row.name, row.arn, _is_associated(row))


def _is_associated(row: TenantResource | None) -> bool:
    return row is not None and row.associated_at is not None
