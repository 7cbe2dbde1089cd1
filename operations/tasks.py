"""What the worker does that spans the apps."""

from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from inbound_admin.lib.errors import AwsProblem
from operations.services import deleting, drifting, watching, working
from operations.services.queue import LOOK, MIGRATE, REMOVE, remove_soon

LONGEST_WAIT_SECONDS = 600
LOOK_AGAIN_SECONDS = 5


class UntilAmazonAnswers(BaseRetryStrategy):
    """Amazon may be away for hours; the page says why it waits, and giving up would only hide it."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, AwsProblem):
            return None
        return RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 10), LONGEST_WAIT_SECONDS)})


@app.task(name=MIGRATE, retry=UntilAmazonAnswers())
def migrate() -> None:
    working.work()


@app.task(name=LOOK, retry=UntilAmazonAnswers())
def look() -> None:
    drifting.work()


@app.task(name=REMOVE, retry=UntilAmazonAnswers())
def remove() -> None:
    if not deleting.work():
        remove_soon(in_seconds=LOOK_AGAIN_SECONDS)


@app.periodic(cron="* * * * *")
@app.task(name="operations.sweep", queueing_lock="operations.sweep")
def sweep(timestamp: int) -> None:
    """Once a minute; the work itself is queued, so that none of it runs twice at a time."""
    working.carry_on()
    deleting.carry_on()


@app.periodic(cron="47 1 * * *")
@app.task(name="operations.look_each_night", queueing_lock="operations.look_each_night")
def look_each_night(timestamp: int) -> None:
    """Once a night: whether Amazon's tenants are as our rows have them."""
    drifting.ask_to_look()


@app.periodic(cron="*/5 * * * *")
@app.task(name="operations.watch", queueing_lock="operations.watch")
def watch(timestamp: int) -> None:
    """Every five minutes: whether Amazon answers, and whether differences wait for somebody."""
    watching.watch(now=timezone.now())
