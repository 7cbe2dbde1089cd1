"""Makes one attempt of a delivery. At least once: an interrupted attempt is repeated with the same `webhook-id`."""

from datetime import UTC, datetime, timedelta
from random import random

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone
from standardwebhooks import Webhook

from inbound_admin.lib import sealed
from inbound_admin.lib.errors import Problem
from notifications.alerts.selectors import may_receive
from notifications.jobs import queue_delivery
from notifications.models.webhooks import Attempt, Delivery, DeliveryState, WebhookTarget
from notifications.webhooks import gateway as webhooks_gateway
from notifications.webhooks import services as webhooks_services
from notifications.webhooks.core import Format, next_attempt, should_disable

GONE = 410  # Standard Webhooks: the target wants no further events
OVERDUE_AFTER = timedelta(minutes=2)
AT_ONCE = 500
log = structlog.get_logger(__name__)


def attempt(*, delivery_id: str, now: datetime | None = None) -> None:
    """Send it, unless it is finished. A delivery that isn't due yet is queued for its time."""
    now = now or timezone.now()
    delivery = Delivery.objects.select_related("target__person", "event").filter(pk=delivery_id).first()
    if delivery is None or delivery.state != DeliveryState.WAITING:
        return
    if not delivery.target.is_on:
        webhooks_services.cancel_waiting(delivery.target)
        return
    person = delivery.target.person
    event = delivery.event
    if person and not may_receive(person, customer_id=event.customer_id, permission=event.permission):
        _pending(delivery).update(state=DeliveryState.CANCELLED, next_attempt_at=None, done_at=now)
        return
    wait = ((delivery.next_attempt_at or now) - now).total_seconds()
    if wait > 1:
        queue_delivery(delivery, in_seconds=round(wait))
        return
    _finish(delivery, _begin(delivery, now))


def overdue(*, now: datetime) -> QuerySet[Delivery]:
    """Return late deliveries, such as after a process died."""
    due = Delivery.objects.filter(state=DeliveryState.WAITING, next_attempt_at__lte=now - OVERDUE_AFTER)
    return due.order_by("next_attempt_at")[:AT_ONCE]


@transaction.atomic
def _begin(delivery: Delivery, now: datetime) -> Attempt:
    Delivery.objects.filter(pk=delivery.pk).update(attempts_made=F("attempts_made") + 1)
    delivery.attempts_made += 1
    return Attempt.objects.create(delivery=delivery, started_at=now)


def _finish(delivery: Delivery, made: Attempt) -> None:
    try:
        reply = _send(delivery, made.started_at)
    except Problem as problem:
        made.problem = str(problem)
    except Exception as error:  # a failed attempt like any other: it waits longer each time, and ends
        log.exception("webhook attempt failed", delivery=delivery.pk)
        made.problem = f"The request failed unexpectedly: {type(error).__name__}."
    else:
        made.status, made.answer = reply.status, reply.excerpt
        made.problem = "" if reply.is_taken else _refusal(reply.status)
    made.finished_at = max(timezone.now(), made.started_at)
    with transaction.atomic():
        if not _is_stored(made):
            return  # the webhook was removed meanwhile, and its log with it
        if made.problem:
            _record_failure(delivery, made)
        else:
            _record_success(delivery, made)


def _is_stored(made: Attempt) -> bool:
    outcome = {"finished_at": made.finished_at, "status": made.status, "problem": made.problem, "answer": made.answer}
    return bool(Attempt.objects.filter(pk=made.pk).update(**outcome))


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: redirects aren't followed. Enter the new URL."
    return f"HTTP {status}. Only a 2xx response counts as success."


def _send(delivery: Delivery, now: datetime) -> webhooks_gateway.Reply:
    return webhooks_services.post(delivery.target.url, delivery.body, _headers(delivery, now))


def _headers(delivery: Delivery, now: datetime) -> dict[str, str]:
    """Sign with the new secret and, for a day, with the old one as well."""
    headers = {"Content-Type": "application/json", "User-Agent": f"{settings.SITE_NAME} webhooks"}
    target = delivery.target
    if target.form != Format.STANDARD:
        return headers
    signing = [target.secret]
    if target.old_secret and target.old_secret_until and target.old_secret_until > now:
        signing.append(target.old_secret)
    signed = [
        Webhook(sealed.unseal(each)).sign(delivery.event_id, now.astimezone(UTC), delivery.body) for each in signing
    ]
    stamp = str(int(now.timestamp()))
    return headers | {
        "webhook-id": delivery.event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(signed),
    }


def _record_success(delivery: Delivery, made: Attempt) -> None:
    WebhookTarget.objects.filter(pk=delivery.target_id).update(failing_since=None, last_success_at=made.finished_at)
    _pending(delivery).update(state=DeliveryState.DELIVERED, next_attempt_at=None, done_at=made.finished_at)


def _record_failure(delivery: Delivery, made: Attempt) -> None:
    ended = made.finished_at or made.started_at
    target = WebhookTarget.locked(delivery.target_id)
    target.failing_since = target.failing_since or made.started_at
    target.save(update_fields=("failing_since",))
    log.info("webhook not delivered", delivery=delivery.pk, target=target.pk, problem=made.problem)
    if made.status == GONE or _fails_steadily(target, ended):
        webhooks_services.disable(target, because=_why_off(target, made), now=ended)
        return
    due = next_attempt(delivery.attempts_made, now=ended, jitter=random())  # noqa: S311  it only spreads  # nosec B311
    if due is None:
        _pending(delivery).update(state=DeliveryState.GIVEN_UP, next_attempt_at=None, done_at=ended)
        return
    _pending(delivery).update(next_attempt_at=due)
    queue_delivery(delivery, in_seconds=max(1, round((due - ended).total_seconds())))


def _fails_steadily(target: WebhookTarget, now: datetime) -> bool:
    days = settings.WEBHOOK_OFF_AFTER_DAYS
    made = Attempt.objects.filter(delivery__target=target, started_at__gt=now - timedelta(days=days))
    hours = made.order_by().annotate(hour=TruncHour("started_at")).values_list("hour", flat=True).distinct()
    return should_disable(failing_since=target.failing_since, tried=list(hours), now=now, days=days)


def _why_off(target: WebhookTarget, made: Attempt) -> str:
    if made.status == GONE:
        return "HTTP 410: the receiver asked us to stop."
    return f"Nothing has been delivered since {target.failing_since:%-d %B %Y}. Last error: {made.problem}"


def _pending(delivery: Delivery) -> "QuerySet[Delivery]":
    """Return the delivery if it is still pending. One cancelled or done meanwhile keeps its state."""
    return Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING)
