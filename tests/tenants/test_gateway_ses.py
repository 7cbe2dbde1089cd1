"""The gateway to SES tenants: what we write is what we read."""

import pytest

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing
from inbound_admin.sandbox.aws.state import WORLD, regions
from inbound_admin.sandbox.process import Sandbox
from tenants.core.amazon import Resource, TenantFound
from tenants.core.standing import Policy, Status
from tenants.gateway import ses

pytestmark = pytest.mark.django_db  # the shared pace


@pytest.fixture
def alice(sandbox: Sandbox) -> TenantFound:
    return ses.create_tenant("alice", ours="tenant-1")


def test_what_was_created_is_what_is_read(alice: TenantFound) -> None:
    assert ses.get_tenant("alice") == alice
    assert (ses.OURS, "tenant-1") in alice.tags
    assert alice.status == "ENABLED"
    with pytest.raises(AwsConflict):
        ses.create_tenant("alice", ours="tenant-2")


def test_what_does_not_exist_is_missing(sandbox: Sandbox) -> None:
    arn = "arn:aws:ses:eu-west-1:123456789012:tenant/none/tn-1"
    for ask in (
        lambda: ses.get_tenant("none"),
        lambda: ses.delete_tenant("none"),
        lambda: ses.resources_of("none"),
        lambda: ses.get_entity(arn),
        lambda: ses.set_status(arn, Status.DISABLED),
        lambda: ses.get_configuration_set("none"),
        lambda: ses.delete_configuration_set("none"),
        lambda: ses.tenants_of(aws.identity_arn("none.com")),
    ):
        with pytest.raises(AwsMissing):
            ask()


@pytest.mark.parametrize("policy", list(Policy))
def test_a_policy_is_read_as_it_was_set(alice: TenantFound, policy: Policy) -> None:
    ses.set_policy(alice.arn, policy)
    assert ses.get_entity(alice.arn).policy == policy


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_read_as_it_was_set(alice: TenantFound, status: Status) -> None:
    ses.set_status(alice.arn, status)
    entity = ses.get_entity(alice.arn)
    assert (entity.staff[0], entity.amazon[0], entity.aggregate) == (status, "ENABLED", status)
    assert entity.staff[2] is not None


def test_a_word_of_amazons_that_we_do_not_know_comes_through(alice: TenantFound) -> None:
    with WORLD.lock:
        for _, state in regions():
            if found := state.tenants.get("alice"):
                found.amazon.set("WATCHED", WORLD.clock.now(), "being looked at")
    status, cause, _ = ses.get_entity(alice.arn).amazon
    assert (status, cause) == ("WATCHED", "being looked at")


def test_associations_are_read_back_by_their_arn(alice: TenantFound) -> None:
    ses.create_configuration_set("events", ours="tenant-1")
    arn = ses.configuration_set_arn("events")
    ses.associate("alice", arn)
    with pytest.raises(AwsConflict):
        ses.associate("alice", arn)
    assert ses.resources_of("alice") == ((Resource("configuration-set", arn),), "")
    assert ses.tenants_of(arn) == (("alice",), "")
    ses.dissociate("alice", arn)
    ses.dissociate("alice", arn)
    assert ses.resources_of("alice") == ((), "")


def test_lists_are_read_to_their_end(sandbox: Sandbox) -> None:
    sandbox.control.set_limits(tenants_per_page=100)
    names = [f"t{number:03}" for number in range(101)]
    for name in names:
        aws.client("sesv2").create_tenant(TenantName=name)
    assert [tenant.name for tenant in ses.all_pages(ses.list_tenants)] == names
    assert len(ses.all_pages(ses.list_entities)) == 101


def test_a_configuration_set_may_send_until_it_is_switched_off(alice: TenantFound) -> None:
    ses.create_configuration_set("events", ours="tenant-1")
    found = ses.get_configuration_set("events")
    assert (found.sends, found.tags) == (True, ((ses.OURS, "tenant-1"),))
    ses.delete_configuration_set("events")
    aws.client("sesv2").create_configuration_set(ConfigurationSetName="quiet", SendingOptions={"SendingEnabled": False})
    assert ses.get_configuration_set("quiet").sends is False


def test_the_account_is_read(sandbox: Sandbox) -> None:
    account = ses.get_account()
    assert (account.enforcement, account.sends, account.in_production) == ("HEALTHY", True, True)
    sandbox.control.set_account(aws.client("sesv2").meta.region_name, enforcement="PROBATION", sending_enabled=False)
    account = ses.get_account()
    assert (account.enforcement, account.sends) == ("PROBATION", False)
