"""Words for a tenant's reputation policy and suppression scope. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tenants.status.core import Policy


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
    Suppression.ACCOUNT: "We don't send to addresses that bounced or complained, for you or for another customer.",
    Suppression.TENANT: "We don't send to addresses that bounced or complained when you sent to them.",
}
