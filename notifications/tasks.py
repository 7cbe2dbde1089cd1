"""What the worker does with alerts."""

from django.utils import timezone
from procrastinate.contrib.django import app

from notifications.alerts import services as alerts_services
from notifications.deliveries import services as deliveries_services
from notifications.email import services as email_services
from notifications.jobs import DELIVER, MAIL, mail_soon


@app.task(name=DELIVER)
def deliver(delivery_id: str) -> None:
    deliveries_services.attempt(delivery_id=delivery_id)


@app.task(name=MAIL)
def mail() -> None:
    email_services.send_due(now=timezone.now())


@app.periodic(cron="* * * * *")
@app.task(name="notifications.sweep", queueing_lock="notifications.sweep")
def sweep(timestamp: int) -> None:
    """Once a minute: deliveries whose job was lost, and e-mail whose time has come."""
    deliveries_services.sweep(now=timezone.now())
    if email_services.is_due(now=timezone.now()):
        mail_soon()


@app.periodic(cron="41 3 * * *")
@app.task(name="notifications.clear", queueing_lock="notifications.clear")
def clear(timestamp: int) -> None:
    alerts_services.delete_expired(now=timezone.now())
