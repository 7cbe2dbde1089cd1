"""Queues jobs for domains. Tasks are named by string, because they import the services."""

from functools import partial

from domains.models.domains import Domain
from inbound_admin.lib import jobs

SET_UP = "domains.set_up"
DELETE = "domains.delete"
DELETE_IDENTITY = "domains.unmake"
CONFIGURE = "domains.configure"
CHECK_DUE = "domains.check_due"
DIAGNOSE = "domains.diagnose"
DISCOVER = "domains.discover"
FETCH_POLICIES = "domains.fetch_policies"


def _queue(task: str, domain: Domain, *, in_seconds: int = 0, unless_running: bool = False) -> None:
    lock = f"domain {domain.pk}"
    jobs.queue(task, lock=lock, in_seconds=in_seconds, unless_running=unless_running, domain_id=domain.pk)


queue_set_up, queue_configuration = partial(_queue, SET_UP), partial(_queue, CONFIGURE)
queue_deletion, queue_identity_deletion = partial(_queue, DELETE), partial(_queue, DELETE_IDENTITY)


def queue_checks() -> None:
    jobs.queue(CHECK_DUE, lock="all domains")


def queue_policy_fetch() -> None:
    jobs.queue(FETCH_POLICIES, lock="policies of MTA-STS")


def queue_diagnosis(customer_id: str, *, in_seconds: int = 0) -> None:
    """Queue a diagnosis. Only one per customer runs at a time."""
    jobs.queue(DIAGNOSE, lock=f"diagnoses of {customer_id}", in_seconds=in_seconds, customer_id=customer_id)


def queue_discovery(domain: Domain) -> None:
    """Queue with its own lock, so that another company's slow server does not delay the domain's other jobs."""
    jobs.queue(DISCOVER, lock=f"domain connect {domain.pk}", domain_id=domain.pk)
