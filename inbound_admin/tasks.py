"""The worker looks after its own: jobs of a process that died are taken up again, finished ones are cleared away."""

from datetime import timedelta

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from inbound_admin.lib import counters
from inbound_admin.lib.jobs import recover_stalled

KEPT_HOURS = 72


@app.periodic(cron="* * * * *")
@app.task(name="inbound_admin.rescue", queueing_lock="inbound_admin.rescue")
def rescue(timestamp: int) -> None:
    recover_stalled()


@app.periodic(cron="17 3 * * *")
@app.task(name="inbound_admin.clear", queueing_lock="inbound_admin.clear")
async def clear(timestamp: int) -> None:
    """Jobs that are over are kept for three days, failed ones too, to be looked into."""
    await app.job_manager.delete_old_jobs(
        nb_hours=KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
    await sync_to_async(counters.rollup)(now=timezone.now(), kept=timedelta(days=settings.COUNTS_DAYS))
