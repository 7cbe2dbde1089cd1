"""Worker tasks of alerts."""

from django.utils import timezone

from inbound_admin.lib import jobs
from notifications.alerts import services as alerts_services
from notifications.deliveries import services as deliveries_services
from notifications.email import services as email_services
from notifications.jobs import DELIVER, MAIL


@jobs.task(DELIVER)
def deliver(delivery_id: str) -> None:
    deliveries_services.attempt(delivery_id=delivery_id)


@jobs.task(MAIL)
def mail() -> None:
    email_services.send_due(now=timezone.now())


@jobs.periodic("notifications.unmuted", cron="* * * * *")
def notify_unmuted(timestamp: int) -> None:
    alerts_services.notify_unmuted(now=timezone.now())


@jobs.periodic("notifications.clear", cron="41 3 * * *")
def clear(timestamp: int) -> None:
    alerts_services.delete_expired(now=timezone.now())
