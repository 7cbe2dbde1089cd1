"""What the worker does with receipt rules."""

import structlog
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from inbound_admin.lib.errors import AwsProblem
from receipt_rules.services import drifting, watching, working
from receipt_rules.services.queue import LOOK, WORK, look_soon

LONGEST_WAIT_SECONDS = 60
log = structlog.get_logger(__name__)


class UntilAmazonAnswers(BaseRetryStrategy):
    """Short waits: others' changes stand in the same queue. The run says why it waits."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, AwsProblem):
            return None
        return RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 6), LONGEST_WAIT_SECONDS)})


@app.task(name=WORK, retry=UntilAmazonAnswers())
def work() -> None:
    working.work()


@app.task(name=LOOK, retry=UntilAmazonAnswers())
def look() -> None:
    drifting.look()


@app.periodic(cron="* * * * *")
@app.task(name="receipt_rules.sweep", queueing_lock="receipt_rules.sweep")
def sweep(timestamp: int) -> None:
    """Once a minute; the work itself is queued, so that none of it runs twice at a time."""
    working.carry_on()


@app.periodic(cron="37 * * * *")
@app.task(name="receipt_rules.sweep_drift", queueing_lock="receipt_rules.sweep_drift")
def sweep_drift(timestamp: int) -> None:
    """Once an hour the live rules are compared with what we last knew and with what is wanted."""
    look_soon()


@app.periodic(cron="*/10 * * * *")
@app.task(name="receipt_rules.watch", queueing_lock="receipt_rules.watch")
def watch(timestamp: int) -> None:
    """Mail that SES gave up on, a function that fails: every ten minutes. A look that fails is made again then."""
    try:
        watching.watch_for_losses(now=timezone.now())
    except AwsProblem as problem:
        log.warning("receiving could not be watched", problem=str(problem))
