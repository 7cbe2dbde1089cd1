"""ARNs use the partition of the region, for tenants, policies, identities and configuration sets."""

import pytest
from pytest_django import Settings

from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tests.tenants.factories import reputation_entity_in_ses, resources_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_a_tenant_is_created_with_the_arns_of_its_partition(
    sandbox: Sandbox, settings: Settings, region: str, partition: str
) -> None:
    settings.AWS_REGION = region
    tenant = set_up_tenant()
    assert (tenant.stage, tenant.stage_problem) == ("ready", "")
    assert tenant.arn.startswith(f"arn:{partition}:ses:{region}:")
    assert reputation_entity_in_ses(tenant)["ReputationManagementPolicy"].startswith(
        f"arn:{partition}:ses:{region}:aws:"
    )
    assert resources_in_ses(tenant.name) == {f"configuration-set/{tenant.configuration_set}"}
    assert aws.identity_arn("shop.com").startswith(f"arn:{partition}:ses:{region}:")
