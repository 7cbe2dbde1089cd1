"""In each partition ARNs are the partition's own: tenants, their policy, their identities and configuration sets."""

import pytest
from pytest_django import Settings

from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tests.tenants.factories import entity_at_amazon, resources_at_amazon, set_up_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_a_tenant_is_made_whole(sandbox: Sandbox, settings: Settings, region: str, partition: str) -> None:
    settings.AWS_REGION = region
    tenant = set_up_tenant()
    assert (tenant.stage, tenant.stage_problem) == ("ready", "")
    assert tenant.arn.startswith(f"arn:{partition}:ses:{region}:")
    assert entity_at_amazon(tenant)["ReputationManagementPolicy"].startswith(f"arn:{partition}:ses:{region}:aws:")
    assert resources_at_amazon(tenant.name) == {f"configuration-set/{tenant.configuration_set}"}
    assert aws.identity_arn("shop.com").startswith(f"arn:{partition}:ses:{region}:")
