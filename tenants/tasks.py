"""What the worker does with tenants."""

from smtplib import SMTPException

from django.utils import timezone
from procrastinate.contrib.django import app

from inbound_admin.lib.retry import UntilAmazonAnswers, UntilItWorks
from tenants.jobs import ASSOCIATE, CREATE, FIND_OUT, MEASURE, POLICY, READ, READ_ALL, REMOVE, STATUS, TELL
from tenants.lifecycle import services as lifecycle_services
from tenants.metrics import services as metrics_services
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.reputation import services as reputation_services
from tenants.resources import services as resources_services
from tenants.status import services as status_services


@app.task(name=CREATE, retry=UntilAmazonAnswers())
def create(tenant_id: str) -> None:
    lifecycle_services.carry_out_creation(tenant_id=tenant_id)


@app.task(name=ASSOCIATE, retry=UntilAmazonAnswers())
def associate(tenant_id: str) -> None:
    resources_services.carry_out_associations(tenant_id=tenant_id)


@app.task(name=STATUS, retry=UntilAmazonAnswers())
def status(tenant_id: str) -> None:
    pause_services.carry_out_status(tenant_id=tenant_id)


@app.task(name=POLICY, retry=UntilAmazonAnswers())
def policy(tenant_id: str) -> None:
    policy_services.carry_out_policy(tenant_id=tenant_id)


@app.task(name=REMOVE, retry=UntilAmazonAnswers())
def remove(tenant_id: str) -> None:
    lifecycle_services.carry_out_removal(tenant_id=tenant_id)


@app.task(name=READ, retry=UntilAmazonAnswers())
def read(tenant_id: str) -> None:
    status_services.read_tenant(tenant_id=tenant_id)


@app.task(name=FIND_OUT, retry=UntilAmazonAnswers())
def find_out(tenant_id: str) -> None:
    reputation_services.sync_recommendations(tenant_id=tenant_id, now=timezone.now())


@app.task(name=MEASURE, retry=UntilAmazonAnswers())
def measure(tenant_id: str) -> None:
    metrics_services.sync_metrics(tenant_id=tenant_id, now=timezone.now())


@app.periodic(cron="11 * * * *")
@app.task(name="tenants.find_out_all", queueing_lock="tenants.find_out_all")
def find_out_all(timestamp: int) -> None:
    """Once an hour: what Amazon found about anybody, a call for each hundred findings that are open."""
    reputation_services.sync_all_recommendations(now=timezone.now())


@app.periodic(cron="*/5 * * * *")
@app.task(name="tenants.measure_due", queueing_lock="tenants.measure_due")
def measure_due(timestamp: int) -> None:
    """Whose rates are due, as the setting RATES_EVERY_MINUTES has it."""
    metrics_services.sync_due_metrics(now=timezone.now())


@app.periodic(cron="53 3 * * *")
@app.task(name="tenants.forget_old_rates", queueing_lock="tenants.forget_old_rates")
def forget_old_rates(timestamp: int) -> None:
    metrics_services.forget_old(now=timezone.now())


@app.task(name=TELL, retry=UntilItWorks(SMTPException, OSError))
def tell(tenant_id: str, what: str) -> None:
    status_services.tell_owners(tenant_id=tenant_id, what=what)


@app.periodic(cron="*/10 * * * *")
@app.task(name=READ_ALL, queueing_lock=READ_ALL)
def read_all(timestamp: int) -> None:
    """Events can be lost: every ten minutes all tenants are read, a call for each hundred."""
    status_services.read_all(now=timezone.now())


@app.periodic(cron="41 6 * * *")
@app.task(name="tenants.remind", queueing_lock="tenants.remind", retry=UntilItWorks(SMTPException, OSError))
def remind(timestamp: int) -> None:
    """Once a day: pauses whose day of review has come."""
    status_services.remind_of_reviews(today=timezone.localdate())


@app.periodic(cron="* * * * *")
@app.task(name="tenants.sweep", queueing_lock="tenants.sweep")
def sweep(timestamp: int) -> None:
    """Once a minute; the work itself is queued, so that none of it runs twice at a time."""
    pause_services.carry_on()
