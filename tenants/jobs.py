"""Queues jobs on tenants. Tasks are named by string, since their modules import the services."""

from datetime import datetime
from functools import partial

from inbound_admin.lib import jobs
from tenants.models.tenants import Tenant

CREATE = "tenants.create"
ASSOCIATE = "tenants.associate"
STATUS = "tenants.status"
POLICY = "tenants.policy"
REMOVE = "tenants.remove"
READ = "tenants.read"
READ_ALL = "tenants.read_all"
NOTIFY_OWNERS = "tenants.tell"
SYNC_RECOMMENDATIONS = "tenants.find_out"
SYNC_METRICS = "tenants.measure"


def lock_of(tenant_id: str) -> str:
    """Only one job of a tenant runs at a time, except for status and policy jobs."""
    return f"tenant {tenant_id}"


def _lock_of_status(tenant: Tenant) -> str:
    return f"{lock_of(tenant.pk)}, status"


def _queue(
    task: str, tenant: Tenant, *, urgent: bool = False, in_seconds: int = 0, unless_running: bool = False
) -> None:
    """`urgent` jobs have a lock of their own, so a pause never waits until 200 identities are associated."""
    lock = _lock_of_status(tenant) if urgent else lock_of(tenant.pk)
    jobs.queue(task, lock=lock, in_seconds=in_seconds, unless_running=unless_running, tenant_id=tenant.pk)


queue_creation = partial(_queue, CREATE)
queue_associations = partial(_queue, ASSOCIATE)
queue_status = partial(_queue, STATUS, urgent=True)
queue_policy = partial(_queue, POLICY, urgent=True)
queue_removal = partial(_queue, REMOVE)
queue_read = partial(_queue, READ)  # an event reported a change, and an event alone is never trusted
queue_recommendations_sync = partial(_queue, SYNC_RECOMMENDATIONS)  # from SES
queue_metrics_sync = partial(_queue, SYNC_METRICS)  # from CloudWatch


def queue_owner_email(tenant: Tenant, what: str) -> None:
    """Send an email to the customer's owners. Queue it in the transaction that stores what the email reports."""
    jobs.queue(NOTIFY_OWNERS, lock=f"tenant {tenant.pk} tells {what}", tenant_id=tenant.pk, what=what)


def next_status_attempt(tenant: Tenant) -> datetime | None:
    """Return when the worker tells SES the requested status next; None if it is about to, or does now."""
    return jobs.next_attempt(_lock_of_status(tenant))
