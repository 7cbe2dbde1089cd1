"""Work for the worker on tenants. Tasks are named by string, since they stand above the services."""

from inbound_admin.lib import jobs
from tenants.models.tenants import Tenant

CREATE = "tenants.create"
ASSOCIATE = "tenants.associate"
STATUS = "tenants.status"
POLICY = "tenants.policy"
REMOVE = "tenants.remove"
READ = "tenants.read"
READ_ALL = "tenants.read_all"
TELL = "tenants.tell"
FIND_OUT = "tenants.find_out"
MEASURE = "tenants.measure"


def create_soon(tenant: Tenant, *, unless_running: bool = False) -> None:
    _queue(CREATE, tenant, unless_running=unless_running)


def associate_soon(tenant: Tenant, *, unless_running: bool = False) -> None:
    _queue(ASSOCIATE, tenant, unless_running=unless_running)


def status_soon(tenant: Tenant, *, in_seconds: int = 0, unless_running: bool = False) -> None:
    _queue(STATUS, tenant, urgent=True, in_seconds=in_seconds, unless_running=unless_running)


def policy_soon(tenant: Tenant, *, unless_running: bool = False) -> None:
    _queue(POLICY, tenant, urgent=True, unless_running=unless_running)


def queue_removals(tenant: Tenant, *, unless_running: bool = False) -> None:
    _queue(REMOVE, tenant, unless_running=unless_running)


def read_soon(tenant: Tenant) -> None:
    """Amazon is to be asked: an event said that something happened, which is never believed by itself."""
    _queue(READ, tenant)


def find_out_soon(tenant: Tenant) -> None:
    """Amazon is to be asked what it has found about the tenant."""
    _queue(FIND_OUT, tenant)


def measure_soon(tenant: Tenant) -> None:
    """CloudWatch is to be asked for the tenant's rates."""
    _queue(MEASURE, tenant)


def tell_soon(tenant: Tenant, what: str) -> None:
    """A mail to the customer's owners, queued in the transaction that stores what they are told of."""
    jobs.queue(TELL, lock=f"tenant {tenant.pk} tells {what}", tenant_id=tenant.pk, what=what)


def lock_of(tenant_id: str) -> str:
    """One job of a tenant runs at a time, but for its status and policy."""
    return f"tenant {tenant_id}"


def _queue(
    task: str, tenant: Tenant, *, urgent: bool = False, in_seconds: int = 0, unless_running: bool = False
) -> None:
    """`urgent` ones have a lock of their own: a pause never waits until two hundred identities are associated."""
    lock = f"{lock_of(tenant.pk)}, status" if urgent else lock_of(tenant.pk)
    jobs.queue(task, lock=lock, in_seconds=in_seconds, unless_running=unless_running, tenant_id=tenant.pk)
