"""Queues unfinished work that has lost its job: ONE table of what is unfinished and the job that finishes it.

Desired state is stored in rows, so a lost job loses nothing. Kinds of `PER_ROW` have a job for each row, those of
`TOGETHER` one job for all.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from domains import jobs as domains_jobs
from domains.domain_list.selectors import domains_unfinished
from domains.models.domains import Domain, Stage
from inbound_admin.lib import isolation
from notifications import jobs as notifications_jobs
from notifications.deliveries.services import overdue
from notifications.email import services as email_services
from operations import jobs as operations_jobs
from operations.batches import services as batches_services
from operations.batches.core import ORDINARY_KINDS, URGENT_KINDS
from operations.domain_removal import services as domain_removal_services
from operations.legacy_import import services as legacy_import_services
from operations.tenant_migration.selectors import unfinished as unfinished_migrations
from receipt_rules import jobs as receipt_rules_jobs
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.forwarding import services as forwarding_services
from tenants import jobs as tenants_jobs
from tenants.lifecycle.selectors import unfinished as unfinished_tenants
from tenants.models.tenants import Tenant, TenantStage

Rows = Callable[[datetime], Iterable[Any]]
Queue = Callable[..., None]


def _domains(stage: Stage) -> Callable[[datetime], QuerySet[Domain]]:
    """Match domains in the stage. One that is being deleted first waits for its receipt rules, by the removal's job."""
    waits_for_rules = Q(stage=Stage.DELETING, routes_removed_at=None)
    return lambda now: domains_unfinished().filter(stage=stage).exclude(waits_for_rules)


def _tenants(stage: TenantStage, condition: Q | None = None) -> Callable[[datetime], QuerySet[Tenant]]:
    return lambda now: unfinished_tenants().filter(condition or Q(), stage=stage)


_STATUS = Q(status_asked_at__isnull=False, status_proven_at__isnull=True)
_POLICY = ~Q(policy=F("policy_told"), suppression=F("suppression_told"))

PER_ROW: tuple[tuple[Rows, Queue], ...] = (
    (_domains(Stage.CLAIM), domains_jobs.queue_identity_deletion),
    (_domains(Stage.STARTING), domains_jobs.queue_set_up),
    (_domains(Stage.READY), domains_jobs.queue_configuration),
    (_domains(Stage.DELETING), domains_jobs.queue_deletion),
    (_tenants(TenantStage.CREATING), tenants_jobs.queue_creation),
    (_tenants(TenantStage.DELETING), tenants_jobs.queue_removal),
    (_tenants(TenantStage.READY, _STATUS), tenants_jobs.queue_status),
    (_tenants(TenantStage.READY, _POLICY), tenants_jobs.queue_policy),
    (_tenants(TenantStage.READY), tenants_jobs.queue_associations),
    (lambda now: overdue(now=now), notifications_jobs.queue_delivery),
)

TOGETHER: tuple[tuple[Callable[[datetime], bool], Queue], ...] = (
    (lambda now: email_services.is_due(now=now), notifications_jobs.queue_emails),
    (lambda now: auto_apply_services.has_pending_work(), receipt_rules_jobs.queue_work),
    (lambda now: forwarding_services.is_due(now=now), receipt_rules_jobs.queue_confirmation_emails),
    (lambda now: unfinished_migrations().exists(), operations_jobs.queue_migrations),
    (lambda now: domain_removal_services.waiting().exists(), operations_jobs.queue_removals),
    (lambda now: batches_services.unfinished(ORDINARY_KINDS).exists(), operations_jobs.queue_batches),
    (lambda now: batches_services.unfinished(URGENT_KINDS).exists(), operations_jobs.queue_urgent_batches),
    (lambda now: legacy_import_services.is_unfinished(), operations_jobs.queue_legacy_import),
)


def queue_unfinished(*, now: datetime | None = None) -> None:
    """Queue each kind once, unless it has a queued or running job."""
    now = now or timezone.now()
    domain_removal_services.create_missing()
    isolation.each_alone("unfinished rows", PER_ROW, lambda kind: _queue_rows(*kind, now))
    isolation.each_alone("unfinished work", TOGETHER, lambda kind: _queue_together(*kind, now))


def _queue_rows(rows: Rows, queue: Queue, now: datetime) -> None:
    for row in rows(now):
        queue(row, unless_running=True)


def _queue_together(is_unfinished: Callable[[datetime], bool], queue: Queue, now: datetime) -> None:
    if is_unfinished(now):
        queue(unless_running=True)
