"""What belongs to a tenant: wished, checked that no other has it, told, and taken out again."""

import pytest

from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, NotAllowed, Refused
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant, TenantResource
from tenants.resources import services as resources_services
from tests.factories import make_staff
from tests.tenants.factories import jobs_of, make_tenant, resources_at_amazon, set_up_tenant

pytestmark = pytest.mark.django_db


def make_identity(name: str) -> str:
    aws.client("sesv2").create_email_identity(EmailIdentity=name)
    return aws.identity_arn(name)


def carry_out(tenant: Tenant) -> None:
    resources_services.apply_associations(tenant_id=tenant.pk)


def test_an_identity_is_looked_at_before_it_comes_in(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn)
    assert "tenants.associate" in jobs_of(tenant)
    sandbox.control.clear_calls()
    carry_out(tenant)
    assert sandbox.control.call_counts() == {"ListResourceTenants": 1, "CreateTenantResourceAssociation": 1}
    assert "identity/alice.com" in resources_at_amazon(tenant.name)
    assert Change.objects.get(what="tenant.associated").after == {"identity": "alice.com"}


def test_what_is_known_to_be_free_is_not_looked_at(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn, free=True)
    sandbox.control.clear_calls()
    carry_out(tenant)
    carry_out(tenant)
    assert sandbox.control.call_counts() == {"CreateTenantResourceAssociation": 1}


def test_an_identity_of_another_tenant_waits_for_a_person(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("shared.com")
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    aws.client("sesv2").create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    resources_services.request_association(tenant=tenant, arn=arn)
    carry_out(tenant)
    row = TenantResource.objects.get(arn=arn)
    assert (row.held_by, row.associated_at) == ("by-hand", None)
    assert "by-hand" not in row.problem
    assert "identity/shared.com" not in resources_at_amazon(tenant.name)
    sandbox.control.clear_calls()
    carry_out(tenant)
    assert sandbox.control.call_counts() == {}


def test_when_the_other_has_let_go_it_is_tried_again(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("shared.com")
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    aws.client("sesv2").create_tenant_resource_association(TenantName="by-hand", ResourceArn=arn)
    resources_services.request_association(tenant=tenant, arn=arn)
    carry_out(tenant)
    aws.client("sesv2").delete_tenant(TenantName="by-hand")
    resources_services.retry_associations(tenant=tenant, actor=make_staff(Role.OPERATOR))
    carry_out(tenant)
    row = TenantResource.objects.get(arn=arn)
    assert (row.held_by, row.problem) == ("", "")
    assert row.associated_at is not None
    with pytest.raises(NotAllowed):
        resources_services.retry_associations(tenant=tenant, actor=make_staff(Role.SUPPORT))


def test_two_tenants_here_cannot_both_want_an_identity(sandbox: Sandbox) -> None:
    arn = "arn:aws:ses:eu-west-1:123456789012:identity/alice.com"
    resources_services.request_association(tenant=make_tenant(), arn=arn)
    with pytest.raises(Refused, match="another tenant here"):
        resources_services.request_association(tenant=make_tenant(), arn=arn)


@pytest.mark.parametrize("arn", ["arn:aws:s3:::bucket", "arn:aws:ses:eu-west-1:1:tenant/a/b", "nonsense"])
def test_only_what_amazon_associates_is_wanted(arn: str) -> None:
    with pytest.raises(Refused, match="can belong to a tenant"):
        resources_services.request_association(tenant=make_tenant(), arn=arn)


def test_an_identity_moves_from_one_tenant_to_the_other_and_is_never_in_both(sandbox: Sandbox) -> None:
    alice, bob, arn = set_up_tenant(), set_up_tenant(), make_identity("shop.com")
    resources_services.request_association(tenant=alice, arn=arn, free=True)
    carry_out(alice)
    resources_services.move(arn=arn, to=bob)
    carry_out(bob)  # before Alice's own job: what is to go is let go first
    assert resources_services.tenants_with_resource(arn) == (bob.name,)
    carry_out(alice)
    assert resources_services.tenants_with_resource(arn) == (bob.name,)
    assert TenantResource.objects.get(arn=arn).tenant == bob


def test_what_is_not_wanted_any_more_goes(sandbox: Sandbox) -> None:
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn)
    carry_out(tenant)
    resources_services.forget_association(tenant=tenant, arn=arn)
    carry_out(tenant)
    assert not TenantResource.objects.filter(arn=arn).exists()
    assert resources_services.tenants_with_resource(arn) == ()
    assert Change.objects.filter(what="tenant.dissociated").count() == 1


def test_what_amazon_does_not_know_is_said_and_holds_up_nothing_else(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    resources_services.request_association(tenant=tenant, arn=aws.identity_arn("gone.com"))
    resources_services.request_association(tenant=tenant, arn=make_identity("here.com"))
    carry_out(tenant)
    assert "identity/here.com" in resources_at_amazon(tenant.name)
    assert "does not exist in SES" in TenantResource.objects.get(name="gone.com").problem


def test_an_amazon_that_does_not_answer_is_asked_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant, arn = set_up_tenant(), make_identity("alice.com")
    resources_services.request_association(tenant=tenant, arn=arn)
    sandbox.control.add_fault("cut_after", "CreateTenantResourceAssociation")
    with pytest.raises(AwsProblem):
        carry_out(tenant)
    assert "isn't responding" in TenantResource.objects.get(arn=arn).problem
    carry_out(tenant)
    row = TenantResource.objects.get(arn=arn)
    assert row.problem == ""
    assert row.associated_at is not None


def test_all_pages_of_holders_are_seen(sandbox: Sandbox) -> None:
    arn = make_identity("popular.com")
    names = [f"t{number:03}" for number in range(101)]
    for name in names:
        aws.client("sesv2").create_tenant(TenantName=name)
        aws.client("sesv2").create_tenant_resource_association(TenantName=name, ResourceArn=arn)
    assert list(resources_services.tenants_with_resource(arn)) == names
