"""A migrated customer, whose sends name their tenant, and Olga, who decides."""

import pytest

from accounts.models.people import Customer, User
from accounts.roles import Role
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.factories import make_staff
from tests.operations.factories import make_sender, migrate


@pytest.fixture
def owner(sandbox: Sandbox) -> Customer:
    customer = make_sender("Northwind", domains=2)
    migrate(customer)
    return customer


@pytest.fixture
def tenant(owner: Customer) -> Tenant:
    return Tenant.objects.get(customer=owner)


@pytest.fixture
def olga() -> User:
    return make_staff(Role.ADMIN)
