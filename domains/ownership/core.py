"""Decides when a domain's ownership must be proven before setup, and which TXT record proves it. Pure.

SES identities belong to the account, their tokens are stable, and records outlive a customer. So "verified in SES" does
not show who is asking. The proof is a TXT record with a value that is unique to this claim.
"""

from collections.abc import Sequence
from enum import StrEnum

from domains.dns.core import Answer, LookupStatus
from domains.names.core import DomainName
from domains.records.core import CLAIM_KEY, Need, Purpose, Record

LABEL = "_inbound-admin-challenge"
PREFIX = "inbound-admin-claim="
KEY = CLAIM_KEY
# Why a claim isn't settled. Stored with the claim, and compared.
TOO_LATE = "Another account has proven ownership of this domain. If that's wrong, contact support."
BEING_REMOVED = "An earlier entry for this domain is being removed. Yours will be set up as soon as that's finished."

FOUND_UNCHECKED = (
    "The TXT record was found. We couldn't check whether a wildcard record (*) answers for it; we'll try again shortly."
)
PROOF_UNCHECKED = (
    "Your records are correct. We couldn't check whether a wildcard record (*) answers for them; we'll try again."
)


class ClaimReason(StrEnum):
    RELATED = "related"
    RECORDS_ANSWER = "records_answer"
    IDENTITY_EXISTS = "identity_exists"
    RIVAL = "rival"
    MOVED_IN = "moved_in"
    GONE = "gone"
    WILDCARD = "wildcard"


_MAY_BE_IN_USE = "This domain, a subdomain or its parent domain may have been set up before."
WHY = {  # one sentence for all reasons that would reveal other customers' domains
    ClaimReason.RELATED: _MAY_BE_IN_USE,
    ClaimReason.IDENTITY_EXISTS: _MAY_BE_IN_USE,
    ClaimReason.RIVAL: _MAY_BE_IN_USE,
    ClaimReason.RECORDS_ANSWER: "Records of an earlier setup are still published for this domain.",
    ClaimReason.GONE: "Amazon SES no longer has this domain, so it has to be set up again.",
    ClaimReason.WILDCARD: "A wildcard record (*), an alias or a delegated zone answered Amazon SES, which doesn't "
    "show who owns the domain.",
    ClaimReason.MOVED_IN: "This domain was imported from a previous system, but Amazon SES doesn't have it.",
}

OUR_REASONS = (
    ClaimReason.MOVED_IN,
    ClaimReason.GONE,
)  # claims created by staff, which do not expire or count
PUBLIC_REASONS = {reason: "in_use" if why == _MAY_BE_IN_USE else reason.value for reason, why in WHY.items()}


def challenge(domain: DomainName, token: str) -> Record:
    return Record(KEY, Purpose.OWNERSHIP, Need.REQUIRED, "TXT", f"{LABEL}.{domain.ascii}", f"{PREFIX}{token}")


def is_proven(domain: DomainName, token: str, answers: Sequence[Answer]) -> bool:
    """Return True if at least one resolver answers, and all that answer have the value."""
    wanted = challenge(domain, token).value
    answered = [answer for answer in answers if answer.status is not LookupStatus.FAILED]
    return bool(token) and bool(answered) and all(wanted in answer.values for answer in answered)
