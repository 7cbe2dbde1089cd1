"""The change log keeps what it has for as long as the deployment wants."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from audit.services import forget_before
from inbound_admin.lib import jobs


@jobs.periodic("audit.forget", cron="41 3 * * *")
def forget(timestamp: int) -> None:
    """Once a night; CHANGES_DAYS of 0 keeps everything."""
    if settings.CHANGES_DAYS > 0:
        forget_before(timezone.now() - timedelta(days=settings.CHANGES_DAYS))
