"""What was begun and has no job any more is queued again: a job can be lost, what is wanted stands in the rows."""

from collections.abc import Callable

from tenants.models import Tenant, TenantStage
from tenants.selectors import unfinished
from tenants.services.queue import associate_soon, create_soon, policy_soon, remove_soon, status_soon

Queue = Callable[..., None]


def carry_on() -> int:
    """Queue the jobs that each tenant on its way lacks; returns how many are on their way."""
    tenants = list(unfinished())
    for tenant in tenants:
        for queue in _missing(tenant):
            queue(tenant, unless_running=True)
    return len(tenants)


def _missing(tenant: Tenant) -> tuple[Queue, ...]:
    if tenant.stage == TenantStage.CREATING:
        return (create_soon,)
    if tenant.stage == TenantStage.DELETING:
        return (remove_soon,)
    status = (status_soon,) if tenant.is_under_way else ()
    policy = (policy_soon,) if tenant.policy != tenant.policy_told else ()
    return (*status, *policy, associate_soon)
