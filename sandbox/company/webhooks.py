"""Webhooks: one of staff and one of a customer that answer, and one that doesn't."""

from datetime import datetime

from accounts.models.people import Customer, User
from notifications.deliveries import services as deliveries_services
from notifications.models.webhooks import Delivery, DeliveryState, WebhookTarget
from notifications.webhooks import services as webhooks_services
from notifications.webhooks.core import Format
from sandbox.client import ControlClient
from sandbox.company.people import staff

STATUS_BOARD, FAILING, BOOKSHOP = "Status board", "Old pager", "Book shop"
NOBODY_THERE = "http://127.0.0.1:9/pager"


def add_targets(host: ControlClient) -> None:
    _add(STATUS_BOARD, host.sink_url("status-board"), staff("Olga"))
    _add(FAILING, NOBODY_THERE, staff("Olga"))
    nora = User.objects.get(email="nora@northwind-books.com")
    _add(BOOKSHOP, host.sink_url("book-shop"), nora, customer=Customer.objects.get(name="Northwind Books"))


def _add(name: str, url: str, actor: User, *, customer: Customer | None = None) -> None:
    if not WebhookTarget.objects.filter(name=name).exists():
        of = customer.pk if customer else ""
        webhooks_services.add_target(name=name, url=url, form=Format.STANDARD, events=(), actor=actor, customer_id=of)


def deliver_due(now: datetime) -> None:
    """Send what the worker would have sent by now."""
    due = Delivery.objects.filter(state=DeliveryState.WAITING, next_attempt_at__lte=now)
    for delivery_id in list(due.order_by("next_attempt_at").values_list("pk", flat=True)):
        deliveries_services.attempt(delivery_id=delivery_id, now=now)
