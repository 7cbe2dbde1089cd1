"""What the worker does that spans the apps."""

from django.utils import timezone
from procrastinate.contrib.django import app

from inbound_admin.lib.retrying import UntilAmazonAnswers
from operations.services import (
    bulk as bulks,
)
from operations.services import (
    deciding,
    domain_removal,
    drifting,
    drifting_identities,
    drifting_rules,
    moving_in,
    watching,
    working,
)
from operations.services.queue import BULK, LOOK, MIGRATE, MOVE_IN, REMOVE, remove_soon

LOOK_AGAIN_SECONDS = 5


@app.task(name=MIGRATE, retry=UntilAmazonAnswers())
def migrate() -> None:
    working.work()


@app.task(name=LOOK, retry=UntilAmazonAnswers())
def look() -> None:
    drifting.work()
    drifting_identities.work()


@app.task(name=BULK, retry=UntilAmazonAnswers())
def bulk() -> None:
    bulks.work()


@app.task(name=REMOVE, retry=UntilAmazonAnswers())
def remove() -> None:
    if not domain_removal.work():
        remove_soon(in_seconds=LOOK_AGAIN_SECONDS)


@app.task(name=MOVE_IN, retry=UntilAmazonAnswers())
def move_in() -> None:
    moving_in.work()


@app.periodic(cron="* * * * *")
@app.task(name="operations.sweep", queueing_lock="operations.sweep")
def sweep(timestamp: int) -> None:
    """Once a minute; the work itself is queued, so that none of it runs twice at a time."""
    working.carry_on()
    domain_removal.carry_on()
    bulks.carry_on()
    moving_in.carry_on()
    drifting_rules.carry_over()


@app.periodic(cron="47 1 * * *")
@app.task(name="operations.look_each_night", queueing_lock="operations.look_each_night")
def look_each_night(timestamp: int) -> None:
    """Once a night: whether Amazon's tenants, identities and rules are as our rows have them."""
    deciding.ask_to_look()


@app.periodic(cron="*/5 * * * *")
@app.task(name="operations.watch", queueing_lock="operations.watch")
def watch(timestamp: int) -> None:
    """Every five minutes: whether Amazon answers, and whether differences wait for somebody."""
    watching.watch(now=timezone.now())
