"""The default configuration set of an identity stays in SES when its domain is transferred, and staff are told."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from accounts.roles import Role
from domains.models.domains import Domain
from domains.overrides import services as overrides_services
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.resources import services as resources_services
from tests.factories import make_customer, make_staff
from tests.tenants.factories import set_up_tenant

pytestmark = pytest.mark.django_db


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def use_as_default(domain: Domain, name: str) -> None:
    aws.client("sesv2").put_email_identity_configuration_set_attributes(
        EmailIdentity=domain.name, ConfigurationSetName=name
    )


def test_staff_are_told_before_and_after_a_transfer(sandbox: Sandbox, tenant: Tenant, olga: User) -> None:
    domain = Domain.objects.filter(customer=tenant.customer).order_by("name")[0]
    use_as_default(domain, tenant.configuration_set)
    resources_services.forget_default_sets(tenant=tenant)
    resources_services.apply_associations(tenant_id=tenant.pk)
    sam, his = make_staff(Role.SUPPORT), set_up_tenant(make_customer("Bob"))
    sentence = f"SES uses the configuration set {tenant.configuration_set} for mail from {domain}"
    assert sentence in client_of(sam).get(reverse("domains:support", args=[domain.pk])).text
    assert "sets-of-others" not in client_of(olga).get(reverse("tenants:detail", args=[tenant.pk])).text
    overrides_services.transfer(domain=domain, to=his.customer, because="Sold.", actor=sam)
    resources_services.apply_associations(tenant_id=his.pk)
    page = client_of(olga).get(reverse("tenants:detail", args=[his.pk])).text
    told = f"{tenant.configuration_set}, the configuration set of {tenant.name}, for mail from {domain}"
    assert told in page
    domain.refresh_from_db()
    assert "configuration set" not in overrides_services.handover_sentence(domain)
    use_as_default(domain, his.configuration_set)
    resources_services.forget_default_sets(tenant=his)
    resources_services.apply_associations(tenant_id=his.pk)
    assert "sets-of-others" not in client_of(olga).get(reverse("tenants:detail", args=[his.pk])).text
