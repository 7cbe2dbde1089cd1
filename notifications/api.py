"""Operations of the API about alerts and webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, chosen_customer, reads, shown_once, writes
from audit.core import OBJECT_TYPES
from inbound_admin.lib.api.schemas import Blank, In, Moment, Out, Page, Paged, Text, given, page_of
from inbound_admin.lib.api.validation import require_choice, require_id
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.lists import exactly
from notifications.alerts import services as alerts_services
from notifications.alerts.selectors import IN_STATE, alerts_for
from notifications.models.alerts import Alert
from notifications.models.webhooks import Delivery, WebhookTarget
from notifications.webhooks import services as webhooks_services
from notifications.webhooks.selectors import deliveries_for, managed_of, may_manage, targets_for

# API operations on alerts: list, read, acknowledge, mute.


alerts = call_router("Alerts")


class AlertOut(Out):
    """`state` is open or recovered. `forStaff`: for staff, otherwise for the customer's members or one person."""

    id: str
    kind: str
    words: str
    severity: str
    state: str
    why: str
    object_type: str
    object_id: str
    object_name: str
    customer_id: Blank
    for_staff: bool
    since: datetime
    looked_at: datetime
    raised_at: datetime | None
    recovered_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    muted_until: datetime | None


class AlertFilters(Paged):
    state: Literal["open", "acknowledged", "recovered", "all"] = Field(
        "open", description="open excludes acknowledged alerts"
    )
    object_type: Text | None = Field(None, description="What the alert is about: domain, tenant, quota and others")
    object_id: Text | None = Field(None, description="The ID of what the alert is about")


class MuteWanted(In):
    """At most 90 days ahead, with its time zone."""

    until: Moment


@alerts.get("/v2/alerts", **reads(Page[AlertOut]), summary="List alerts")
def list_alerts(request: HttpRequest, query: Annotated[AlertFilters, Query()]) -> Page[AlertOut]:
    """Return alerts, newest first. Without `state`, those that are open and not acknowledged."""
    seen = alerts_for(caller(request))
    occurring = seen.filter(object_type=query.object_type)
    require_choice(query.object_type or "", OBJECT_TYPES, "objectType", occurring=occurring)
    asked = exactly(object_type=query.object_type or None, object_id=query.object_id or None)
    found = seen.filter(asked, IN_STATE[query.state])
    rows, pagination = page_of(found.order_by("-since", "-id"), query)
    return Page[AlertOut](data=[_alert(row) for row in rows], pagination=pagination)


@alerts.get("/v2/alerts/{alert_id}", **reads(AlertOut), summary="Get an alert")
def get_alert(request: HttpRequest, alert_id: str) -> AlertOut:
    """Return one alert: what is wrong, why, since when, and who handles it."""
    return _alert(_found(request, alert_id))


@alerts.post("/v2/alerts/{alert_id}/acknowledge", **writes(AlertOut), summary="Acknowledge an alert")
def acknowledge_alert(request: HttpRequest, alert_id: str) -> AlertOut:
    """Show that you handle an alert. Others see your email address.

    422 `ALERT_OVER` if it is resolved. 403 for alerts that are for other people.
    """
    alerts_services.acknowledge(alert=_found(request, alert_id), actor=caller(request))
    return _alert(_found(request, alert_id))


@alerts.put("/v2/alerts/{alert_id}/mute", **writes(AlertOut), summary="Mute an alert")
def mute_alert(request: HttpRequest, alert_id: str, asked: MuteWanted) -> AlertOut:
    """Stop notifications of an alert until a time, at most 90 days ahead.

    If the problem still exists then, you are notified. A resolved alert is muted for the case that the problem comes
    back. 422 `TIME_WITHOUT_ZONE` or `ALERT_MUTE`.
    """
    if asked.until.tzinfo is None:
        raise Refused("Include the time zone, for example 2026-05-04T12:00:00Z.", code="TIME_WITHOUT_ZONE")
    alerts_services.mute(alert=_found(request, alert_id), until=asked.until, actor=caller(request))
    return _alert(_found(request, alert_id))


@alerts.delete("/v2/alerts/{alert_id}/mute", **writes(AlertOut), summary="Unmute an alert")
def unmute_alert(request: HttpRequest, alert_id: str) -> AlertOut:
    """Turn notifications of an alert on again."""
    alerts_services.unmute(alert=_found(request, alert_id), actor=caller(request))
    return _alert(_found(request, alert_id))


def _found(request: HttpRequest, alert_id: str) -> Alert:
    return get_object_or_404(alerts_for(caller(request)), pk=alert_id)


def _alert(row: Alert) -> AlertOut:
    by = row.acknowledged_by.email if row.acknowledged_by else None
    return AlertOut.of(row, for_staff=bool(row.permission), acknowledged_by=by)


# API operations on webhooks: targets, secrets and deliveries.


webhooks = call_router("Webhooks")
Format = Literal["standard", "slack"]
Name = Annotated[Text, Field(min_length=1, max_length=120)]
MOST_EVENTS = 50
REPEATED = "How to get a new secret. Only in the response to a repeated Idempotency-Key, which lacks the secret"


class WebhookOut(Out):
    """`url` is returned to those who can manage it; others get its host. No chosen events means all events.

    Tokens in it are masked. Sending a masked URL back keeps the stored one.
    """

    id: str
    name: str
    url: str
    format: str
    events: list[str]
    customer_id: Blank
    owner: Literal["customer", "person", "staff"]
    is_on: bool
    off_because: Blank
    failing_since: datetime | None
    last_success_at: datetime | None
    created_at: datetime
    may_manage: bool
    secret: str | None = Field(None, description="Returned once, when it is created")
    secret_message: str | None = Field(None, description=REPEATED)


class WebhookWanted(In):
    """For a customer, for the caller (their alerts), or for staff (all events)."""

    name: Name
    url: Text
    format: Format = "standard"
    events: Annotated[list[Text], Field(max_length=MOST_EVENTS)] = Field(default_factory=list)
    owner: Literal["customer", "person", "staff"] = "customer"
    customer_id: Text | None = None


class WebhookChanged(In):
    """Absent members are unchanged. Turning it off cancels pending deliveries."""

    name: Name | None = None
    url: Text | None = None
    events: Annotated[list[Text], Field(max_length=MOST_EVENTS)] | None = None
    is_on: bool | None = None


class WebhookRemovedOut(Out):
    id: str
    message: str


class SecretOut(Out):
    id: str
    secret: str | None = Field(description="Null only in the response to a repeated Idempotency-Key")
    secret_message: Annotated[str | None, Field(description=REPEATED)] = None
    old_secret_until: datetime | None = Field(description="Until then messages are signed with the old secret too")


class DeliveryOut(Out):
    id: str
    webhook_id: str
    event_id: str = Field(description="The `webhook-id` of every attempt")
    event: str
    words: str
    state: str
    attempts_made: int
    next_attempt_at: datetime | None
    created_at: datetime
    done_at: datetime | None
    again: bool = Field(description="Whether a redelivery was requested")


class AttemptOut(Out):
    """An attempt without a result was interrupted and may have arrived."""

    started_at: datetime
    finished_at: datetime | None
    status: int | None
    problem: Blank
    answer: str


class DeliveryOne(DeliveryOut):
    body: str
    attempts: list[AttemptOut] = Field(description="The last fifty")


DeliveryShown = TypeVar("DeliveryShown", bound=DeliveryOut)


class DeliveryFilters(Paged):
    webhook_id: Text | None = Field(None, description="A webhook that you can see")
    state: Literal["waiting", "delivered", "given_up", "cancelled"] | None = Field(None, description="Its state")


@webhooks.get("/v2/webhooks", **reads(Page[WebhookOut]), summary="List webhooks")
def list_webhooks(request: HttpRequest, query: Annotated[Paged, Query()]) -> Page[WebhookOut]:
    """Return the webhooks that you can see: your customers', your own, and for staff those of the installation."""
    viewer = caller(request)
    rows, pagination = page_of(targets_for(viewer).order_by("customer_id", "name", "id"), query)
    manages = managed_of(viewer, rows)
    return Page[WebhookOut](data=[_webhook(row, manages=row.pk in manages) for row in rows], pagination=pagination)


@webhooks.post("/v2/webhooks", **writes(WebhookOut, status=201), summary="Add a webhook")
def add_webhook(request: HttpRequest, asked: WebhookWanted) -> Status[WebhookOut]:
    """Add a webhook, and return its secret. The secret is returned only now.

    Without `events` it gets all of them. Refused: 422 `WEBHOOK_URL` unless the URL is https and its host is public,
    `WEBHOOK_EVENTS`, `WEBHOOK_NAME`, `WEBHOOK_TOO_MANY`, 409 `WEBHOOK_THERE`, 403 unless you are an owner.
    """
    actor = caller(request)
    customer = chosen_customer(actor, asked.customer_id).pk if asked.owner == "customer" else ""
    made = webhooks_services.add_target(
        name=asked.name,
        url=asked.url,
        form=asked.format,
        events=asked.events,
        actor=actor,
        customer_id=customer,
        own=asked.owner == "person",
    )
    return Status(201, _webhook(made.target, manages=True, secret=shown_once(request, made.secret)))


@webhooks.get("/v2/webhooks/deliveries", **reads(Page[DeliveryOut]), summary="List webhook deliveries")
def list_webhook_deliveries(request: HttpRequest, query: Annotated[DeliveryFilters, Query()]) -> Page[DeliveryOut]:
    """Return what was or will be sent to your webhooks, newest first.

    400 `WEBHOOK_MISSING` for a `webhookId` that you can't see.
    """
    require_id(query.webhook_id, targets_for(caller(request)), "webhookId", "webhook")
    asked = exactly(target=query.webhook_id, state=query.state)
    found = deliveries_for(caller(request)).filter(asked)
    rows, pagination = page_of(found, query)
    return Page[DeliveryOut](data=[_delivery(DeliveryOut, row) for row in rows], pagination=pagination)


@webhooks.get("/v2/webhooks/deliveries/{delivery_id}", **reads(DeliveryOne), summary="Get a webhook delivery")
def get_webhook_delivery(request: HttpRequest, delivery_id: str) -> DeliveryOne:
    """Return one delivery with its body and its last 50 attempts."""
    row = _found_delivery(request, delivery_id)
    attempts = [AttemptOut.of(each) for each in row.attempts.all()[:50]]
    return _delivery(DeliveryOne, row, attempts=attempts)


@webhooks.post(
    "/v2/webhooks/deliveries/{delivery_id}/redeliver", **writes(DeliveryOut, status=202), summary="Redeliver an event"
)
def redeliver_webhook(request: HttpRequest, delivery_id: str) -> Status[DeliveryOut]:
    """Send an event again, with the same `webhook-id`.

    Returns 202 with the new delivery, whose `state` shows the result. 422 `WEBHOOK_OFF`, or `WEBHOOK_WAITING` if it
    is already queued.
    """
    again = webhooks_services.deliver_again(delivery=_found_delivery(request, delivery_id), actor=caller(request))
    return Status(202, _delivery(DeliveryOut, _found_delivery(request, again.pk)))


@webhooks.get("/v2/webhooks/{webhook_id}", **reads(WebhookOut), summary="Get a webhook")
def get_webhook(request: HttpRequest, webhook_id: str) -> WebhookOut:
    """Return one webhook. Only those who can manage it see the URL."""
    row = _target(request, webhook_id)
    return _webhook(row, manages=may_manage(caller(request), row))


@webhooks.patch("/v2/webhooks/{webhook_id}", **writes(WebhookOut), summary="Change a webhook")
def change_webhook(request: HttpRequest, webhook_id: str, asked: WebhookChanged) -> WebhookOut:
    """Change the name, the URL or the events of a webhook, or turn it on or off.

    Absent members are unchanged. Turning it off cancels pending deliveries. 422 `WEBHOOK_URL`, `WEBHOOK_EVENTS` or
    `WEBHOOK_NAME`.
    """
    row = _target(request, webhook_id)
    return _webhook(
        webhooks_services.change_target(target=row, actor=caller(request), **asked.model_dump()), manages=True
    )


@webhooks.delete("/v2/webhooks/{webhook_id}", **writes(WebhookRemovedOut), summary="Remove a webhook")
def remove_webhook(request: HttpRequest, webhook_id: str) -> WebhookRemovedOut:
    """Remove a webhook with its delivery log."""
    row = _target(request, webhook_id)
    webhooks_services.remove_target(target=row, actor=caller(request))
    return WebhookRemovedOut(id=webhook_id, message=f"{row.name} removed.")


@webhooks.post("/v2/webhooks/{webhook_id}/secret", **writes(SecretOut), summary="Rotate the secret of a webhook")
def rotate_webhook_secret(request: HttpRequest, webhook_id: str) -> SecretOut:
    """Create a new secret, and return it. It is returned only now.

    For a day, messages are signed with both secrets. 422 `WEBHOOK_UNSIGNED` for Slack.
    """
    row = _target(request, webhook_id)
    secret = shown_once(request, webhooks_services.make_new_secret(target=row, actor=caller(request)))
    row.refresh_from_db()
    return SecretOut(id=row.pk, secret=secret, old_secret_until=row.old_secret_until)


@webhooks.post("/v2/webhooks/{webhook_id}/test", **writes(DeliveryOut, status=202), summary="Test a webhook")
def test_webhook(request: HttpRequest, webhook_id: str) -> Status[DeliveryOut]:
    """Send a test event to a webhook.

    Returns 202 with the delivery, whose `state` shows the result. 422 `WEBHOOK_OFF`.
    """
    made = webhooks_services.send_test(target=_target(request, webhook_id), actor=caller(request))
    return Status(202, _delivery(DeliveryOut, _found_delivery(request, made.pk)))


def _target(request: HttpRequest, webhook_id: str) -> WebhookTarget:
    return get_object_or_404(targets_for(caller(request)), pk=webhook_id)


def _found_delivery(request: HttpRequest, delivery_id: str) -> Delivery:
    return get_object_or_404(deliveries_for(caller(request)), pk=delivery_id)


def _webhook(row: WebhookTarget, *, manages: bool, secret: str = "") -> WebhookOut:
    return WebhookOut.of(
        row,
        url=row.shown_url if manages else row.place,
        format=str(row.form),
        owner="person" if row.person_id is not None else "staff" if row.is_of_staff else "customer",
        may_manage=manages,
        **given(secret=secret),
    )


def _delivery(form: type[DeliveryShown], row: Delivery, **more: Any) -> DeliveryShown:
    return form.of(
        row,
        webhook_id=row.target_id,
        event=row.event.event,
        words=row.event.words,
        again=row.again_by_id is not None,
        **more,
    )
