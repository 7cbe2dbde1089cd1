"""What SES has is accepted only if it is so now, and takes no name that receives mail."""

import pytest

from accounts.models.people import User
from accounts.roles import Role
from domains.models.domains import Stage
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.drift.core import Decision
from sandbox.process import Sandbox
from tenants.models.tenants import TenantResource
from tenants.resources import services as resources_services
from tests.domains.factories import seed_identities
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready
from tests.operations.identity_drift.test_services import (
    check_and_get_one,
    decide,
    delete_in_ses,
    has_open_difference,
    set_mail_from_in_ses,
)
from tests.receipt_rules.factories import make_address
from tests.tenants.factories import set_up_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


@pytest.mark.parametrize("holder", ["Alice", "Bob"])
def test_a_mail_from_domain_that_is_somebodys_domain_is_not_accepted(sandbox: Sandbox, olga: User, holder: str) -> None:
    alice = make_customer("Alice")
    domain = make_ready("shop.com", alice)
    make_ready("mail.shop.com", alice if holder == "Alice" else make_customer("Bob"))
    set_mail_from_in_ses("shop.com", "mail.shop.com")
    found = check_and_get_one()
    with pytest.raises(Refused, match=r"mail\.shop\.com can't be the MAIL FROM domain because it receives mail"):
        decide(found, Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert (domain.mail_from, domain.ses_mail_from) == ("", "")
    found.refresh_from_db()
    assert found.decision == ""


def test_a_mail_from_domain_with_an_address_is_not_accepted(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"), mail_rules={"mail.shop.com": "carried"})
    make_address("info@mail.shop.com", domain)
    set_mail_from_in_ses("shop.com", "mail.shop.com")
    with pytest.raises(Refused, match="because it receives mail"):
        decide(check_and_get_one(), Decision.ADOPT, olga)


def test_an_identity_that_is_back_in_ses_is_not_accepted_as_gone(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    delete_in_ses("shop.com")
    found = check_and_get_one()
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    with pytest.raises(Refused, match="SES has this identity again"):
        decide(found, Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert (domain.stage, domain.is_proven) == (Stage.READY, True)


def test_a_failed_look_accepts_nothing_as_gone(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    delete_in_ses("shop.com")
    found = check_and_get_one()
    sandbox.control.add_fault("denied", "GetIdentityVerificationAttributes")
    with pytest.raises(AwsProblem):
        decide(found, Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert domain.stage == Stage.READY


def test_an_identity_accepted_as_gone_is_in_no_tenant(sandbox: Sandbox, olga: User) -> None:
    tenant = set_up_tenant(make_customer("Alice"))
    make_ready("shop.com", tenant.customer, tenant=tenant)
    resources_services.request_association(tenant=tenant, arn=aws.identity_arn("shop.com"))
    resources_services.apply_associations(tenant_id=tenant.pk)
    resources_services.dissociate_everywhere(aws.identity_arn("shop.com"))
    delete_in_ses("shop.com")
    decide(check_and_get_one(), Decision.ADOPT, olga)
    assert not has_open_difference()
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert not TenantResource.objects.filter(kind="identity").exists()
