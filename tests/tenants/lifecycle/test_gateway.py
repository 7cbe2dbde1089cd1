"""The gateway to SES tenants: what we write is read back."""

import pytest

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing
from sandbox.aws.state import WORLD, regions
from sandbox.process import Sandbox
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import Resource, TenantFound
from tenants.status.core import Policy, SendingStatus

pytestmark = pytest.mark.django_db  # the shared rate limit


@pytest.fixture
def alice(sandbox: Sandbox) -> TenantFound:
    return lifecycle_gateway.create_tenant("alice", ours="tenant-1")


def test_a_created_tenant_is_read_back(alice: TenantFound) -> None:
    assert lifecycle_gateway.get_tenant("alice") == alice
    assert (lifecycle_gateway.OURS, "tenant-1") in alice.tags
    assert alice.status == "ENABLED"
    with pytest.raises(AwsConflict):
        lifecycle_gateway.create_tenant("alice", ours="tenant-2")


def test_missing_objects_raise_aws_missing(sandbox: Sandbox) -> None:
    arn = "arn:aws:ses:eu-west-1:123456789012:tenant/none/tn-1"
    for ask in (
        lambda: lifecycle_gateway.get_tenant("none"),
        lambda: lifecycle_gateway.delete_tenant("none"),
        lambda: lifecycle_gateway.resources_of("none"),
        lambda: lifecycle_gateway.get_entity(arn),
        lambda: lifecycle_gateway.set_status(arn, SendingStatus.DISABLED),
        lambda: lifecycle_gateway.get_configuration_set("none"),
        lambda: lifecycle_gateway.delete_configuration_set("none"),
        lambda: lifecycle_gateway.tenants_of(aws.identity_arn("none.com")),
    ):
        with pytest.raises(AwsMissing):
            ask()


@pytest.mark.parametrize("policy", list(Policy))
def test_a_policy_is_read_as_set(alice: TenantFound, policy: Policy) -> None:
    lifecycle_gateway.set_policy(alice.arn, policy)
    assert lifecycle_gateway.get_entity(alice.arn).policy == policy


@pytest.mark.parametrize("status", list(SendingStatus))
def test_a_status_is_read_as_set(alice: TenantFound, status: SendingStatus) -> None:
    lifecycle_gateway.set_status(alice.arn, status)
    entity = lifecycle_gateway.get_entity(alice.arn)
    assert (entity.staff[0], entity.amazon[0], entity.aggregate) == (status, "ENABLED", status)
    assert entity.staff[2] is not None


def test_an_unknown_status_is_returned_unchanged(alice: TenantFound) -> None:
    with WORLD.lock:
        for _, state in regions():
            if found := state.tenants.get("alice"):
                found.amazon.set("WATCHED", WORLD.clock.now(), "under review")
    status, cause, _ = lifecycle_gateway.get_entity(alice.arn).amazon
    assert (status, cause) == ("WATCHED", "under review")


def test_associations_are_read_back_by_arn(alice: TenantFound) -> None:
    lifecycle_gateway.create_configuration_set("events", ours="tenant-1")
    arn = lifecycle_gateway.configuration_set_arn("events")
    lifecycle_gateway.associate("alice", arn)
    lifecycle_gateway.associate("alice", arn)
    assert lifecycle_gateway.resources_of("alice") == ((Resource("configuration-set", arn),), "")
    assert lifecycle_gateway.tenants_of(arn) == (("alice",), "")
    lifecycle_gateway.dissociate("alice", arn)
    lifecycle_gateway.dissociate("alice", arn)
    assert lifecycle_gateway.resources_of("alice") == ((), "")


def test_lists_are_read_to_the_last_page(sandbox: Sandbox) -> None:
    sandbox.control.set_limits(tenants_per_page=100)
    names = [f"t{number:03}" for number in range(101)]
    for name in names:
        aws.client("sesv2").create_tenant(TenantName=name)
    assert [tenant.name for tenant in lifecycle_gateway.all_pages(lifecycle_gateway.list_tenants)] == names
    assert len(lifecycle_gateway.all_pages(lifecycle_gateway.list_entities)) == 101


def test_a_configuration_sets_sending_status_is_read(alice: TenantFound) -> None:
    lifecycle_gateway.create_configuration_set("events", ours="tenant-1")
    found = lifecycle_gateway.get_configuration_set("events")
    assert (found.sends, found.tags) == (True, ((lifecycle_gateway.OURS, "tenant-1"),))
    lifecycle_gateway.delete_configuration_set("events")
    aws.client("sesv2").create_configuration_set(ConfigurationSetName="quiet", SendingOptions={"SendingEnabled": False})
    assert lifecycle_gateway.get_configuration_set("quiet").sends is False


def test_the_account_is_read(sandbox: Sandbox) -> None:
    account = lifecycle_gateway.get_account()
    assert (account.enforcement, account.sends, account.in_production) == ("HEALTHY", True, True)
    sandbox.control.set_account(aws.client("sesv2").meta.region_name, enforcement="PROBATION", sending_enabled=False)
    account = lifecycle_gateway.get_account()
    assert (account.enforcement, account.sends) == ("PROBATION", False)
