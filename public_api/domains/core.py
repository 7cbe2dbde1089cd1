"""Map our states to the coarser statuses of the published API."""

from typing import Literal

from domains.checking.core.judgement import SesStatus

Published = Literal["verified", "pending", "failed"]

# SES's v1 words, which the contract has; "" (not read, or no answer) is none of them.
SES_WORDS = {
    SesStatus.PENDING: "Pending",
    SesStatus.SUCCESS: "Success",
    SesStatus.FAILED: "Failed",
    SesStatus.TEMPORARY_FAILURE: "TemporaryFailure",
    SesStatus.NOT_STARTED: "NotStarted",
}


def ses_word(status: str) -> str | None:
    """Return the SES status, or None if unknown."""
    return SES_WORDS.get(SesStatus(status))


def mail_from_word(name: str, status: str) -> Published | None:
    """Return the MAIL FROM status, or None without a MAIL FROM domain."""
    if not name:
        return None
    return {SesStatus.SUCCESS: "verified", SesStatus.FAILED: "failed"}.get(SesStatus(status), "pending")  # type: ignore[return-value]  # all three are words of it
