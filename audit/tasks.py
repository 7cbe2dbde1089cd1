"""Deletes change log entries after the retention time."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from audit.services import delete_before
from inbound_admin.lib import jobs


@jobs.periodic("audit.forget", cron="41 3 * * *")
def delete_expired(timestamp: int) -> None:
    """Every night. With CHANGES_DAYS=0 everything is kept."""
    if settings.CHANGES_DAYS > 0:
        delete_before(timezone.now() - timedelta(days=settings.CHANGES_DAYS))
