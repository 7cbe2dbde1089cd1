"""Rows of the showcase's pages of alerts and webhooks, created when the first page is visited."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit.services import Subject
from inbound_admin.lib.sealed import seal
from notifications.alerts.core import CustomerPeople, Staff
from notifications.alerts.services import acknowledge, mute, observe
from notifications.events.services import emit
from notifications.models.alerts import Alert, Notice
from notifications.models.webhooks import Delivery, DeliveryState, WebhookTarget
from notifications.webhooks.core import Format
from notifications.webhooks.services import new_secret
from tests.browser.showcase.world import Showcase

NAMES = ("lost", "muted", "taken", "over")


def inbox(world: Showcase) -> tuple[()]:
    """Prepare a page without arguments, on the showcase's rows."""
    make_alerts(world)
    return ()


def alert(name: str) -> Any:
    """Return the URL's arguments: the ID of the alert with one of NAMES."""

    def arguments(world: Showcase) -> tuple[str, ...]:
        make_alerts(world)
        return (Alert.objects.get(object_id=f"dom_{name}").pk,)

    return arguments


def target(name: str) -> Any:
    """Return the URL's arguments: the ID of the webhook `works` or `off`."""

    def arguments(world: Showcase) -> tuple[str, ...]:
        make_alerts(world)
        return (WebhookTarget.objects.get(name=name).pk,)

    return arguments


def delivery(state: DeliveryState) -> Any:
    def arguments(world: Showcase) -> tuple[str, ...]:
        make_alerts(world)
        return (Delivery.objects.filter(target__name="works", state=state).values_list("pk", flat=True)[0],)

    return arguments


def make_alerts(world: Showcase) -> None:
    """Create an alert in each state, a webhook that works with a log, and one that was turned off."""
    if WebhookTarget.objects.exists():
        return
    now, alice = timezone.now(), world.people["alice"]
    given = {"customer_id": world.acme.pk, "secret": seal(new_secret()), "created_by": alice}
    WebhookTarget.objects.create(
        name="works", sealed_url=seal("https://acme.example/hooks"), last_success_at=now, **given
    )
    off = "Nothing has been delivered since 1 May 2026. Last error: acme.example didn't respond within 10 seconds."
    WebhookTarget.objects.create(
        name="off",
        sealed_url=seal("https://hooks.slack.example/T0/B0"),
        form=Format.SLACK,
        is_on=False,
        off_because=off,
        **given,
    )
    for name in NAMES:
        _observe(world.acme.pk, name)
    Notice.objects.update(sent_at=now)
    acknowledge(alert=Alert.objects.get(object_id="dom_taken"), actor=alice)
    mute(alert=Alert.objects.get(object_id="dom_muted"), until=now + timedelta(days=7), actor=alice)
    _observe(world.acme.pk, "over", firing=False)
    _observe_drift()
    _log(world)


def _observe_drift() -> None:
    observe(
        kind="rule.drift",
        about=Subject("rule_set", "eu-west-1", "Receipt rules in eu-west-1"),
        firing=True,
        why="The rule inbound-admin-003 is gone; it is for 500 recipients.",
        severity="high",
        audience=Staff("receipt_rules.operate_rules"),
    )


def _observe(customer_id: str, name: str, *, firing: bool = True) -> None:
    for minutes in (9, 5):
        observe(
            kind="domain.at_risk",
            about=Subject("domain", f"dom_{name}", f"a-rather-long-name-of-{name}.acme.com", customer_id),
            firing=firing,
            why="1 of 7 records has changed or disappeared. Restore it before the domain loses its verification.",
            severity="high",
            audience=CustomerPeople(customer_id),
            now=timezone.now() - timedelta(minutes=minutes if firing else 1),
        )


def _log(world: Showcase) -> None:
    """Log deliveries of the working webhook: one delivered, one pending, and those of the alerts."""
    now = timezone.now()
    for name in ("verified", "waiting"):
        domain = world.domains[name]
        emit(event="domain.verified", about=Subject("domain", domain.id, domain.name, world.acme.pk))
    deliveries = Delivery.objects.filter(target__name="works", event__event="domain.verified").order_by("created_at")
    done, waits = list(deliveries)[-2:]
    done.attempts.create(started_at=now, finished_at=now, status=200, answer="thanks")
    Delivery.objects.filter(pk=done.pk).update(state=DeliveryState.DELIVERED, attempts_made=1, done_at=now)
    problem = "HTTP 500. Only a 2xx response counts as success."
    waits.attempts.create(started_at=now, finished_at=now, status=500, problem=problem, answer="<h1>out of order</h1>")
    Delivery.objects.exclude(pk__in=(done.pk, waits.pk)).update(state=DeliveryState.GIVEN_UP, attempts_made=10)
    Delivery.objects.filter(pk=waits.pk).update(attempts_made=1, next_attempt_at=now + timedelta(minutes=5))
