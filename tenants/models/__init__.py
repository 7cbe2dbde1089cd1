"""Models of SES tenants and their measurements."""

from tenants.models.reputation import Finding, RateSample, ReputationRead, SesEvent
from tenants.models.tenants import (
    POLICIES,
    STANDINGS,
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
    "POLICIES",
    "STANDINGS",
    "Finding",
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
    "new_tenant_id",
]
