"""What the worker does with domains."""

from django.utils import timezone
from procrastinate.contrib.django import app

from domains.services import (
    carrying_on,
    checking,
    configuring,
    counting_states,
    deleting,
    diagnosis_requests,
    expiry,
    overriding,
    overriding_states,
    reading,
    remembering,
    setting_up,
    sharing,
)
from domains.services.queue import CHECK_DUE, CONFIGURE, DELETE, DIAGNOSE, SET_UP, UNMAKE, check_soon
from inbound_admin.lib.retrying import UntilAmazonAnswers


@app.task(name=SET_UP, retry=UntilAmazonAnswers())
def set_up(domain_id: str) -> None:
    setting_up.set_up(domain_id=domain_id)


@app.task(name=CONFIGURE, retry=UntilAmazonAnswers())
def configure(domain_id: str) -> None:
    configuring.apply(domain_id=domain_id)


@app.task(name=DELETE, retry=UntilAmazonAnswers())
def delete(domain_id: str) -> None:
    deleting.carry_out(domain_id=domain_id)


@app.task(name=DIAGNOSE)
def diagnose(customer_id: str) -> None:
    diagnosis_requests.carry_out(customer_id=customer_id)


@app.task(name=UNMAKE, retry=UntilAmazonAnswers())
def unmake(domain_id: str) -> None:
    deleting.unmake(domain_id=domain_id)


@app.task(name=CHECK_DUE)
def check_due() -> None:
    checking.check_due(now=timezone.now())


@app.periodic(cron="23 2 * * *")
@app.task(name="domains.read_all", queueing_lock="domains.read_all")
def read_all(timestamp: int) -> None:
    """Once a night: all that Amazon says of all domains."""
    reading.read_all(now=timezone.now())


@app.periodic(cron="41 2 * * *")
@app.task(name="domains.forget_old", queueing_lock="domains.forget_old")
def forget_old(timestamp: int) -> None:
    """Once a night: answers of the DNS that were over long ago, and links that ended long ago."""
    remembering.forget_old(now=timezone.now())
    sharing.forget_old(now=timezone.now())


@app.periodic(cron="17 3 * * *")
@app.task(name="domains.end_unproven", queueing_lock="domains.end_unproven")
def end_unproven(timestamp: int) -> None:
    """Once a night: who has not proven a domain is warned, and later it is removed."""
    expiry.end_unproven(now=timezone.now())


@app.periodic(cron="7 * * * *")
@app.task(name="domains.notice", queueing_lock="domains.notice")
def notice(timestamp: int) -> None:
    """Once an hour: what changed at Amazon, of all domains, in a call for each thousand."""
    reading.notice_changes(now=timezone.now())


@app.periodic(cron="* * * * *")
@app.task(name="domains.sweep", queueing_lock="domains.sweep")
def sweep(timestamp: int) -> None:
    """Once a minute; the work itself is queued, so that none of it runs twice at a time."""
    carrying_on.carry_on()
    overriding.release_what_is_over(now=timezone.now())
    overriding_states.end_what_is_over(now=timezone.now())
    check_soon()


@app.periodic(cron="3 * * * *")
@app.task(name="domains.count_states", queueing_lock="domains.count_states")
def count_states(timestamp: int) -> None:
    """Once an hour, for the plot of the overview."""
    counting_states.note_states(now=timezone.now())
