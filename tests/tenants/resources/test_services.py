"""A tenant's resources: requested, checked for other tenants, associated, and removed again."""

from datetime import timedelta
from itertools import pairwise

import pytest
import time_machine
from django.utils import timezone

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed, Refused
from sandbox.process import Sandbox
from tenants.lifecycle.core import GONE
from tenants.lifecycle.selectors import unfinished
from tenants.models.tenants import Tenant, TenantResource
from tenants.resources import services as resources_services
from tests.factories import make_staff
from tests.tenants.factories import jobs_of, make_tenant, resources_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


def make_identity(name: str) -> str:
    aws.client("sesv2").create_email_identity(EmailIdentity=name)
    return aws.identity_arn(name)


def set_default(identity: str, name: str) -> None:
    client = aws.client("sesv2")
    client.create_configuration_set(ConfigurationSetName=name)
    client.put_email_identity_configuration_set_attributes(EmailIdentity=identity, ConfigurationSetName=name)


def apply(tenant: Tenant) -> None:
    resources_services.apply_associations(tenant_id=tenant.pk)


def test_an_identity_is_checked_before_it_is_associated(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn)
    assert "tenants.associate" in jobs_of(tenant)
    sandbox.control.clear_calls()
    apply(tenant)
    made = {"GetEmailIdentity": 1, "ListResourceTenants": 1, "CreateTenantResourceAssociation": 1}
    assert sandbox.control.call_counts() == made
    assert "identity/alice.com" in resources_in_ses(tenant.name)
    assert Change.objects.get(what="tenant.associated").after == {"identity": "alice.com"}


def test_an_identity_that_we_just_created_is_associated_without_a_read(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.move(arn=arn, to=tenant, just_made=True)
    sandbox.control.clear_calls()
    apply(tenant)
    apply(tenant)
    assert sandbox.control.call_counts() == {"CreateTenantResourceAssociation": 1}


def test_an_identity_of_another_tenant_waits_for_a_person(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("shared.com")
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    aws.client("sesv2").create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    resources_services.request_association(tenant=tenant, arn=arn)
    apply(tenant)
    row = TenantResource.objects.get(arn=arn)
    assert (row.held_by, row.associated_at) == ("by-hand", None)
    assert "by-hand" not in row.problem
    assert "identity/shared.com" not in resources_in_ses(tenant.name)
    sandbox.control.clear_calls()
    apply(tenant)
    assert sandbox.control.call_counts() == {}


def test_an_association_can_be_retried_once_the_other_tenant_is_gone(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("shared.com")
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    aws.client("sesv2").create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    resources_services.request_association(tenant=tenant, arn=arn)
    apply(tenant)
    aws.client("sesv2").delete_tenant(TenantName="by-hand")
    resources_services.retry_associations(tenant=tenant, actor=make_staff(Role.OPERATOR))
    apply(tenant)
    row = TenantResource.objects.get(arn=arn)
    assert (row.held_by, row.problem) == ("", "")
    assert row.associated_at is not None
    with pytest.raises(NotAllowed):
        resources_services.retry_associations(tenant=tenant, actor=make_staff(Role.SUPPORT))


def test_two_of_our_tenants_cannot_request_the_same_identity(sandbox: Sandbox) -> None:
    arn = "arn:aws:ses:eu-west-1:123456789012:identity/alice.com"
    resources_services.request_association(tenant=make_tenant(), arn=arn)
    with pytest.raises(Refused, match="another tenant here"):
        resources_services.request_association(tenant=make_tenant(), arn=arn)


@pytest.mark.parametrize("arn", ["arn:aws:s3:::bucket", "arn:aws:ses:eu-west-1:1:tenant/a/b", "nonsense"])
def test_only_resources_that_ses_can_associate_are_accepted(arn: str) -> None:
    with pytest.raises(Refused, match="can belong to a tenant"):
        resources_services.request_association(tenant=make_tenant(), arn=arn)


def test_an_identity_moves_between_tenants_and_is_never_in_both(sandbox: Sandbox) -> None:
    alice, bob, arn = set_up_tenant(), set_up_tenant(), make_identity("shop.com")
    resources_services.request_association(tenant=alice, arn=arn, free=True)
    apply(alice)
    resources_services.move(arn=arn, to=bob)
    apply(bob)  # before Alice's own job: the old association is removed first
    assert resources_services.tenants_with_resource(arn) == (bob.name,)
    apply(alice)
    assert resources_services.tenants_with_resource(arn) == (bob.name,)
    assert TenantResource.objects.get(arn=arn).tenant == bob


def test_an_association_that_is_no_longer_desired_is_removed(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn)
    apply(tenant)
    resources_services.forget_association(tenant=tenant, arn=arn)
    apply(tenant)
    assert not TenantResource.objects.filter(arn=arn).exists()
    assert resources_services.tenants_with_resource(arn) == ()
    assert Change.objects.filter(what="tenant.dissociated").count() == 1


def test_a_missing_identity_is_reported_and_delays_no_other(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    resources_services.request_association(tenant=tenant, arn=aws.identity_arn("gone.com"))
    resources_services.request_association(tenant=tenant, arn=make_identity("here.com"))
    apply(tenant)
    assert "identity/here.com" in resources_in_ses(tenant.name)
    assert "does not exist in SES" in TenantResource.objects.get(name="gone.com").problem


def test_a_removal_whose_answer_was_lost_is_undone_if_the_association_is_wanted_again(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("shop.com")
    resources_services.request_association(tenant=tenant, arn=arn)
    apply(tenant)
    resources_services.forget_association(tenant=tenant, arn=arn)
    sandbox.control.add_fault("cut_after", "DeleteTenantResourceAssociation", times=None)
    with pytest.raises(AwsProblem):
        apply(tenant)
    assert resources_services.tenants_with_resource(arn) == ()
    sandbox.control.clear_faults()
    assert resources_services.request_association(tenant=tenant, arn=arn).associated_at is None
    apply(tenant)
    assert resources_services.tenants_with_resource(arn) == (tenant.name,)
    row = TenantResource.objects.get(arn=arn)
    assert row.associated_at is not None
    assert row.problem == ""


def test_an_association_is_retried_after_a_lost_response(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn)
    sandbox.control.add_fault("cut_after", "CreateTenantResourceAssociation")
    with pytest.raises(AwsProblem):
        apply(tenant)
    assert "isn't responding" in TenantResource.objects.get(arn=arn).problem
    apply(tenant)
    row = TenantResource.objects.get(arn=arn)
    assert row.problem == ""
    assert row.associated_at is not None


def test_all_pages_of_associated_tenants_are_read(sandbox: Sandbox) -> None:
    arn = make_identity("popular.com")
    names = [f"t{number:03}" for number in range(101)]
    for name in names:
        aws.client("sesv2").create_tenant(TenantName=name)
        aws.client("sesv2").create_tenant_resource_association(TenantName=name, ResourceArn=arn)
    assert list(resources_services.tenants_with_resource(arn)) == names


def test_the_default_set_of_an_identity_joins_the_tenant_with_it(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    set_default("alice.com", "legacy-shared")
    resources_services.request_association(tenant=tenant, arn=arn)
    apply(tenant)
    assert {"identity/alice.com", "configuration-set/legacy-shared"} < resources_in_ses(tenant.name)


@pytest.mark.parametrize(("sends", "joins"), [(True, True), (False, False)])
def test_the_default_set_of_an_accepted_association_joins_a_tenant_that_sends_name(
    sandbox: Sandbox, sends: bool, joins: bool
) -> None:
    """A tenant that no send names yet is left as it was accepted; a migration reads the sets."""
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=timezone.now() if sends else None)
    set_default("alice.com", "legacy-shared")
    aws.client("sesv2").create_tenant_resource_association(TenantName=tenant.name, ResourceArn=arn)
    resources_services.adopt_associations(tenant, [("identity", arn)])
    apply(tenant)
    assert ("configuration-set/legacy-shared" in resources_in_ses(tenant.name)) is joins


def test_a_default_set_that_could_not_be_read_is_read_by_the_next_job(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    set_default("alice.com", "legacy-shared")
    resources_services.request_association(tenant=tenant, arn=arn)
    sandbox.control.add_fault("denied", "GetEmailIdentity")
    with pytest.raises(AwsProblem):
        apply(tenant)
    assert resources_in_ses(tenant.name) == {f"configuration-set/{tenant.configuration_set}"}
    sandbox.control.clear_faults()
    apply(tenant)
    assert {"identity/alice.com", "configuration-set/legacy-shared"} < resources_in_ses(tenant.name)


def test_a_tenant_that_ses_lacks_is_not_reported_as_a_missing_resource(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    for name in ("alice.com", "bob.com"):
        resources_services.request_association(tenant=tenant, arn=make_identity(name), free=True)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    apply(tenant)
    rows = TenantResource.objects.filter(tenant=tenant, kind="identity")
    assert set(rows.values_list("problem", flat=True)) == {GONE}
    assert Tenant.objects.get(pk=tenant.pk).is_gone
    sandbox.control.clear_calls()
    apply(tenant)  # nothing is asked until the tenant is there again
    assert sandbox.control.call_counts() == {}


def test_a_missing_resource_is_reported_as_one(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    resources_services.request_association(tenant=tenant, arn=aws.identity_arn("gone.com"), free=True)
    apply(tenant)
    assert TenantResource.objects.get(name="gone.com").problem == resources_services.UNKNOWN
    assert not Tenant.objects.get(pk=tenant.pk).is_gone


def test_ses_is_asked_less_and_less_often_for_a_resource_that_it_lacks(sandbox: Sandbox) -> None:
    tenant, began = set_up_tenant(), timezone.now()
    resources_services.request_association(tenant=tenant, arn=aws.identity_arn("gone.com"), free=True)
    asked_at = []
    for minute in range(24 * 60):
        with time_machine.travel(began + timedelta(minutes=minute, seconds=30), tick=False):
            if not unfinished().filter(pk=tenant.pk).exists():
                continue
            apply(tenant)
            asked_at.append(minute)
    assert asked_at[:4] == [0, 1, 2, 4]
    assert len(asked_at) <= 14
    assert max(later - earlier for earlier, later in pairwise(asked_at)) <= 6 * 60
    sandbox.control.clear_calls()
    resources_services.request_association(tenant=tenant, arn=make_identity("here.com"), free=True)
    apply(tenant)  # another resource doesn't wait for it, nor asks for it again
    assert sandbox.control.call_counts().get("CreateTenantResourceAssociation") == 1


@pytest.mark.parametrize("how", ["requested", "retried"])
def test_a_missing_resource_that_is_requested_again_is_asked_for_at_once(sandbox: Sandbox, how: str) -> None:
    tenant, arn = set_up_tenant(), aws.identity_arn("gone.com")
    resources_services.request_association(tenant=tenant, arn=arn, free=True)
    apply(tenant)
    assert not unfinished().filter(pk=tenant.pk).exists()
    make_identity("gone.com")
    if how == "requested":
        resources_services.request_association(tenant=tenant, arn=arn)
    else:
        resources_services.retry_associations(tenant=tenant, actor=make_staff(Role.OPERATOR))
    apply(tenant)
    row = TenantResource.objects.get(name="gone.com")
    assert (row.associated_at is not None, row.retry_at, row.missing_since, row.problem) == (True, None, None, "")


def test_what_is_missing_stays_open_while_ses_does_not_answer(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant = set_up_tenant()
    resources_services.request_association(tenant=tenant, arn=make_identity("alice.com"), free=True)
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    sandbox.control.add_fault("denied", "GetReputationEntity")
    with pytest.raises(AwsProblem):
        apply(tenant)
    assert "denied" in TenantResource.objects.get(name="alice.com").problem


def test_a_retry_shares_a_configuration_set_with_other_tenants(sandbox: Sandbox) -> None:
    tenant, other = set_up_tenant(), set_up_tenant()
    own = TenantResource.objects.get(name=tenant.configuration_set)
    arn = own.arn.replace(tenant.configuration_set, "legacy-shared")
    resources_services.request_association(tenant=tenant, arn=arn)
    apply(tenant)
    aws.client("sesv2").create_configuration_set(ConfigurationSetName="legacy-shared")
    resources_services.request_association(tenant=other, arn=arn)
    apply(other)
    resources_services.retry_associations(tenant=tenant, actor=make_staff(Role.OPERATOR))
    apply(tenant)
    assert TenantResource.objects.get(tenant=tenant, arn=arn).problem == ""
    assert "configuration-set/legacy-shared" in resources_in_ses(tenant.name)


def test_a_check_for_other_tenants_counts_for_minutes(sandbox: Sandbox) -> None:
    tenant, other, arn = set_up_tenant(), set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn, free=True)
    TenantResource.objects.filter(arn=arn).update(checked_at=timezone.now() - timedelta(minutes=11))
    aws.client("sesv2").create_tenant_resource_association(TenantName=other.name, ResourceArn=arn)
    apply(tenant)
    assert TenantResource.objects.get(arn=arn).held_by == other.name
    assert "identity/alice.com" not in resources_in_ses(tenant.name)
