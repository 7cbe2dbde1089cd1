"""What the worker does with alerts."""

from django.utils import timezone

from inbound_admin.lib import jobs
from notifications.alerts import services as alerts_services
from notifications.deliveries import services as deliveries_services
from notifications.email import services as email_services
from notifications.jobs import DELIVER, MAIL, mail_soon


@jobs.task(DELIVER)
def deliver(delivery_id: str) -> None:
    deliveries_services.attempt(delivery_id=delivery_id)


@jobs.task(MAIL)
def mail() -> None:
    email_services.send_due(now=timezone.now())


@jobs.periodic("notifications.sweep", cron="* * * * *")
def sweep(timestamp: int) -> None:
    """Once a minute: deliveries whose job was lost, and e-mail whose time has come."""
    deliveries_services.sweep(now=timezone.now())
    if email_services.is_due(now=timezone.now()):
        mail_soon()


@jobs.periodic("notifications.clear", cron="41 3 * * *")
def clear(timestamp: int) -> None:
    alerts_services.delete_expired(now=timezone.now())
