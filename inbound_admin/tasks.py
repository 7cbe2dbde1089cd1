"""Maintenance of jobs: recover jobs of dead processes and delete finished ones."""

from datetime import timedelta

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from inbound_admin.lib import counters, jobs

KEPT_HOURS = 72


@jobs.periodic("inbound_admin.rescue", cron="* * * * *")
def rescue(timestamp: int) -> None:
    jobs.recover_stalled()


@jobs.periodic("inbound_admin.clear", cron="17 3 * * *")
async def clear(timestamp: int) -> None:
    """Delete jobs that finished or failed more than three days ago."""
    await app.job_manager.delete_old_jobs(
        nb_hours=KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
    if settings.COUNTS_DAYS > 0:
        await sync_to_async(counters.rollup)(now=timezone.now(), kept=timedelta(days=settings.COUNTS_DAYS))
