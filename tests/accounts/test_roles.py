import re

import pytest

from accounts.people.selectors import supports_everyone
from accounts.roles import PERMISSIONS, Role
from benchmarks.house import PRODUCT, ROOT, modules
from tests.factories import make_staff, make_user

pytestmark = pytest.mark.django_db

MANAGES_CUSTOMERS = ("accounts.add_customer", "accounts.change_customer", "accounts.change_membership")
MANAGES_PEOPLE = ("accounts.add_user", "accounts.change_user", "accounts.delete_customer")
TABLE = {
    Role.SUPPORT: (True, False),
    Role.OPERATOR: (False, False),
    Role.TRUST_AND_SAFETY: (False, False),
    Role.ADMIN: (True, True),
}


def test_the_table_has_every_role() -> None:
    assert set(TABLE) == set(Role)


IN_CODE = re.compile(r'(?:has_perms?|require|may_for|Staff)\((?:[\w.]+, )?\(?"(\w+\.\w+)"|needs="(\w+\.\w+)"')
IN_A_TEMPLATE = re.compile(r"\bperms\.(\w+\.\w+)")


def test_each_permission_that_the_code_requires_is_in_the_table() -> None:
    """A misspelt name would be a permission that nobody has."""
    required = {name for each in modules(*PRODUCT) for found in IN_CODE.findall(each.text) for name in found if name}
    shown = {name for page in (ROOT / "templates").rglob("*.html") for name in IN_A_TEMPLATE.findall(page.read_text())}
    assert {"tenants.pause_tenant", "accounts.support_customer"} <= required
    assert len(shown) > 5
    assert (required | shown) - PERMISSIONS.keys() == set()


@pytest.mark.parametrize("role", Role)
def test_every_role_sees_every_customer_and_the_change_log(role: Role) -> None:
    staff = make_staff(role)
    assert supports_everyone(staff)
    assert staff.has_perms(("accounts.view_customer", "accounts.view_user", "audit.view_change"))


@pytest.mark.parametrize("role", Role)
def test_a_role_has_the_permissions_of_the_table(role: Role) -> None:
    staff = make_staff(role)
    customers, people = TABLE[role]
    assert [staff.has_perm(name) for name in MANAGES_CUSTOMERS] == [customers] * 3
    assert [staff.has_perm(name) for name in MANAGES_PEOPLE] == [people] * 3


@pytest.mark.parametrize("role", Role)
def test_no_role_can_write_the_change_log_or_delete_a_user(role: Role) -> None:
    staff = make_staff(role)
    refused = ("audit.add_change", "audit.change_change", "audit.delete_change", "accounts.delete_user")
    assert not any(staff.has_perm(name) for name in refused)


def test_permissions_created_by_the_migration_have_djangos_names() -> None:
    named = {p.codename: p.name for group in make_staff(Role.ADMIN).groups.all() for p in group.permissions.all()}
    assert named["change_customer"] == "Can change customer"
    assert named["support_customer"] == "Can see and support the domains of every customer"


def test_disabled_staff_cannot_support_customers() -> None:
    assert not supports_everyone(make_staff(is_active=False))
    assert not supports_everyone(make_user(is_superuser=True, is_active=False))


def test_a_superuser_has_every_permission() -> None:
    assert supports_everyone(make_user(is_superuser=True))
