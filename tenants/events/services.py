"""Receives tenant events from EventBridge through an SNS topic. An event never sets a status: it causes a read.

Anyone who finds the URL can post to it. So a message is checked in this order: the topic is ours, AWS signed it, it is
recent, and it is new. Certificates are fetched only from SNS.
"""

import hashlib
import json
from datetime import datetime
from enum import StrEnum

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from inbound_admin.lib import lanes
from inbound_admin.lib.errors import RateLimited
from inbound_admin.lib.lanes import WorkLane
from tenants import jobs
from tenants.events import core, gateway
from tenants.events.core import Message, Untrusted
from tenants.models.reputation import SesEvent
from tenants.reputation import selectors as reputation_selectors

CERTIFICATE_KEPT_SECONDS = 24 * 60 * 60
FETCHES_A_MINUTE = 10

log = structlog.get_logger(__name__)


class EventEffect(StrEnum):
    """Outcome of a message."""

    READ = "triggered a read from SES"
    CONFIRMING = "confirming the subscription"
    CONFIRMED = "confirmed"
    ENDED = "subscription ended"
    UNKNOWN = "unknown tenant"
    IGNORED = "ignored"
    OLD = "too old"
    REPEATED = "duplicate"


def receive_message(body: bytes, *, now: datetime) -> EventEffect:
    """Process a message from SNS. Raises Untrusted, or AwsProblem or RateLimited if SNS should retry."""
    message = _trusted(body, now)
    if core.is_old(message, now):
        return EventEffect.OLD
    if message.type == core.CONFIRMATION:
        return _confirm(message)
    with transaction.atomic():
        if not _stored(message, EventEffect.IGNORED)[1]:  # of two at the same moment, one waits for the other
            return EventEffect.REPEATED
        effect = _finished(message) if message.type == core.END else _queue_reads(message)
        SesEvent.objects.filter(pk=message.id).update(effect=effect)
    return effect


def _trusted(body: bytes, now: datetime) -> Message:
    try:
        message = core.read_message(json.loads(body))
    except (ValueError, RecursionError) as problem:
        raise Untrusted("The body is not JSON.") from problem
    if message.topic not in settings.SNS_TOPIC_ARNS:
        raise Untrusted("The topic is not in SNS_TOPIC_ARNS.")
    core.check_urls(message)
    core.check_signature(message, _certificate(message.certificate_url, now), now)
    return message


def _certificate(url: str, now: datetime) -> bytes:
    """Return the certificate, cached for a day.

    The fetches in a minute are limited, since forged messages name new URLs.
    """
    key = f"sns-certificate:{hashlib.sha256(url.encode()).hexdigest()}"
    held: bytes | None = cache.get(key)
    if held is not None:
        return held
    counter = f"sns-certificates-fetched:{now:%Y%m%d%H%M}"  # incrementing renews a key's expiry
    cache.add(counter, 0, 120)
    if cache.incr(counter) > FETCHES_A_MINUTE:
        raise RateLimited("Too many different certificates in this minute.", retry_after=60)
    fetched = gateway.fetch_certificate(url)
    cache.set(key, fetched, CERTIFICATE_KEPT_SECONDS)
    return fetched


def _stored(message: Message, effect: EventEffect) -> tuple[SesEvent, bool]:
    """Return the stored message, and whether it is new."""
    fields = {"topic": message.topic, "kind": message.type, "effect": effect, "sent_at": message.sent_at}
    return SesEvent.objects.get_or_create(pk=message.id, defaults=fields)


def _confirm(message: Message) -> EventEffect:
    """Confirm the subscription. An unfinished attempt is repeated, since confirming twice is harmless."""
    held, _ = _stored(message, EventEffect.CONFIRMING)
    if held.effect == EventEffect.CONFIRMED:
        return EventEffect.REPEATED
    gateway.confirm_subscription(message.subscribe_url)
    SesEvent.objects.filter(pk=message.id).update(effect=EventEffect.CONFIRMED)
    return EventEffect.CONFIRMED


def _finished(message: Message) -> EventEffect:
    log.error("amazon will send no more events", topic=message.topic)
    return EventEffect.ENDED


def _queue_reads(message: Message) -> EventEffect:
    event = core.read_event(message.text)
    if event is None:
        return EventEffect.IGNORED
    about = ", ".join(event.names)[:300]
    SesEvent.objects.filter(pk=message.id).update(kind=event.kind, about=about)
    tenants = list(reputation_selectors.named(event.names)) if event.region == settings.AWS_REGION else []
    with lanes.within(WorkLane.LOOKS):  # events come in thousands, and nobody waits for one
        for tenant in tenants:
            jobs.queue_read(tenant)
            if event.is_of_findings:
                jobs.queue_recommendations_sync(tenant)
    if len(tenants) == 1:
        SesEvent.objects.filter(pk=message.id).update(tenant=tenants[0])
    return EventEffect.READ if tenants else EventEffect.UNKNOWN
