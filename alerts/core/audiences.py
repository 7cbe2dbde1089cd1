"""Whom an alert is for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Staff:
    """Those of our staff who hold the permission, such as `receipt_rules.operate_rules`."""

    permission: str


@dataclass(frozen=True)
class CustomerPeople:
    """The owners of a customer are told; all its members see it."""

    customer_id: str


@dataclass(frozen=True)
class Person:
    """One person alone, by the id of their account."""

    user_id: int


Audience = Staff | CustomerPeople | Person
