"""Whose suppression list holds for a tenant, and the words for it. Pure."""

from collections.abc import Mapping
from enum import StrEnum

from tenants.status.core import PolicyWords


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
