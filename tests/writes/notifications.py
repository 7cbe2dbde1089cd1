"""Writes to alerts, webhooks and preferences."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from notifications.alerts import services as alerts_services
from notifications.models.webhooks import Delivery, DeliveryState
from tests.notifications.factories import make_delivery, make_target, raise_alert
from tests.writes.world import Post, World, Write


def _webhook(**form: Any) -> Callable[[World], Post]:
    return lambda world: Post((make_target(customer_id=world.customer.pk).pk,), form)


def _delivery(world: World) -> Post:
    delivery = make_delivery(world.customer.pk)
    Delivery.objects.update(state=DeliveryState.DELIVERED)
    return Post((delivery.pk,))


def _alert(do: str) -> Callable[[World], Post]:
    def of(world: World) -> Post:
        alert = raise_alert(world.customer.pk)
        if do == "unmute":
            alerts_services.mute(alert=alert, until=timezone.now() + timedelta(days=1), actor=world.alice)
        return Post((alert.pk,), {"do": do, "days": "7"})

    return of


WRITES = (
    Write(
        "notifications:preferences",
        "notifications.changed",
        "alice",
        lambda _: Post(form={"by_mail": "digest", "digest_at": "07:30", "wanted": ["domain.at_risk"]}),
    ),
    Write(
        "notifications:add_webhook",
        "webhook.added",
        "alice",
        lambda w: Post(
            form={
                "owner": w.customer.pk,
                "name": "Ours",
                "url": "https://example.com/x",
                "form": "standard",
                "target_id": "whk_" + "0" * 20,
            }
        ),
    ),
    Write(
        "notifications:webhook", "webhook.changed", "alice", _webhook(name="T", url="https://example.org/", is_on="on")
    ),
    Write("notifications:new_secret", "webhook.new_secret", "alice", _webhook()),
    Write("notifications:test_webhook", "webhook.tested", "alice", _webhook()),
    Write("notifications:remove_webhook", "webhook.removed", "alice", _webhook()),
    Write("notifications:delivery", "webhook.delivered_again", "alice", _delivery),
    Write("notifications:alert", "alert.acknowledged", "alice", _alert("acknowledge")),
    Write("notifications:alert", "alert.muted", "alice", _alert("mute")),
    Write("notifications:alert", "alert.unmuted", "alice", _alert("unmute")),
)
