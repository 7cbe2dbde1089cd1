"""Rows of people and customers, of their keys, and of their SES tenants."""

from tenants.models.api_keys import ApiKey, new_key_id
from tenants.models.granting import grant
from tenants.models.people import (
    Customer,
    Invitation,
    MemberRole,
    Membership,
    Theme,
    User,
    UserManager,
    new_customer_id,
)
from tenants.models.reputation import Finding, RateSample, ReputationRead, SesEvent
from tenants.models.tenants import (
    PauseReason,
    ResourceKind,
    SesAccount,
    StatusChange,
    Tenant,
    TenantResource,
    TenantStage,
    new_tenant_id,
)

__all__ = [
    "ApiKey",
    "Customer",
    "Finding",
    "Invitation",
    "MemberRole",
    "Membership",
    "PauseReason",
    "RateSample",
    "ReputationRead",
    "ResourceKind",
    "SesAccount",
    "SesEvent",
    "StatusChange",
    "Tenant",
    "TenantResource",
    "TenantStage",
    "Theme",
    "User",
    "UserManager",
    "grant",
    "new_customer_id",
    "new_key_id",
    "new_tenant_id",
]
