"""State of an invitation at a given time, and the hash of its secret."""

import hashlib
from datetime import datetime
from enum import StrEnum


class InvitationState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


def state_at(
    now: datetime, *, expires_at: datetime, accepted_at: datetime | None, revoked_at: datetime | None
) -> InvitationState:
    """Return the state. Accepted and revoked take precedence over expired. It expires at `expires_at`."""
    if accepted_at is not None:
        return InvitationState.ACCEPTED
    if revoked_at is not None:
        return InvitationState.REVOKED
    return InvitationState.OPEN if now < expires_at else InvitationState.EXPIRED


def hash_of(token: str) -> str:
    """SHA-256 in hex. The token has 256 random bits, so neither salt nor stretching would add anything."""
    return hashlib.sha256(token.encode()).hexdigest()
