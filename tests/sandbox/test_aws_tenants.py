"""Tenants as real SES behaves, including its own spellings."""

from typing import Any

import pytest

from sandbox.process import Sandbox
from tests.sandbox.conftest import ACCOUNT, REGION, Aws, refusal

IDENTITY = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.com"
CONFIGURATION_SET = f"arn:aws:ses:{REGION}:{ACCOUNT}:configuration-set/events"


@pytest.fixture
def sesv2(fake_aws: Aws) -> Any:
    client = fake_aws.sesv2
    client.create_email_identity(EmailIdentity="example.com")
    client.create_configuration_set(ConfigurationSetName="events")
    client.create_tenant(TenantName="alice")
    return client


def _associate(sesv2: Any, arn: str = IDENTITY, tenant: str = "alice") -> None:
    sesv2.create_tenant_resource_association(TenantName=tenant, ResourceArn=arn)


def test_a_tenant_created_again_is_another_tenant(sesv2: Any) -> None:
    assert refusal(sesv2.create_tenant, TenantName="alice")[0] == "AlreadyExistsException"
    old = sesv2.get_tenant(TenantName="alice")["Tenant"]
    sesv2.delete_tenant(TenantName="alice")
    assert refusal(sesv2.get_tenant, TenantName="alice")[::2] == ("NotFoundException", 404)
    new = sesv2.create_tenant(TenantName="alice")
    assert old["TenantId"] != new["TenantId"]
    assert new["TenantArn"] == f"arn:aws:ses:{REGION}:{ACCOUNT}:tenant/alice/{new['TenantId']}"


def test_resource_types_are_spelt_as_on_the_wire(sesv2: Any) -> None:
    _associate(sesv2)
    _associate(sesv2, CONFIGURATION_SET)
    listed = sesv2.list_tenant_resources(TenantName="alice")["TenantResources"]
    assert {one["ResourceType"] for one in listed} == {"identity", "configuration-set"}
    chosen = sesv2.list_tenant_resources(TenantName="alice", Filter={"RESOURCE_TYPE": "identity"})["TenantResources"]
    assert [one["ResourceArn"] for one in chosen] == [IDENTITY]
    model = {"RESOURCE_TYPE": "EMAIL_IDENTITY"}
    assert refusal(sesv2.list_tenant_resources, TenantName="alice", Filter=model)[0] == "BadRequestException"


def test_an_association_exists_once_and_deleting_it_twice_is_no_error(sesv2: Any) -> None:
    _associate(sesv2)
    again = {"TenantName": "alice", "ResourceArn": IDENTITY}
    assert refusal(sesv2.create_tenant_resource_association, **again)[0] == "AlreadyExistsException"
    sesv2.delete_tenant_resource_association(**again)
    sesv2.delete_tenant_resource_association(**again)
    missing = {"TenantName": "none", "ResourceArn": IDENTITY}
    assert refusal(sesv2.delete_tenant_resource_association, **missing)[0] == "NotFoundException"


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/unknown.example", "NotFoundException"),
        (f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/example.com", "BadRequestException"),
        (f"arn:aws:ses:{REGION}:999999999999:identity/example.com", "BadRequestException"),
        ("arn:aws:s3:::inbound-mail", "BadRequestException"),
    ],
)
def test_only_existing_resources_are_associated(sesv2: Any, arn: str, code: str) -> None:
    assert refusal(sesv2.create_tenant_resource_association, TenantName="alice", ResourceArn=arn)[0] == code


def test_one_identity_can_belong_to_many_tenants_and_outlives_them(sesv2: Any) -> None:
    sesv2.create_tenant(TenantName="bob")
    _associate(sesv2)
    _associate(sesv2, tenant="bob")
    first = sesv2.list_resource_tenants(ResourceArn=IDENTITY, PageSize=1)
    second = sesv2.list_resource_tenants(ResourceArn=IDENTITY, PageSize=1, NextToken=first["NextToken"])
    holders = [one["TenantName"] for one in first["ResourceTenants"] + second["ResourceTenants"]]
    assert holders == ["alice", "bob"]
    sesv2.delete_tenant(TenantName="bob")
    assert len(sesv2.list_resource_tenants(ResourceArn=IDENTITY)["ResourceTenants"]) == 1


def test_an_associated_resource_cannot_be_deleted(sesv2: Any, fake_aws: Aws) -> None:
    _associate(sesv2)
    _associate(sesv2, CONFIGURATION_SET)
    code, message, _ = refusal(sesv2.delete_email_identity, EmailIdentity="example.com")
    assert (code, IDENTITY in message, "tenant associations" in message) == ("BadRequestException", True, True)
    assert refusal(fake_aws.ses.delete_identity, Identity="example.com")[0] == "InvalidParameterValue"
    refused = refusal(sesv2.delete_configuration_set, ConfigurationSetName="events")
    assert refused[0] == "BadRequestException"
    sesv2.delete_tenant(TenantName="alice")
    sesv2.delete_email_identity(EmailIdentity="example.com")
    sesv2.delete_configuration_set(ConfigurationSetName="events")


def test_pages_have_at_most_100_and_tokens_belong_to_their_list(sesv2: Any) -> None:
    sesv2.create_tenant(TenantName="bob")
    assert refusal(sesv2.list_tenants, PageSize=101)[0] == "BadRequestException"
    assert refusal(sesv2.list_tenants, NextToken="")[0] == "BadRequestException"
    token = sesv2.list_tenants(PageSize=1)["NextToken"]
    assert refusal(sesv2.list_reputation_entities, NextToken=token)[0] == "BadRequestException"
    assert [one["TenantName"] for one in sesv2.list_tenants(NextToken=token)["Tenants"]] == ["bob"]


def test_a_full_region_refuses_another_tenant(local: Sandbox, over_http: Aws) -> None:
    local.control.set_limits(tenants=0)
    assert refusal(over_http.sesv2.create_tenant, TenantName="alice")[0] == "LimitExceededException"


def _entity(sesv2: Any) -> dict[str, Any]:
    arn = sesv2.get_tenant(TenantName="alice")["Tenant"]["TenantArn"]
    found = sesv2.get_reputation_entity(ReputationEntityType="RESOURCE", ReputationEntityReference=arn)
    entity: dict[str, Any] = found["ReputationEntity"]
    return entity


def _set_policy(sesv2: Any, policy: str) -> None:
    sesv2.update_reputation_entity_policy(
        ReputationEntityType="RESOURCE",
        ReputationEntityReference=_entity(sesv2)["ReputationEntityReference"],
        ReputationEntityPolicy=f"arn:aws:ses:{REGION}:aws:reputation-policy/{policy}",
    )


def _set_status(sesv2: Any, status: str) -> None:
    sesv2.update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE",
        ReputationEntityReference=_entity(sesv2)["ReputationEntityReference"],
        SendingStatus=status,
    )


@pytest.fixture
def alice(local: Sandbox, over_http: Aws) -> Any:
    over_http.sesv2.create_tenant(TenantName="alice")
    return over_http.sesv2


def test_a_customer_cannot_override_a_suspension_by_ses(local: Sandbox, alice: Any) -> None:
    local.control.suspend_tenant("alice", "Spam.")
    _set_status(alice, "REINSTATED")
    entity = _entity(alice)
    assert (entity["AwsSesManagedStatus"]["Cause"], entity["SendingStatusAggregate"]) == ("Spam.", "DISABLED")
    local.control.release_tenant("alice")
    assert _entity(alice)["SendingStatusAggregate"] == "REINSTATED"


@pytest.mark.parametrize(
    ("policy", "rate", "status"),
    [
        ("none", 0.2, "ENABLED"),
        ("standard", 0.12, "ENABLED"),
        ("standard", 0.2, "DISABLED"),
        ("strict", 0.12, "DISABLED"),
        ("strict", 0.09, "ENABLED"),
    ],
)
def test_a_policy_pauses_at_its_rate(local: Sandbox, alice: Any, policy: str, rate: float, status: str) -> None:
    _set_policy(alice, policy)
    local.control.set_rates("alice", bounce=rate)
    assert alice.get_tenant(TenantName="alice")["Tenant"]["SendingStatus"] == status


def test_a_reinstated_tenant_is_enabled_again_once_healthy(local: Sandbox, alice: Any) -> None:
    _set_policy(alice, "standard")
    local.control.set_rates("alice", complaint=0.02)
    assert _entity(alice)["ReputationImpact"] == "HIGH"
    _set_status(alice, "REINSTATED")
    assert _entity(alice)["SendingStatusAggregate"] == "REINSTATED"
    local.control.set_rates("alice", complaint=0.0)
    assert (_entity(alice)["SendingStatusAggregate"], _entity(alice)["ReputationImpact"]) == ("ENABLED", "NONE")


def test_findings_are_listed_as_recommendations(local: Sandbox, alice: Any) -> None:
    local.control.set_finding("alice", "DKIM", impact="LOW", description="DKIM is not aligned.")
    local.control.set_finding("alice", "BOUNCE", status="FIXED")
    arn = _entity(alice)["ReputationEntityReference"]
    found = alice.list_recommendations(Filter={"RESOURCE_ARN": arn})["Recommendations"]
    assert [(one["Type"], one["Impact"], one["Status"]) for one in found] == [
        ("BOUNCE", "HIGH", "FIXED"), ("DKIM", "LOW", "OPEN"),
    ]  # fmt: skip
    both = {"STATUS": "OPEN", "IMPACT": "LOW"}
    assert [one["Type"] for one in alice.list_recommendations(Filter=both)["Recommendations"]] == ["DKIM"]
    forbidden = {"STATUS": "OPEN", "RESOURCE_ARN": arn}
    assert refusal(alice.list_recommendations, Filter=forbidden)[0] == "BadRequestException"


def test_an_unknown_policy_or_entity_is_refused(fake_aws: Aws) -> None:
    entity = {"ReputationEntityType": "RESOURCE", "ReputationEntityReference": "arn:none"}
    assert refusal(fake_aws.sesv2.get_reputation_entity, **entity)[0] == "NotFoundException"
    made = fake_aws.sesv2.create_tenant(TenantName="alice")
    known = {"ReputationEntityType": "RESOURCE", "ReputationEntityReference": made["TenantArn"]}
    update = fake_aws.sesv2.update_reputation_entity_policy
    assert refusal(update, **known, ReputationEntityPolicy="arn:none")[0] == "BadRequestException"
