"""Rows of domains, of what was seen of them over time, and of the links for those who look after their DNS."""

from domains.models.diagnosis import DiagnosisRequest
from domains.models.domains import (
    HEADLINES,
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
    "HEADLINES",
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
