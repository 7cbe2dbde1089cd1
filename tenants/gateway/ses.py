"""SES tenants (SESv2 only): one function, one call. Raises AwsProblem and its kinds; see `inbound_admin.lib.aws`."""

from inbound_admin.lib import aws

PAGE = 100  # SESv2 ListResourceTenants: the largest page


def tenants_of(resource_arn: str, token: str = "") -> tuple[tuple[str, ...], str]:
    """Names of the tenants that a resource is associated with, one page, and the token of the next ("" at the end).

    AwsMissing when Amazon does not know the resource.
    """
    with aws.calling("sesv2", "see which tenants use the identity") as ses:
        if token:
            answer = ses.list_resource_tenants(ResourceArn=resource_arn, PageSize=PAGE, NextToken=token)
        else:
            answer = ses.list_resource_tenants(ResourceArn=resource_arn, PageSize=PAGE)
    names = tuple(row["TenantName"] for row in answer.get("ResourceTenants", []))
    return names, str(answer.get("NextToken", ""))


def dissociate(tenant: str, resource_arn: str) -> None:
    """Repeatable: Amazon answers success when the association is gone. AwsMissing when the tenant is."""
    with aws.calling("sesv2", "take the identity out of its tenant") as ses:
        ses.delete_tenant_resource_association(TenantName=tenant, ResourceArn=resource_arn)
