"""SES tenants (SESv2 only), one function for each call. Raises AwsProblem and its subclasses.

Tenants are addressed by name, their reputation by ARN. Statuses are returned unchanged, known or not.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict
from tenants.lifecycle.core import Account, ConfigurationSet, Entity, Resource, TenantFound, kind_of
from tenants.policy.core import Suppression
from tenants.status.core import SIDE, Policy, SendingStatus

PAGE = 100  # the maximum page size of every list of tenants
Row = TypeVar("Row")
OURS = "inbound-admin:tenant"  # the tag that marks tenants and configuration sets which we created


def create_tenant(name: str, *, ours: str) -> TenantFound:
    """Create a tenant with our tag. Raises AwsConflict if it exists.

    SES has no client token: after a lost answer, the tag shows that the tenant is ours.
    """
    with aws.calling("sesv2", f"create the tenant {name}") as ses:
        return _tenant(ses.create_tenant(TenantName=name, Tags=_tags(ours)))


def get_tenant(name: str) -> TenantFound:
    """Raises AwsMissing if SES doesn't have the tenant."""
    with aws.calling("sesv2", f"read the tenant {name}") as ses:
        return _tenant(ses.get_tenant(TenantName=name)["Tenant"])


def list_tenants(token: str = "") -> tuple[tuple[TenantFound, ...], str]:
    """Return one page, without tags, and the token of the next page ("" after the last)."""
    with aws.calling("sesv2", "list the tenants") as ses:
        answer = ses.list_tenants(PageSize=PAGE, **_next(token))
    return tuple(_tenant(row) for row in answer.get("Tenants", [])), str(answer.get("NextToken") or "")


def delete_tenant(name: str) -> None:
    """Delete the tenant and its associations; the resources remain. AwsMissing: it is already gone."""
    with aws.calling("sesv2", f"delete the tenant {name}") as ses:
        ses.delete_tenant(TenantName=name)


def associate(tenant: str, resource_arn: str) -> None:
    """Repeatable. AwsMissing: SES doesn't have the tenant or the resource. AwsConflict: something is being changed."""
    try:
        with aws.calling("sesv2", f"associate a resource with the tenant {tenant}") as ses:
            ses.create_tenant_resource_association(TenantName=tenant, ResourceArn=resource_arn)
    except AwsConflict as conflict:
        if conflict.aws_code != "AlreadyExistsException":  # from an attempt whose answer was lost, or made by hand
            raise


def default_configuration_set(identity: str) -> str:
    """Return the configuration set that sends of the identity use if they name none; "" if it has none.

    AwsMissing: SES doesn't have the identity.
    """
    with aws.calling("sesv2", f"read the identity {identity}") as ses:
        return ses.get_email_identity(EmailIdentity=identity).get("ConfigurationSetName") or ""


def dissociate(tenant: str, resource_arn: str) -> None:
    """Repeatable: SES also answers success if the association is gone. AwsMissing: the tenant is gone."""
    with aws.calling("sesv2", "remove the identity from its tenant") as ses:
        ses.delete_tenant_resource_association(TenantName=tenant, ResourceArn=resource_arn)


def resources_of(tenant: str, token: str = "") -> tuple[tuple[Resource, ...], str]:
    """Return one page of associations, unfiltered: SES and botocore's model disagree on the filter's values.

    AwsMissing: SES doesn't have the tenant.
    """
    with aws.calling("sesv2", f"list the resources of the tenant {tenant}") as ses:
        answer = ses.list_tenant_resources(TenantName=tenant, PageSize=PAGE, **_next(token))
    arns = [row["ResourceArn"] for row in answer.get("TenantResources", [])]
    return tuple(Resource(kind_of(arn), arn) for arn in arns), str(answer.get("NextToken") or "")


def tenants_of(resource_arn: str, token: str = "") -> tuple[tuple[str, ...], str]:
    """Return one page of names of tenants associated with a resource, and the next page's token ("" after the last).

    AwsMissing: SES doesn't have the resource.
    """
    with aws.calling("sesv2", "list the tenants of the identity") as ses:
        answer = ses.list_resource_tenants(ResourceArn=resource_arn, PageSize=PAGE, **_next(token))
    names = tuple(row["TenantName"] for row in answer.get("ResourceTenants", []))
    return names, str(answer.get("NextToken") or "")


def get_entity(tenant_arn: str) -> Entity:
    """Return the tenant's reputation. AwsMissing: there is none, as may be for a tenant that never sent."""
    with aws.calling("sesv2", "read the tenant's sending status") as ses:
        answer = ses.get_reputation_entity(ReputationEntityType="RESOURCE", ReputationEntityReference=tenant_arn)
    return _entity(answer["ReputationEntity"])


def list_entities(token: str = "") -> tuple[tuple[Entity, ...], str]:
    """Return one page of all tenants' reputations, and the token of the next page ("" after the last)."""
    with aws.calling("sesv2", "read the sending status of the tenants") as ses:
        answer = ses.list_reputation_entities(PageSize=PAGE, **_next(token))
    return tuple(_entity(row) for row in answer.get("ReputationEntities", [])), str(answer.get("NextToken") or "")


def set_status(tenant_arn: str, status: SendingStatus) -> None:
    """Set the customer-managed status. It never overrides the status that AWS manages. Repeatable."""
    with aws.calling("sesv2", f"set the tenant's sending to {status}") as ses:
        ses.update_reputation_entity_customer_managed_status(
            ReputationEntityType="RESOURCE", ReputationEntityReference=tenant_arn, SendingStatus=status.value
        )


def set_policy(tenant_arn: str, policy: Policy) -> None:
    """Repeatable. A stricter policy may pause the tenant immediately."""
    region, partition = aws.client("sesv2").meta.region_name, aws.client("sesv2").meta.partition
    arn = f"arn:{partition}:ses:{region}:aws:reputation-policy/{policy}"
    with aws.calling("sesv2", f"set the tenant's reputation policy to {policy}") as ses:
        ses.update_reputation_entity_policy(
            ReputationEntityType="RESOURCE", ReputationEntityReference=tenant_arn, ReputationEntityPolicy=arn
        )


def set_suppression(name: str, scope: Suppression) -> None:
    """Use the tenant's own suppression list for bounces and complaints, or the account's. Repeatable.

    AwsMissing: no such tenant.
    """
    with aws.calling("sesv2", f"set the suppression list of the tenant {name}") as ses:
        ses.put_tenant_suppression_attributes(
            TenantName=name,
            SuppressionScope="TENANT" if scope is Suppression.TENANT else "ACCOUNT",
            SuppressedReasons=["BOUNCE", "COMPLAINT"],
        )


def set_measured(configuration_set: str) -> None:
    """Turn on reputation metrics for the set. Repeatable. AwsMissing: no such set."""
    with aws.calling("sesv2", f"turn on reputation metrics for {configuration_set}") as ses:
        ses.put_configuration_set_reputation_options(
            ConfigurationSetName=configuration_set, ReputationMetricsEnabled=True
        )


def create_configuration_set(name: str, *, ours: str) -> None:
    """Create a set with our tag, sending on, and reputation metrics on (off by default). AwsConflict: it exists."""
    with aws.calling("sesv2", f"create the configuration set {name}") as ses:
        ses.create_configuration_set(
            ConfigurationSetName=name,
            SendingOptions={"SendingEnabled": True},
            ReputationOptions={"ReputationMetricsEnabled": True},
            Tags=_tags(ours),
        )


def get_configuration_set(name: str) -> ConfigurationSet:
    """Raises AwsMissing if SES doesn't have the set."""
    with aws.calling("sesv2", f"read the configuration set {name}") as ses:
        answer = ses.get_configuration_set(ConfigurationSetName=name)
    sends = bool(answer.get("SendingOptions", {}).get("SendingEnabled", True))
    measures = bool(answer.get("ReputationOptions", {}).get("ReputationMetricsEnabled", False))
    return ConfigurationSet(name, sends, measures, _read_tags(answer))


def delete_configuration_set(name: str) -> None:
    """SES refuses (AwsProblem) while a tenant is associated. AwsMissing: it is already gone."""
    with aws.calling("sesv2", f"delete the configuration set {name}") as ses:
        ses.delete_configuration_set(ConfigurationSetName=name)


def get_account() -> Account:
    """Return the account's sending state in the region."""
    with aws.calling("sesv2", "read the state of the account") as ses:
        answer = ses.get_account()
    quota: Any = answer.get("SendQuota", {})
    return Account(
        enforcement=answer.get("EnforcementStatus", ""),
        sends=answer.get("SendingEnabled"),
        in_production=answer.get("ProductionAccessEnabled"),
        most_in_24_hours=quota.get("Max24HourSend"),
        sent_in_24_hours=quota.get("SentLast24Hours"),
    )


def configuration_set_arn(name: str) -> str:
    """Return the set's ARN in our account. Calls STS once for each process. Raises AwsProblem."""
    meta = aws.client("sesv2").meta
    return f"arn:{meta.partition}:ses:{meta.region_name}:{aws.account_id()}:configuration-set/{name}"


def _next(token: str) -> dict[str, Any]:
    return {"NextToken": token} if token else {}


def _tags(ours: str) -> Any:
    return [{"Key": OURS, "Value": ours}]


def _read_tags(answer: Any) -> tuple[tuple[str, str], ...]:
    return tuple((tag["Key"], tag["Value"]) for tag in answer.get("Tags") or ())


def _tenant(row: Any) -> TenantFound:
    return TenantFound(
        name=row["TenantName"],
        ses_id=row["TenantId"],
        arn=row["TenantArn"],
        created_at=row.get("CreatedTimestamp"),
        status=row.get("SendingStatus", ""),
        tags=_read_tags(row),
        suppression=str((row.get("SuppressionAttributes") or {}).get("SuppressionScope") or "ACCOUNT").lower(),
    )


def _entity(row: Any) -> Entity:
    return Entity(
        arn=row["ReputationEntityReference"],
        policy=row.get("ReputationManagementPolicy", "").rpartition("/")[2],
        staff=_side(row.get("CustomerManagedStatus", {})),
        amazon=_side(row.get("AwsSesManagedStatus", {})),
        aggregate=row.get("SendingStatusAggregate", ""),
        impact=row.get("ReputationImpact", ""),
    )


def _side(record: Any) -> SIDE:
    return record.get("Status", ""), record.get("Cause") or "", record.get("LastUpdatedTimestamp")


def all_pages(ask: Callable[..., tuple[Sequence[Row], str]], *arguments: str) -> list[Row]:
    """Return every row of a list that `ask` returns page by page. An error on any page is raised."""
    rows, token = ask(*arguments)
    found = list(rows)
    while token:
        rows, token = ask(*arguments, token)
        found += rows
    return found
