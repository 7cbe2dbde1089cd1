"""What would come of resuming a tenant, said before anybody asks for it."""

from dataclasses import dataclass

from tenants.models.tenants import Tenant
from tenants.status.core import BY_AMAZON, SendingStatus, status_to_resume


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
    wanted = status_to_resume(policy=tenant.policy, impact=tenant.impact, cause=tenant.staff_cause)
    if wanted == SendingStatus.REINSTATED:
        return ResumeOutcome(
            "It sends again as “reinstated”: although findings are open on which its policy would pause it at once. "
            "When they are resolved Amazon makes it plainly enabled by itself.",
            possible=True,
        )
    return ResumeOutcome("It sends again. The page says “active” once Amazon has confirmed it.", possible=True)
