"""A tenant's reputation policy and whose suppression list holds for it, in words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tenants.status.core import Policy


@dataclass(frozen=True)
class PolicyWords:
    title: str
    meaning: str


# The thresholds are Amazon's (developer guide, reputation policies; ses.md E); they hold over a representative volume.
POLICIES: Mapping[str, PolicyWords] = {
    Policy.STANDARD: PolicyWords(
        "Standard",
        "Amazon pauses the tenant by itself on a finding of high impact: above 15% bounces or 1% complaints.",
    ),
    Policy.STRICT: PolicyWords(
        "Strict",
        "Amazon pauses the tenant by itself on any finding: already above 10% bounces or 0.5% complaints.",
    ),
    Policy.NONE: PolicyWords(
        "None", "Findings pause nothing by themselves. In severe cases Amazon may suspend the tenant all the same."
    ),
}


class Suppression(StrEnum):
    """Whose list of addresses that bounced or complained SES does not send to."""

    ACCOUNT = "account"
    TENANT = "tenant"


SUPPRESSIONS: Mapping[str, PolicyWords] = {
    Suppression.ACCOUNT: PolicyWords(
        "Account list",
        "An address that bounced or complained for any customer is suppressed for this one too.",
    ),
    Suppression.TENANT: PolicyWords(
        "Own list", "Only addresses that bounced or complained for this customer are suppressed for them."
    ),
}
SUPPRESSED_FOR_CUSTOMER: Mapping[str, str] = {
    Suppression.ACCOUNT: "We don't send to addresses that bounced or complained, for you or for another customer.",
    Suppression.TENANT: "We don't send to addresses that bounced or complained when you sent to them.",
}
