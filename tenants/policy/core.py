"""A tenant's reputation policy and suppression scope: words, and when a policy pauses. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tenants.status.core import Policy, SendingStatus


@dataclass(frozen=True)
class PolicyWords:
    title: str
    meaning: str


# The thresholds are SES's (developer guide, reputation policies; ses.md E). They hold over a representative volume.
POLICIES: Mapping[str, PolicyWords] = {
    Policy.STANDARD: PolicyWords(
        "Standard",
        "SES pauses the tenant on high-impact findings (bounce rate over 15% or complaint rate over 1%).",
    ),
    Policy.STRICT: PolicyWords(
        "Strict",
        "SES pauses the tenant on any finding (bounce rate over 10% or complaint rate over 0.5%).",
    ),
    Policy.NONE: PolicyWords(
        "None", "SES never pauses on findings alone, but may still suspend the tenant in severe cases."
    ),
}


class Suppression(StrEnum):
    """The suppression list that applies: addresses that bounced or complained, which SES doesn't send to."""

    ACCOUNT = "account"
    TENANT = "tenant"


SUPPRESSIONS: Mapping[str, PolicyWords] = {
    Suppression.ACCOUNT: PolicyWords(
        "Account list",
        "Addresses that bounced or complained for any customer are suppressed.",
    ),
    Suppression.TENANT: PolicyWords(
        "Own list", "Only addresses that bounced or complained for this customer are suppressed."
    ),
}
SUPPRESSED_FOR_CUSTOMER: Mapping[str, str] = {
    Suppression.ACCOUNT: "Amazon SES doesn't send to addresses that bounced or complained for you or another customer.",
    Suppression.TENANT: "Amazon SES doesn't send to addresses that bounced or complained when you sent to them.",
}

# ses.md E: the impacts of open findings on which each policy pauses.
PAUSES_ON: Mapping[str, tuple[str, ...]] = {
    Policy.STANDARD: ("HIGH",),
    Policy.STRICT: ("HIGH", "LOW"),
    Policy.NONE: (),
}


def status_to_resume(*, policy: str, impacts: Iterable[str], is_ours: bool) -> SendingStatus:
    """Return REINSTATED if the policy would pause the tenant again, or has paused it (`is_ours` False); else ENABLED.

    `impacts`: SES's, and those of open findings. A Cause proves nothing: SES's samples have one for any pause.
    """
    pauses_on = PAUSES_ON.get(policy, ())
    if set(impacts) & set(pauses_on) or (pauses_on and not is_ours):
        return SendingStatus.REINSTATED
    return SendingStatus.ENABLED


def open_findings(high: int, low: int) -> str:
    """Return what a change of policy may do at once; "" without open findings."""
    if not high and not low:
        return ""
    found = [f"{number} of {impact}" for number, impact in ((high, "high"), (low, "low")) if number]
    return f"Open findings: {' and '.join(found)} impact. A policy that pauses on them pauses the tenant immediately."
