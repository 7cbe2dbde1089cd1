"""Webhook targets: added, changed, given a new secret, tried, switched off, removed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.core.events import TEST, events_for
from alerts.core.payloads import Format
from alerts.core.target_urls import BadUrl, parse_target
from alerts.models import Delivery, DeliveryState, WebhookTarget
from alerts.selectors.webhooks import may_manage
from alerts.services import happening, sealing
from alerts.services.owning import subject, switched_on_again
from changes import services as changes
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.masking import MASK

MOST_TARGETS = 10  # of one owner: each event makes a row and a job for every one
OLD_SECRET_FOR = timedelta(hours=24)
TEST_EVERY = timedelta(seconds=10)


class NotAllowed(Refused):
    code = "NOT_ALLOWED"
    status = 403


@dataclass(frozen=True)
class Made:
    """`secret` is never to be had again; empty for a format that is not signed."""

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
    """Of the customer, of the actor alone (`own`), or of our staff. Raises Refused, also for a used `target_id`."""
    target = WebhookTarget(customer_id=customer_id, person=actor if own else None, form=Format(form), created_by=actor)
    target.pk = target_id or target.pk
    _require(actor, target)
    if WebhookTarget.objects.filter(pk=target.pk).exists():
        raise Refused("It was added already; the list of webhooks has it.", code="WEBHOOK_THERE")
    _put(target, name=name, url=url, events=events)
    if _siblings(target).count() >= MOST_TARGETS:
        raise Refused(f"There are {MOST_TARGETS} webhooks already. Remove one first.", code="WEBHOOK_TOO_MANY")
    secret = sealing.new_secret() if target.form == Format.STANDARD else ""
    target.secret = sealing.seal(secret) if secret else ""
    target.save(force_insert=True)
    changes.record("webhook.added", about=subject(target), actor=actor, after=_told(target), for_staff=_hidden(target))
    return Made(target, secret)


@transaction.atomic
def change_target(
    *, target: WebhookTarget, name: str, url: str, events: Iterable[str], is_on: bool, actor: Any
) -> WebhookTarget:
    """Switching on again forgets the failures. Raises Refused."""
    locked = _locked(target, actor)
    before, was_on = _told(locked), locked.is_on
    _put(locked, name=name, url=url, events=events)
    locked.is_on = is_on
    if is_on and not was_on:
        locked.off_because, locked.failing_since = "", None
        switched_on_again(locked)
    if was_on and not is_on:
        cancel_waiting(locked)
    locked.save()
    changes.record(
        "webhook.changed",
        about=subject(locked),
        actor=actor,
        before=before,
        after=_told(locked),
        for_staff=_hidden(locked),
    )
    return locked


@transaction.atomic
def make_new_secret(*, target: WebhookTarget, actor: Any) -> str:
    """The new one is told this once; the old one signs beside it for a day. Raises Refused."""
    locked = _locked(target, actor)
    if locked.form != Format.STANDARD:
        raise Refused("Messages for Slack are not signed, so there is no secret.", code="WEBHOOK_UNSIGNED")
    secret = sealing.new_secret()
    locked.old_secret, locked.old_secret_until = locked.secret, timezone.now() + OLD_SECRET_FOR
    locked.secret = sealing.seal(secret)
    locked.save(update_fields=("secret", "old_secret", "old_secret_until"))
    after = {"old_secret_signs_until": f"{locked.old_secret_until:%-d %B %Y, %H:%M} UTC"}
    changes.record("webhook.new_secret", about=subject(locked), actor=actor, after=after, for_staff=_hidden(locked))
    return secret


@transaction.atomic
def send_test(*, target: WebhookTarget, actor: Any) -> Delivery:
    """Raises Refused; RateLimited for another within seconds."""
    locked = _locked(target, actor)
    if not locked.is_on:
        raise Refused("The webhook is switched off. Switch it on first.", code="WEBHOOK_OFF")
    _not_too_often(locked)
    about = subject(locked)
    data = {"why": "Somebody asked for this test; nothing has happened."}
    event = happening.store(event=TEST, about=about, data=data, for_staff=not locked.customer_id, now=timezone.now())
    delivery = happening.deliver(event, [locked])[0]
    after = {"delivery": delivery.pk}
    changes.record("webhook.tested", about=subject(locked), actor=actor, after=after, for_staff=_hidden(locked))
    return delivery


def _not_too_often(target: WebhookTarget) -> None:
    """Else the button would be a way to make us knock at somebody's door without an end."""
    lately = timezone.now() - TEST_EVERY
    if Delivery.objects.filter(target=target, event__event=TEST, created_at__gt=lately).exists():
        seconds = round(TEST_EVERY.total_seconds())
        raise RateLimited(f"A test can be sent every {seconds} seconds.", retry_after=seconds)


@transaction.atomic
def deliver_again(*, delivery: Delivery, actor: Any) -> Delivery:
    """The same event once more, under the same `webhook-id`, as a delivery of its own. Raises Refused."""
    locked = _locked(delivery.target, actor)
    if not locked.is_on:
        raise Refused("The webhook is switched off. Switch it on first.", code="WEBHOOK_OFF")
    if Delivery.objects.filter(target=locked, event=delivery.event_id, state=DeliveryState.WAITING).exists():
        raise Refused("It is on its way already.", code="WEBHOOK_WAITING")
    again = happening.deliver(delivery.event, [locked])[0]
    Delivery.objects.filter(pk=again.pk).update(again_by=actor)
    changes.record(
        "webhook.delivered_again",
        about=subject(locked),
        actor=actor,
        after={"event": delivery.event.event, "delivery": again.pk},
        for_staff=_hidden(locked),
    )
    return again


@transaction.atomic
def remove_target(*, target: WebhookTarget, actor: Any) -> None:
    """With its log. Raises Refused."""
    locked = _locked(target, actor)
    about, before = subject(locked), _told(locked)
    switched_on_again(locked)
    changes.record("webhook.removed", about=about, actor=actor, before=before, for_staff=_hidden(locked))
    locked.delete()


def cancel_waiting(target: WebhookTarget) -> None:
    waiting = Delivery.objects.filter(target=target, state=DeliveryState.WAITING)
    waiting.update(state=DeliveryState.CANCELLED, next_attempt_at=None, done_at=timezone.now())


def _put(target: WebhookTarget, *, name: str, url: str, events: Iterable[str]) -> None:
    target.name, target.events = " ".join(name.split()), list(dict.fromkeys(events))
    _put_url(target, url.strip())
    if not target.name or len(target.name) > 120:
        raise Refused("A webhook needs a name of at most 120 characters.", code="WEBHOOK_NAME")
    if unknown := set(target.events) - set(events_for(staff=target.is_of_staff)):
        raise Refused(f"There is no event {sorted(unknown)[0][:80]} to choose here.", code="WEBHOOK_EVENTS")


def _put_url(target: WebhookTarget, url: str) -> None:
    """As it is shown, it stays as it is stored."""
    if target.sealed_url and url == target.shown_url:
        return
    if MASK in url:
        raise Refused(f"A part of the address is masked ({MASK}). Give the whole address.", code="WEBHOOK_URL")
    try:
        parse_target(url, may_be_private=settings.WEBHOOKS_MAY_BE_PRIVATE)
    except BadUrl as error:
        raise Refused(str(error), code="WEBHOOK_URL") from error
    target.url = url


def _require(actor: Any, target: WebhookTarget) -> None:
    if not may_manage(actor, target):
        raise NotAllowed("Webhooks are looked after by the owners of an organisation, and by operators for our own.")


def _locked(target: WebhookTarget, actor: Any) -> WebhookTarget:
    _require(actor, target)
    try:
        return WebhookTarget.objects.select_for_update(of=("self",)).get(pk=target.pk)
    except WebhookTarget.DoesNotExist as error:
        raise Refused("This webhook was removed.", code="WEBHOOK_GONE") from error


def _siblings(target: WebhookTarget) -> Any:
    return WebhookTarget.objects.filter(customer_id=target.customer_id, person=target.person)


def _told(target: WebhookTarget) -> dict[str, Any]:
    return {
        "name": target.name,
        "address": target.place,
        "form": str(target.form),
        "events": target.events or "all",
        "on": target.is_on,
    }


def _hidden(target: WebhookTarget) -> bool:
    """What is not of a customer is in no customer's history."""
    return not target.customer_id
