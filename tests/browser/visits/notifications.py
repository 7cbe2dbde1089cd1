"""Pages of alerts, webhooks and preferences."""

from notifications.models.webhooks import DeliveryState
from tests.browser import alerting
from tests.browser.visits.visit import Visit, press

ALERTS = (
    Visit("notifications:inbox", "nina", note="nothing yet"),
    Visit("notifications:webhooks", "nina", note="nothing yet"),
    Visit("notifications:inbox", of=alerting.inbox),
    Visit("notifications:inbox", query="?show=acknowledged"),
    Visit("notifications:inbox", query="?show=over"),
    Visit("notifications:inbox", "adam"),
    Visit("notifications:inbox", "sam", query="?whose=customers"),
    *(Visit("notifications:alert", of=alerting.alert(name), note=name) for name in alerting.NAMES),
    Visit("notifications:alert", of=alerting.alert("lost"), act=press("Mute", seen="[data-result]"), note="just muted"),
    Visit("notifications:alert", "sam", of=alerting.alert("lost"), note="of a customer"),
    Visit("notifications:webhooks", of=alerting.inbox),
    Visit("notifications:add_webhook"),
    Visit("notifications:add_webhook", act=press("Add webhook"), note="nothing typed"),
    Visit("notifications:webhook", of=alerting.target("works")),
    Visit("notifications:webhook", "mick", of=alerting.target("works"), note="of a member"),
    Visit("notifications:webhook", of=alerting.target("off"), note="switched off"),
    Visit(
        "notifications:webhook",
        of=alerting.target("works"),
        act=press("Rotate secret", seen="#secret"),
        note="with its new secret",
    ),
    Visit("notifications:delivery", of=alerting.delivery(DeliveryState.DELIVERED), note="delivered"),
    Visit("notifications:delivery", of=alerting.delivery(DeliveryState.WAITING), note="waiting"),
    Visit("notifications:preferences"),
    Visit("notifications:preferences", "sam"),
)
