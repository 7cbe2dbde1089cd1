"""Rows for tests: everything has a default, so that a test states only what matters to it."""

from itertools import count
from typing import Any

from tenants.models import Customer, MemberRole, Membership, User

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
