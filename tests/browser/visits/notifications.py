"""Pages of alerts, webhooks and preferences."""

from notifications.models.webhooks import DeliveryState
from tests.browser.showcase import alerts
from tests.browser.visits.visit import Visit, press

ALERTS = (
    Visit("notifications:inbox", "nina", note="nothing yet"),
    Visit("notifications:webhooks", "nina", note="nothing yet"),
    Visit("notifications:inbox", of=alerts.inbox),
    Visit("notifications:inbox", query="?show=acknowledged"),
    Visit("notifications:inbox", query="?show=over"),
    Visit("notifications:inbox", "adam"),
    Visit("notifications:inbox", "sam", query="?whose=customers"),
    *(Visit("notifications:alert", of=alerts.alert(name), note=name) for name in alerts.NAMES),
    Visit("notifications:alert", of=alerts.alert("lost"), act=press("Mute", seen="[data-result]"), note="just muted"),
    Visit("notifications:alert", "sam", of=alerts.alert("lost"), note="of a customer"),
    Visit("notifications:webhooks", of=alerts.inbox),
    Visit("notifications:add_webhook"),
    Visit("notifications:add_webhook", act=press("Add webhook"), note="nothing typed"),
    Visit("notifications:webhook", of=alerts.target("works")),
    Visit("notifications:webhook", "mick", of=alerts.target("works"), note="of a member"),
    Visit("notifications:webhook", of=alerts.target("off"), note="switched off"),
    Visit(
        "notifications:webhook",
        of=alerts.target("works"),
        act=press("Rotate secret", seen="#secret"),
        note="with its new secret",
    ),
    Visit("notifications:delivery", of=alerts.delivery(DeliveryState.DELIVERED), note="delivered"),
    Visit("notifications:delivery", of=alerts.delivery(DeliveryState.WAITING), note="waiting"),
    Visit("notifications:preferences"),
    Visit("notifications:preferences", "sam"),
)
