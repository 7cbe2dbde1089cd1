"""What would come of resuming a tenant, said before anybody asks for it."""

from dataclasses import dataclass

from tenants.core.standing import BY_AMAZON, Status, status_to_resume
from tenants.models import Tenant


@dataclass(frozen=True)
class Outcome:
    """`possible` False: the service would refuse, for the reason in `sentence`."""

    sentence: str
    possible: bool


def outcome_of_resuming(tenant: Tenant) -> Outcome:
    """From the rows; Amazon may know better by the time it is asked."""
    if tenant.amazon_status == Status.DISABLED:
        return Outcome(
            f"Amazon has suspended it, and no resume of ours lifts that. Who can: {BY_AMAZON}", possible=False
        )
    if not tenant.is_paused and tenant.staff_status != Status.DISABLED:
        return Outcome("It is not paused: there is nothing to resume.", possible=False)
    wanted = status_to_resume(policy=tenant.policy, impact=tenant.impact, cause=tenant.staff_cause)
    if wanted == Status.REINSTATED:
        return Outcome(
            "It sends again as “reinstated”: although findings are open on which its policy would pause it at once. "
            "When they are resolved Amazon makes it plainly enabled by itself.",
            possible=True,
        )
    return Outcome("It sends again. The page says “active” once Amazon has confirmed it.", possible=True)
