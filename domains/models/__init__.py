"""Models of domains, of their DNS answers over time, and of share links."""

from domains.models.diagnosis import DiagnosisRequest
from domains.models.domains import (
    SES_STATUSES,
    STATES,
    Domain,
    OnMxFailure,
    Stage,
    new_domain_id,
)
from domains.models.history import ObservedAnswer
from domains.models.record_checks import RecordCheck
from domains.models.sharing import ShareLink, ShareVisit, new_share_id
from domains.models.verified_notices import VerifiedNotice

__all__ = [
    "SES_STATUSES",
    "STATES",
    "DiagnosisRequest",
    "Domain",
    "ObservedAnswer",
    "OnMxFailure",
    "RecordCheck",
    "ShareLink",
    "ShareVisit",
    "Stage",
    "VerifiedNotice",
    "new_domain_id",
    "new_share_id",
]
