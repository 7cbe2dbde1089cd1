"""What the worker does with alerts."""

from django.utils import timezone
from procrastinate.contrib.django import app

from alerts.services import clearing, delivering, mailing
from alerts.services.queue import DELIVER, MAIL, mail_soon


@app.task(name=DELIVER)
def deliver(delivery_id: str) -> None:
    delivering.attempt(delivery_id=delivery_id)


@app.task(name=MAIL)
def mail() -> None:
    mailing.send_due(now=timezone.now())


@app.periodic(cron="* * * * *")
@app.task(name="alerts.sweep", queueing_lock="alerts.sweep")
def sweep(timestamp: int) -> None:
    """Once a minute: deliveries whose job was lost, and e-mail whose time has come."""
    delivering.sweep(now=timezone.now())
    if mailing.is_due(now=timezone.now()):
        mail_soon()


@app.periodic(cron="41 3 * * *")
@app.task(name="alerts.clear", queueing_lock="alerts.clear")
def clear(timestamp: int) -> None:
    clearing.clear(now=timezone.now())
