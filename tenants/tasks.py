"""Tasks of the worker on tenants."""

from smtplib import SMTPException

from django.utils import timezone

from inbound_admin.lib import jobs
from tenants.deletion import services as deletion_services
from tenants.jobs import (
    ASSOCIATE,
    CREATE,
    NOTIFY_OWNERS,
    POLICY,
    READ,
    READ_ALL,
    REMOVE,
    STATUS,
    SYNC_METRICS,
    SYNC_RECOMMENDATIONS,
)
from tenants.lifecycle import services as lifecycle_services
from tenants.metrics import services as metrics_services
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.reputation import services as reputation_services
from tenants.resources import services as resources_services
from tenants.status import services as status_services
from tenants.status_pass import services as status_pass_services


@jobs.task(CREATE, retry=jobs.RetryUntilAwsAnswers())
def create(tenant_id: str) -> None:
    lifecycle_services.create_in_ses(tenant_id=tenant_id)


@jobs.task(ASSOCIATE, retry=jobs.RetryUntilAwsAnswers())
def associate(tenant_id: str) -> None:
    resources_services.apply_associations(tenant_id=tenant_id, yields=True)


@jobs.task(STATUS, retry=jobs.RetryUntilAwsAnswers())
def status(tenant_id: str) -> None:
    pause_services.apply_status(tenant_id=tenant_id)


@jobs.task(POLICY, retry=jobs.RetryUntilAwsAnswers())
def policy(tenant_id: str) -> None:
    policy_services.apply_policy(tenant_id=tenant_id)


@jobs.task(REMOVE, retry=jobs.RetryUntilAwsAnswers())
def remove(tenant_id: str) -> None:
    deletion_services.delete_in_ses(tenant_id=tenant_id)


@jobs.task(READ, retry=jobs.RetryUntilAwsAnswers())
def read(tenant_id: str) -> None:
    status_pass_services.read_account_if_old()
    status_services.read_tenant(tenant_id=tenant_id)


@jobs.task(SYNC_RECOMMENDATIONS, retry=jobs.RetryUntilAwsAnswers())
def sync_recommendations(tenant_id: str) -> None:
    reputation_services.sync_recommendations(tenant_id=tenant_id, now=timezone.now())


@jobs.task(SYNC_METRICS, retry=jobs.RetryUntilAwsAnswers())
def sync_metrics(tenant_id: str) -> None:
    metrics_services.sync_metrics(tenant_id=tenant_id, now=timezone.now())


@jobs.periodic("tenants.find_out_all", cron="11 * * * *")
def sync_all_recommendations(timestamp: int) -> None:
    """Every hour, sync open recommendations of all tenants, one call for each hundred."""
    reputation_services.sync_all_recommendations(now=timezone.now())


@jobs.periodic("tenants.measure_due", cron="*/5 * * * *")
def sync_due_metrics(timestamp: int) -> None:
    """Read rates that are due by the setting RATES_EVERY_MINUTES."""
    metrics_services.sync_due_metrics(now=timezone.now())


@jobs.periodic("tenants.forget_old_rates", cron="53 3 * * *")
def delete_old_rates(timestamp: int) -> None:
    metrics_services.delete_old(now=timezone.now())


@jobs.task(NOTIFY_OWNERS, retry=jobs.RetryOn(SMTPException, OSError))
def notify_owners(tenant_id: str, what: str) -> None:
    status_services.notify_owners(tenant_id=tenant_id, what=what)


@jobs.periodic(READ_ALL, cron="*/10 * * * *")
def read_all(timestamp: int) -> None:
    """Every ten minutes, read all tenants, one call for each hundred, since events can be lost."""
    status_pass_services.read_all(now=timezone.now())


@jobs.periodic("tenants.remind", cron="41 6 * * *", retry=jobs.RetryOn(SMTPException, OSError))
def remind_of_reviews(timestamp: int) -> None:
    """Every day, remind of pauses whose review date has come."""
    pause_services.remind_of_reviews(today=timezone.localdate())
