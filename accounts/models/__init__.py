"""Models of people, customers, memberships, invitations and API keys."""

from accounts.models.api_keys import ApiKey, new_key_id
from accounts.models.people import (
    Customer,
    Density,
    Invitation,
    MemberRole,
    Membership,
    Theme,
    User,
    UserManager,
    new_customer_id,
)

__all__ = [
    "ApiKey",
    "Customer",
    "Density",
    "Invitation",
    "MemberRole",
    "Membership",
    "Theme",
    "User",
    "UserManager",
    "new_customer_id",
    "new_key_id",
]
