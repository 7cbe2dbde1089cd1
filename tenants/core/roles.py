"""The roles of our own staff: a Django group each, made by migrations, and what a person can do by them."""

from enum import StrEnum


class Role(StrEnum):
    SUPPORT = "Support"
    OPERATOR = "Operator"
    TRUST_AND_SAFETY = "Trust & Safety"
    ADMIN = "Admin"
