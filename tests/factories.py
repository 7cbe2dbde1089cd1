"""Rows for tests. Everything has a default, so a test names only what matters to it."""

from itertools import count
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group

from accounts.models.people import Customer, MemberRole, Membership, User
from accounts.roles import Role, apply_roles

_numbers = count(1)


def make_user(email: str = "", **fields: Any) -> User:
    email = email or f"person{next(_numbers)}@people.example"
    return User.objects.create_user(email, fields.pop("password", "correct horse battery"), **fields)


def make_customer(name: str = "", **fields: Any) -> Customer:
    return Customer.objects.create(name=name or f"Customer {next(_numbers)}", **fields)


def make_member(customer: Customer | None = None, *, role: str = MemberRole.OWNER, **fields: Any) -> User:
    user = make_user(**fields)
    Membership.objects.create(customer=customer or make_customer(), user=user, role=role)
    return user


def make_roles() -> None:
    """Create the roles, as `migrate` does."""
    for app in apps.get_app_configs():
        apply_roles(app, using="default")


def make_staff(role: Role = Role.SUPPORT, **fields: Any) -> User:
    """Create a staff user, and the roles if a test that commits has deleted them with all rows."""
    if not Group.objects.filter(name=role).exists():
        make_roles()
    user = make_user(**{"is_staff": True, **fields})
    user.groups.add(Group.objects.get(name=role))
    return user
