"""An association that SES refuses holds up no other, and counts as made only once SES has it."""

import pytest

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from sandbox.process import Sandbox
from tenants.models.tenants import TenantResource
from tenants.resources import services as resources_services
from tests.aws_answers import answered
from tests.domains.factories import seed_identities
from tests.tenants.factories import resources_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db
CREATE = "CreateTenantResourceAssociation"


@pytest.mark.parametrize("code", ["ConflictException", "ConcurrentModificationException"])
def test_an_association_is_not_made_while_ses_says_that_something_is_being_changed(sandbox: Sandbox, code: str) -> None:
    tenant = set_up_tenant()
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    resources_services.request_association(tenant=tenant, arn=aws.identity_arn("shop.com"), free=True)
    with answered(CREATE, code, status=409), pytest.raises(AwsProblem):
        resources_services.apply_associations(tenant_id=tenant.pk)
    row = TenantResource.objects.get(name="shop.com")
    assert (row.associated_at, bool(row.problem)) == (None, True)
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert "identity/shop.com" in resources_in_ses(tenant.name)


@pytest.mark.parametrize("operation", [CREATE, "GetEmailIdentity"])
def test_an_association_that_ses_refuses_holds_up_no_other(sandbox: Sandbox, operation: str) -> None:
    tenant, names = set_up_tenant(), ["alice.com", "bob.com", "carol.com"]
    seed_identities(names, ownership="Success", dkim="Success")
    for name in names:
        resources_services.request_association(tenant=tenant, arn=aws.identity_arn(name), free=True)
    with answered(operation, "BadRequestException", about="alice.com"), pytest.raises(AwsProblem):
        resources_services.apply_associations(tenant_id=tenant.pk)
    there = {f"identity/{name}" for name in names[1:]}
    assert resources_in_ses(tenant.name) == there | {f"configuration-set/{tenant.configuration_set}"}
    assert "refused" in TenantResource.objects.get(name="alice.com").problem


def test_no_further_association_is_asked_for_while_ses_answers_nobody(sandbox: Sandbox) -> None:
    tenant, names = set_up_tenant(), ["alice.com", "bob.com"]
    seed_identities(names, ownership="Success", dkim="Success")
    for name in names:
        resources_services.request_association(tenant=tenant, arn=aws.identity_arn(name), free=True)
    sandbox.control.clear_calls()
    with answered("GetEmailIdentity", "TooManyRequestsException", status=429), pytest.raises(AwsProblem):
        resources_services.apply_associations(tenant_id=tenant.pk)
    assert CREATE not in sandbox.control.call_counts()
