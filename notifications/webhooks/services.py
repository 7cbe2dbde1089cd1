"""Add, change, test and remove webhook targets, rotate secrets, and notify owners when a target is turned off.

Secrets are stored encrypted (`inbound_admin.lib.sealed`) because we sign with them. `post` sends one request to a
customer's URL, under the rules of webhooks, for the apps above this one.
"""

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import services as audit_services
from audit.services import Subject
from inbound_admin.lib import sealed, slow_work
from inbound_admin.lib.errors import NotAllowed, RateLimited, Refused
from inbound_admin.lib.moments import minute_in_utc
from inbound_admin.lib.public_url import BadUrl
from inbound_admin.lib.redaction import MASK
from inbound_admin.lib.seen import refuse_if_changed
from notifications.alerts.core import Audience, CustomerPeople, Person, Staff
from notifications.alerts.services import observe
from notifications.events import services as events_services
from notifications.events.core import TEST, events_for
from notifications.models.webhooks import Delivery, DeliveryState, WebhookTarget
from notifications.webhooks import gateway
from notifications.webhooks.core import Format, parse_target
from notifications.webhooks.gateway import NotDelivered, Reply
from notifications.webhooks.selectors import may_manage

OFF = "webhook.off"


def target_subject(target: WebhookTarget) -> Subject:
    """Return the change log subject of a webhook."""
    return Subject("webhook", target.pk, target.name, target.customer_id)


def owner_of(target: WebhookTarget) -> Audience:
    if target.person_id is not None:
        return Person(target.person_id)
    return CustomerPeople(target.customer_id) if target.customer_id else Staff("notifications.manage_staff_webhooks")


def _report_off(target: WebhookTarget, *, is_off: bool, now: datetime | None = None) -> None:
    """Open or resolve the alert of a target that was turned off automatically, for its people."""
    about, why = target_subject(target), target.off_because
    observe(kind=OFF, about=about, firing=is_off, why=why, severity="medium", audience=owner_of(target), now=now)


PREFIX = "whsec_"  # Standard Webhooks: 24 to 64 random bytes in base 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


MOST_TARGETS = 10  # of one owner: each event makes a row and a job for every one
OLD_SECRET_FOR = timedelta(hours=24)
SAME_ROTATION = timedelta(minutes=5)
TEST_EVERY = timedelta(seconds=10)


@dataclass(frozen=True)
class Made:
    """A new target. `secret` can't be retrieved again; empty for unsigned formats."""

    target: WebhookTarget
    secret: str


@transaction.atomic
def add_target(
    *,
    name: str,
    url: str,
    form: str,
    events: Iterable[str],
    actor: Any,
    customer_id: str = "",
    own: bool = False,
    target_id: str = "",
) -> Made:
    """Add a target for a customer, the actor (`own`) or staff. Raises Refused, also for a used `target_id`."""
    target = WebhookTarget(customer_id=customer_id, person=actor if own else None, form=Format(form), created_by=actor)
    target.pk = target_id or target.pk
    _require(actor, target)
    _lock_siblings(target)
    if WebhookTarget.objects.filter(pk=target.pk).exists():
        raise Refused("This webhook was already added. Find it in the list of webhooks.", code="WEBHOOK_THERE")
    _put(target, name=name, url=url, events=events)
    if _siblings(target).count() >= MOST_TARGETS:
        raise Refused(f"You can have at most {MOST_TARGETS} webhooks. Remove one first.", code="WEBHOOK_TOO_MANY")
    secret = new_secret() if target.form == Format.STANDARD else ""
    target.secret = sealed.seal(secret) if secret else ""
    target.save(force_insert=True)
    _record("webhook.added", target, actor, after=_logged_target(target))
    return Made(target, secret)


@transaction.atomic
def change_target(
    *,
    target: WebhookTarget,
    actor: Any,
    name: str | None = None,
    url: str | None = None,
    events: Iterable[str] | None = None,
    is_on: bool | None = None,
    seen: str = "",
) -> WebhookTarget:
    """Change what isn't None. Turning it on again clears its failures. `seen`: of the form that shows it.

    Raises Refused and ChangedMeanwhile.
    """
    locked = _locked(target, actor)
    before, was_on, shown = _logged_target(locked), locked.is_on, shown_values(locked)
    _put(locked, name=name, url=url, events=events)
    locked.is_on = was_on if is_on is None else is_on
    if shown_values(locked) != shown:
        refuse_if_changed(seen, shown)
    if locked.is_on and not was_on:
        locked.off_because, locked.failing_since = "", None
        _report_off(locked, is_off=False)
    if was_on and not locked.is_on:
        cancel_waiting(locked)
    locked.save()
    _record("webhook.changed", locked, actor, before=before, after=_logged_target(locked))
    return locked


@transaction.atomic
def make_new_secret(*, target: WebhookTarget, actor: Any, seen: str = "") -> str:
    """Rotate the secret and return the new one. Both sign for a day. `seen`: of the page with the button.

    Another rotation within minutes replaces the new secret, and the one before goes on signing: nobody has had time to
    change the receiver. Raises Refused and ChangedMeanwhile.
    """
    locked = _locked(target, actor)
    if locked.form != Format.STANDARD:
        raise Refused("Slack messages aren't signed, so there is no secret.", code="WEBHOOK_UNSIGNED")
    refuse_if_changed(seen, shown_secret(locked))
    secret, now = new_secret(), timezone.now()
    if locked.old_secret_until is None or locked.old_secret_until < now + OLD_SECRET_FOR - SAME_ROTATION:
        locked.old_secret, locked.old_secret_until = locked.secret, now + OLD_SECRET_FOR
    locked.secret = sealed.seal(secret)
    locked.save(update_fields=("secret", "old_secret", "old_secret_until"))
    after = {"old_secret_signs_until": minute_in_utc(locked.old_secret_until)}
    _record("webhook.new_secret", locked, actor, after=after)
    return secret


@transaction.atomic
def send_test(*, target: WebhookTarget, actor: Any) -> Delivery:
    """Queue a test event. Raises Refused, or RateLimited for another within seconds."""
    locked = _locked(target, actor)
    if not locked.is_on:
        raise Refused("The webhook is off. Turn it on first.", code="WEBHOOK_OFF")
    _not_too_often(locked)
    about = target_subject(locked)
    data = {"why": "This is a test event. Nothing has happened."}
    event = events_services.store(
        event=TEST, about=about, data=data, for_staff=not locked.customer_id, now=timezone.now()
    )
    delivery = events_services.deliver(event, [locked])[0]
    _record("webhook.tested", locked, actor, after={"delivery": delivery.pk})
    return delivery


def _not_too_often(target: WebhookTarget) -> None:
    """Prevents using the button to flood a third party."""
    lately = timezone.now() - TEST_EVERY
    if Delivery.objects.filter(target=target, event__event=TEST, created_at__gt=lately).exists():
        seconds = round(TEST_EVERY.total_seconds())
        raise RateLimited(f"You can send a test every {seconds} seconds.", retry_after=seconds)


@transaction.atomic
def deliver_again(*, delivery: Delivery, actor: Any) -> Delivery:
    """Queue another delivery of the same event with the same `webhook-id`. Raises Refused."""
    locked = _locked(delivery.target, actor)
    if not locked.is_on:
        raise Refused("The webhook is off. Turn it on first.", code="WEBHOOK_OFF")
    if Delivery.objects.filter(target=locked, event=delivery.event_id, state=DeliveryState.WAITING).exists():
        raise Refused("This delivery is already queued.", code="WEBHOOK_WAITING")
    again = events_services.deliver(delivery.event, [locked])[0]
    Delivery.objects.filter(pk=again.pk).update(again_by=actor)
    _record("webhook.delivered_again", locked, actor, after={"event": delivery.event.event, "delivery": again.pk})
    return again


@transaction.atomic
def remove_target(*, target: WebhookTarget, actor: Any) -> None:
    """Remove a target and its delivery log. Raises Refused."""
    locked = _locked(target, actor)
    before = _logged_target(locked)
    _report_off(locked, is_off=False)
    _record("webhook.removed", locked, actor, before=before)
    locked.delete()


def _record(
    what: str,
    target: WebhookTarget,
    actor: Any,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    about, is_hidden = target_subject(target), not target.customer_id
    audit_services.record(what, about=about, actor=actor, before=before, after=after, for_staff=is_hidden)


def cancel_waiting(target: WebhookTarget) -> None:
    waiting = Delivery.objects.filter(target=target, state=DeliveryState.WAITING)
    waiting.update(state=DeliveryState.CANCELLED, next_attempt_at=None, done_at=timezone.now())


def disable(target: WebhookTarget, *, because: str, now: datetime) -> None:
    """Turn a target off that fails, notify its people once and cancel its pending deliveries."""
    if not target.is_on:
        return
    target.is_on, target.off_because = False, because
    target.save(update_fields=("is_on", "off_because"))
    cancel_waiting(target)
    audit_services.record(
        "webhook.switched_off",
        about=target_subject(target),
        actor=None,
        because=because,
        before={"on": True},
        after={"on": False},
        for_staff=not target.customer_id,
    )
    _report_off(target, is_off=True, now=now)


def _put(target: WebhookTarget, *, name: str | None, url: str | None, events: Iterable[str] | None) -> None:
    if name is not None:
        target.name = " ".join(name.split())
    if events is not None:
        target.events = list(dict.fromkeys(events))
    if url is not None:
        _put_url(target, url.strip())
    if not target.name or len(target.name) > 120:
        raise Refused("Enter a name of at most 120 characters.", code="WEBHOOK_NAME")
    if unknown := set(target.events) - set(events_for(staff=target.is_of_staff)):
        raise Refused(f"Unknown event: {sorted(unknown)[0][:80]}.", code="WEBHOOK_EVENTS")


def _put_url(target: WebhookTarget, url: str) -> None:
    """Store a URL. A masked URL as it was shown keeps the stored one."""
    if target.sealed_url and url == target.shown_url:
        return
    if MASK in url:
        raise Refused(f"Part of the URL is masked ({MASK}). Enter the full URL.", code="WEBHOOK_URL")
    try:
        parse_target(url, may_be_private=settings.WEBHOOKS_MAY_BE_PRIVATE)
    except BadUrl as error:
        raise Refused(str(error), code="WEBHOOK_URL") from error
    target.url = url


def _require(actor: Any, target: WebhookTarget) -> None:
    if not may_manage(actor, target):
        raise NotAllowed("Only owners can manage an organisation's webhooks. Only operators can manage staff webhooks.")


def _locked(target: WebhookTarget, actor: Any) -> WebhookTarget:
    _require(actor, target)
    return WebhookTarget.locked(target.pk)


def _lock_siblings(target: WebhookTarget) -> None:
    """Let nobody else add one for the same owner until the transaction ends, so that the limit holds."""
    owner = target.customer_id or target.person_id or "staff"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"webhooks of {owner}"])


def _siblings(target: WebhookTarget) -> Any:
    return WebhookTarget.objects.filter(customer_id=target.customer_id, person=target.person)


def shown_values(target: WebhookTarget) -> dict[str, Any]:
    """Return what its form shows."""
    return {"name": target.name, "url": target.url, "events": list(target.events), "is_on": target.is_on}


def shown_secret(target: WebhookTarget) -> dict[str, Any]:
    """Return which secret the button of its page replaces."""
    return {"secret": target.secret}


def _logged_target(target: WebhookTarget) -> dict[str, Any]:
    return {
        "name": target.name,
        "address": target.place,
        "form": str(target.form),
        "events": target.events or "all",
        "on": target.is_on,
    }


def post(url: str, body: str, headers: Mapping[str, str]) -> Reply:
    """Send one request. Raises NotDelivered if there is no response or the address isn't allowed."""
    private = settings.WEBHOOKS_MAY_BE_PRIVATE
    try:
        target = parse_target(url, may_be_private=private)
    except BadUrl as error:
        raise NotDelivered(str(error)) from error
    with slow_work.slot():
        return gateway.post(target, body, headers, seconds=settings.WEBHOOK_TIMEOUT_SECONDS, may_be_private=private)
