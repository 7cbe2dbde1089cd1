"""Queue work on alerts. Tasks are named by string because they are above the services."""

from inbound_admin.lib import jobs
from notifications.models.webhooks import Delivery

DELIVER = "notifications.deliver"
MAIL = "notifications.mail"


def queue_delivery(delivery: Delivery, *, in_seconds: int = 0, unless_running: bool = False) -> None:
    """Queue one job per delivery, so that a slow target doesn't block others."""
    jobs.queue(
        DELIVER,
        lock=f"delivery {delivery.pk}",
        in_seconds=in_seconds,
        unless_running=unless_running,
        delivery_id=delivery.pk,
    )


def queue_emails(*, in_seconds: int = 0, unless_running: bool = False) -> None:
    """Queue one job for everything due."""
    jobs.queue(MAIL, lock="alerts by mail", in_seconds=in_seconds, unless_running=unless_running)
