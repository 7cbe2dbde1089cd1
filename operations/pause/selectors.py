"""What would come of resuming a tenant, said before anybody asks for it."""

from dataclasses import dataclass

from tenants.models.tenants import Tenant
from tenants.status.core import BY_AMAZON, SendingStatus


@dataclass(frozen=True)
class ResumeOutcome:
    """`possible` False: the service would refuse, for the reason in `sentence`."""

    sentence: str
    possible: bool


def outcome_of_resuming(tenant: Tenant) -> ResumeOutcome:
    """From the rows; Amazon may know better by the time it is asked."""
    if tenant.amazon_status == SendingStatus.DISABLED:
        return ResumeOutcome(
            f"Amazon has suspended it, and no resume of ours lifts that. Who can: {BY_AMAZON}", possible=False
        )
    if not tenant.is_paused and tenant.staff_status != SendingStatus.DISABLED:
        return ResumeOutcome("It is not paused: there is nothing to resume.", possible=False)
    if tenant.resumes_as == SendingStatus.REINSTATED:
        why = "findings are open" if tenant.pause_is_ours else "it was paused by its policy, or by hand at Amazon"
        return ResumeOutcome(
            f"It sends again as “reinstated”: {why}, and its policy could pause it again at once. "
            "When it is healthy Amazon makes it plainly enabled by itself.",
            possible=True,
        )
    return ResumeOutcome("It sends again. The page says “active” once Amazon has confirmed it.", possible=True)
