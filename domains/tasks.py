"""The worker's tasks for domains."""

from django.utils import timezone

from domains.checking import services as checking_services
from domains.deletion import services as deletion_services
from domains.diagnosis import services as diagnosis_services
from domains.domain_connect import services as domain_connect_services
from domains.domain_list import services as domain_list_services
from domains.history import services as history_services
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.jobs import (
    CHECK_DUE,
    CONFIGURE,
    DELETE,
    DELETE_IDENTITY,
    DIAGNOSE,
    DISCOVER,
    FETCH_POLICIES,
    SET_UP,
    queue_checks,
)
from domains.mta_sts import services as mta_sts_services
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from domains.settings import services as settings_services
from domains.sharing import services as sharing_services
from inbound_admin.lib import jobs


@jobs.task(SET_UP, retry=jobs.RetryUntilAwsAnswers())
def set_up(domain_id: str) -> None:
    identity_services.set_up(domain_id=domain_id)


@jobs.task(CONFIGURE, retry=jobs.RetryUntilAwsAnswers())
def configure(domain_id: str) -> None:
    settings_services.apply_settings(domain_id=domain_id)


@jobs.task(DELETE, retry=jobs.RetryUntilAwsAnswers())
def delete(domain_id: str) -> None:
    deletion_services.execute_deletion(domain_id=domain_id)


@jobs.task(DIAGNOSE)
def diagnose(customer_id: str) -> None:
    diagnosis_services.run_next(customer_id=customer_id)


@jobs.task(DISCOVER)
def discover(domain_id: str) -> None:
    domain_connect_services.discover(domain_id=domain_id)


@jobs.task(DELETE_IDENTITY, retry=jobs.RetryUntilAwsAnswers())
def delete_identity(domain_id: str) -> None:
    deletion_services.delete_displaced_identity(domain_id=domain_id)


@jobs.task(CHECK_DUE)
def check_due() -> None:
    checking_services.check_due(now=timezone.now())


@jobs.task(FETCH_POLICIES)
def fetch_policies() -> None:
    mta_sts_services.fetch_due(now=timezone.now())


@jobs.periodic("domains.read_all", cron="23 2 * * *")
def read_all(timestamp: int) -> None:
    """Nightly: read SES's statuses of all domains."""
    identity_status_services.read_all_statuses(now=timezone.now())


@jobs.periodic("domains.forget_old", cron="41 2 * * *")
def forget_old(timestamp: int) -> None:
    """Nightly: delete old DNS answers and old share links."""
    history_services.delete_old_answers(now=timezone.now())
    sharing_services.delete_old_links(now=timezone.now())


@jobs.periodic("domains.end_unproven", cron="17 * * * *")
def end_unproven(timestamp: int) -> None:
    """Hourly: warn about unproven domains, and delete expired ones."""
    ownership_services.expire_unproven_domains(now=timezone.now())


@jobs.periodic("domains.notice", cron="*/5 * * * *")
def notice(timestamp: int) -> None:
    """Every five minutes, or less often with many domains: find identities that changed in SES or were deleted."""
    if identity_status_services.is_watch_due(timestamp):
        identity_status_services.detect_changes(now=timezone.now())
    identity_status_services.detect_new_keys(timestamp, now=timezone.now())
    identity_status_services.update_staff_alert(now=timezone.now())


@jobs.periodic("domains.sweep", cron="* * * * *")
def sweep(timestamp: int) -> None:
    """Every minute. Checks are queued, so that they never run twice at a time."""
    overrides_services.release_expired_holds(now=timezone.now())
    overrides_services.end_expired_overrides(now=timezone.now())
    queue_checks()


@jobs.periodic("domains.count_states", cron="3 * * * *")
def count_states(timestamp: int) -> None:
    """Hourly, for the dashboard's chart."""
    domain_list_services.record_state_counts(now=timezone.now())
