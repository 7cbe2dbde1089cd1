"""What the worker does with tenants."""

from smtplib import SMTPException

from django.utils import timezone

from inbound_admin.lib import jobs
from inbound_admin.lib.retry import UntilAmazonAnswers, UntilItWorks
from tenants.jobs import ASSOCIATE, CREATE, FIND_OUT, MEASURE, POLICY, READ, READ_ALL, REMOVE, STATUS, TELL
from tenants.lifecycle import services as lifecycle_services
from tenants.metrics import services as metrics_services
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.reputation import services as reputation_services
from tenants.resources import services as resources_services
from tenants.status import services as status_services
from tenants.status_pass import services as status_pass_services


@jobs.task(CREATE, retry=UntilAmazonAnswers())
def create(tenant_id: str) -> None:
    lifecycle_services.carry_out_creation(tenant_id=tenant_id)


@jobs.task(ASSOCIATE, retry=UntilAmazonAnswers())
def associate(tenant_id: str) -> None:
    resources_services.carry_out_associations(tenant_id=tenant_id, yields=True)


@jobs.task(STATUS, retry=UntilAmazonAnswers())
def status(tenant_id: str) -> None:
    pause_services.carry_out_status(tenant_id=tenant_id)


@jobs.task(POLICY, retry=UntilAmazonAnswers())
def policy(tenant_id: str) -> None:
    policy_services.carry_out_policy(tenant_id=tenant_id)


@jobs.task(REMOVE, retry=UntilAmazonAnswers())
def remove(tenant_id: str) -> None:
    lifecycle_services.carry_out_removal(tenant_id=tenant_id)


@jobs.task(READ, retry=UntilAmazonAnswers())
def read(tenant_id: str) -> None:
    status_services.read_tenant(tenant_id=tenant_id)


@jobs.task(FIND_OUT, retry=UntilAmazonAnswers())
def find_out(tenant_id: str) -> None:
    reputation_services.sync_recommendations(tenant_id=tenant_id, now=timezone.now())


@jobs.task(MEASURE, retry=UntilAmazonAnswers())
def measure(tenant_id: str) -> None:
    metrics_services.sync_metrics(tenant_id=tenant_id, now=timezone.now())


@jobs.periodic("tenants.find_out_all", cron="11 * * * *")
def find_out_all(timestamp: int) -> None:
    """Once an hour: what Amazon found about anybody, a call for each hundred findings that are open."""
    reputation_services.sync_all_recommendations(now=timezone.now())


@jobs.periodic("tenants.measure_due", cron="*/5 * * * *")
def measure_due(timestamp: int) -> None:
    """Whose rates are due, as the setting RATES_EVERY_MINUTES has it."""
    metrics_services.sync_due_metrics(now=timezone.now())


@jobs.periodic("tenants.forget_old_rates", cron="53 3 * * *")
def forget_old_rates(timestamp: int) -> None:
    metrics_services.forget_old(now=timezone.now())


@jobs.task(TELL, retry=UntilItWorks(SMTPException, OSError))
def tell(tenant_id: str, what: str) -> None:
    status_services.tell_owners(tenant_id=tenant_id, what=what)


@jobs.periodic(READ_ALL, cron="*/10 * * * *")
def read_all(timestamp: int) -> None:
    """Events can be lost: every ten minutes all tenants are read, a call for each hundred."""
    status_pass_services.read_all(now=timezone.now())


@jobs.periodic("tenants.remind", cron="41 6 * * *", retry=UntilItWorks(SMTPException, OSError))
def remind(timestamp: int) -> None:
    """Once a day: pauses whose day of review has come."""
    status_services.remind_of_reviews(today=timezone.localdate())
