"""Identities below a domain leave the tenant of a customer who loses the domain."""

import pytest
from django.utils import timezone

from accounts.models.people import Customer
from accounts.roles import Role
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from domains.sub_identities.services import closest_above
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tenants.models.tenants import TenantResource
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready, migrate

pytestmark = pytest.mark.django_db
BELOW = "sales@shop.example"


def make_migrated() -> tuple[Customer, Domain]:
    """Return a customer whose tenant has shop.example, an address below it, and another customer's domain beside."""
    alice = make_customer("Alice")
    domain = make_ready("shop.example", alice)
    aws.client("sesv2").create_email_identity(EmailIdentity=BELOW)
    identity_services.read_sub_identities()
    item = migrate(alice, associates_below=True).items.get()
    assert item.state == "done", item.problem
    assert wanted(alice) == {"shop.example", BELOW}
    domain.refresh_from_db()
    return alice, domain


def wanted(customer: Customer) -> set[str]:
    rows = TenantResource.objects.filter(tenant__customer=customer, kind="identity", wanted=True)
    return set(rows.values_list("name", flat=True))


def test_a_transferred_domain_takes_them_out(sandbox: Sandbox) -> None:
    alice, domain = make_migrated()
    overrides_services.transfer(domain=domain, to=make_customer("Bob"), because="sold", actor=make_staff(Role.OPERATOR))
    assert wanted(alice) == set()


def test_a_deleted_domain_takes_them_out(sandbox: Sandbox) -> None:
    alice, domain = make_migrated()
    Domain.objects.filter(pk=domain.pk).update(stage=Stage.DELETING, routes_removed_at=timezone.now())
    deletion_services.execute_deletion(domain_id=domain.pk)
    assert not Domain.objects.exists()
    assert wanted(alice) == set()


def test_another_customers_proof_takes_them_out(sandbox: Sandbox) -> None:
    alice, domain = make_migrated()
    Domain.objects.filter(pk=domain.pk).update(proven_at=None, claim_proven_at=None)
    ownership_services.displace(domain.parsed, winner=make_customer("Bob"))
    domain.refresh_from_db()
    assert domain.stage == Stage.CLAIM
    assert wanted(alice) == set()


@pytest.mark.parametrize(
    ("identity", "above"),
    [
        ("news.shop.example", "shop.example"),
        ("a@shop.example", "shop.example"),
        ("a@b.news.shop.example", "shop.example"),
        ("x.deep.shop.example", "deep.shop.example"),
        ("shop.example", ""),
        ("myshop.example", ""),
        ("a@elsewhere.example", ""),
    ],
)
def test_the_closest_domain_above_is_found(identity: str, above: str) -> None:
    assert closest_above(identity, {"shop.example", "deep.shop.example"}) == above
