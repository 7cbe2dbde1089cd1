"""The association of a domain with its customer's SES tenant."""

import pytest
from django.utils import timezone

from audit.models import Change
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tenants.deletion import services as tenant_deletion_services
from tenants.lifecycle.selectors import layers_of
from tenants.models.tenants import Tenant, TenantResource
from tenants.resources import services as resources_services
from tenants.status.core import LayerName
from tests.domains.factories import delete_marked_domain, make_domain, set_identity_status, set_up_domain
from tests.factories import make_customer, make_staff
from tests.tenants.factories import jobs_of, make_tenant, resources_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


def apply_associations(tenant: Tenant) -> set[str]:
    """Run its job. Return the identities that SES associates with it."""
    resources_services.apply_associations(tenant_id=tenant.pk)
    return {name.partition("/")[2] for name in resources_in_ses(tenant.name) if name.startswith("identity/")}


def test_a_new_domain_is_associated_with_the_tenant_in_four_calls(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.clear_calls()
    domain = set_up_domain(sandbox, "shop.com", customer=tenant.customer)
    assert domain.tenant == tenant
    assert "tenants.associate" in jobs_of(tenant)
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert sum(sandbox.control.call_counts().values()) == 4
    assert apply_associations(tenant) == {"shop.com"}


def test_a_domain_of_a_customer_without_a_tenant_has_none(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    assert (domain.tenant, domain.stage) == (None, Stage.READY)
    assert not TenantResource.objects.exists()


def test_a_domain_added_while_the_tenant_is_created_waits_for_it(sandbox: Sandbox) -> None:
    tenant = make_tenant(stage="creating", arn="", standing="unknown")
    domain = set_up_domain(sandbox, "shop.com", customer=tenant.customer)
    assert domain.tenant == tenant
    resources_services.apply_associations(tenant_id=tenant.pk)
    assert TenantResource.objects.get(tenant=tenant).associated_at is None


def test_an_adopted_identity_of_another_tenant_is_not_associated(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").create_email_identity(EmailIdentity="shop.com")
    aws.client("sesv2").create_tenant(TenantName="by-hand")
    aws.client("sesv2").create_tenant_resource_association(
        TenantName="by-hand", ResourceArn=aws.identity_arn("shop.com")
    )
    domain = preflight_services.add(text="shop.com", customer=tenant.customer, actor=None)
    identity_services.set_up(domain_id=domain.pk)
    ownership_claims_services.approve_claim(domain=Domain.objects.get(), because="They called us.", actor=make_staff())
    identity_services.set_up(domain_id=domain.pk)
    assert apply_associations(tenant) == set()
    assert TenantResource.objects.get(name="shop.com").held_by == "by-hand"


def test_deleting_a_domain_removes_it_from_its_tenant(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    domain = set_up_domain(sandbox, "shop.com", customer=tenant.customer)
    assert apply_associations(tenant) == {"shop.com"}
    deletion_services.mark_for_deletion(domain=domain, typed_name="shop.com", actor=make_staff())
    delete_marked_domain(domain_id=domain.pk)
    assert not Domain.objects.exists()
    assert not TenantResource.objects.filter(kind="identity").exists()
    assert apply_associations(tenant) == set()
    assert tenant_deletion_services.consequences(tenant).users == ()


def test_a_transferred_domain_moves_to_the_new_customers_tenant(sandbox: Sandbox) -> None:
    alice, bob = set_up_tenant(), set_up_tenant()
    domain = set_up_domain(sandbox, "shop.com", customer=alice.customer)
    assert apply_associations(alice) == {"shop.com"}
    overrides_services.transfer(domain=domain, to=bob.customer, because="Sold.", actor=make_staff())
    assert Domain.objects.get().tenant == bob
    assert (apply_associations(bob), apply_associations(alice)) == ({"shop.com"}, set())
    assert resources_services.tenants_with_resource(aws.identity_arn("shop.com")) == (bob.name,)


def test_a_domain_transferred_to_a_customer_without_a_tenant_leaves_its_tenant(sandbox: Sandbox) -> None:
    alice = set_up_tenant()
    domain = set_up_domain(sandbox, "shop.com", customer=alice.customer)
    apply_associations(alice)
    overrides_services.transfer(domain=domain, to=make_customer(), because="Sold.", actor=make_staff())
    assert Domain.objects.get().tenant is None
    assert apply_associations(alice) == set()


def test_an_older_domain_joins_the_tenant_at_its_next_change_once_sends_name_it(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    tenant = set_up_tenant(domain.customer, sends_at_once=False)
    settings_services.apply_settings(domain_id=domain.pk)
    assert Domain.objects.get().tenant is None  # the customer's sends do not name the tenant yet
    Tenant.objects.update(sends_since=timezone.now())
    settings_services.apply_settings(domain_id=domain.pk)
    assert Domain.objects.get().tenant == tenant
    assert apply_associations(tenant) == {"shop.com"}
    assert Change.objects.filter(what="domain.joined_tenant", object_id=domain.pk).count() == 1


def test_a_domain_set_up_again_is_associated_again(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    domain = set_up_domain(sandbox, "shop.com", customer=tenant.customer)
    assert apply_associations(tenant) == {"shop.com"}
    tenant_resource = aws.identity_arn("shop.com")
    aws.client("sesv2").delete_tenant_resource_association(TenantName=tenant.name, ResourceArn=tenant_resource)
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    identity_status_services.read_statuses([domain], now=timezone.now())
    settings_services.restart_verification(domain=Domain.objects.get(), actor=make_staff())
    identity_services.set_up(domain_id=domain.pk)
    assert apply_associations(tenant) == {"shop.com"}


def test_the_verification_of_the_identity_is_a_layer_of_the_tenant(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    domain = set_up_domain(sandbox, "shop.com", customer=tenant.customer)
    apply_associations(tenant)
    identity_status_services.read_statuses([domain], now=timezone.now())
    layer = layers_of(tenant)[-1]
    assert (layer.name, layer.allows) == (LayerName.IDENTITY, False)
    set_identity_status("shop.com", ownership="Success", dkim="Success")
    identity_status_services.read_statuses([domain], now=timezone.now())
    assert layers_of(tenant)[-1].allows is True


def test_a_failed_read_of_an_identity_keeps_the_known_verification(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    domain = make_domain("shop.com", customer=tenant.customer, tenant=tenant, stage=Stage.READY)
    resource = resources_services.request_association(tenant=tenant, arn=aws.identity_arn("shop.com"))
    TenantResource.objects.filter(pk=resource.pk).update(verified=True)
    sandbox.control.add_fault("cut_before", times=None)
    identity_status_services.read_statuses([domain], now=timezone.now())
    assert TenantResource.objects.get(pk=resource.pk).verified is True
