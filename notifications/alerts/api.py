"""API operations on alerts: list, read, acknowledge, mute."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from audit.core import OBJECT_TYPES
from inbound_admin.lib.api.schemas import In, Moment, Out, Page, Paged, Text, page_of
from inbound_admin.lib.api.validation import require_choice
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.lists import exactly
from notifications.alerts import services
from notifications.alerts.selectors import IN_STATE, alerts_for
from notifications.models.alerts import Alert

router = call_router("Alerts")


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
    customer_id: str | None
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


@router.get("/v2/alerts", **reads(Page[AlertOut]), summary="List alerts")
def list_alerts(request: HttpRequest, query: Annotated[AlertFilters, Query()]) -> Page[AlertOut]:
    """Return alerts, newest first. Without `state`, those that are open and not acknowledged."""
    seen = alerts_for(caller(request))
    occurring = seen.filter(object_type=query.object_type)
    require_choice(query.object_type or "", OBJECT_TYPES, "objectType", occurring=occurring)
    asked = exactly(object_type=query.object_type or None, object_id=query.object_id or None)
    found = seen.filter(asked, IN_STATE[query.state])
    rows, pagination = page_of(found.order_by("-since", "-id"), query)
    return Page[AlertOut](data=[_alert(row) for row in rows], pagination=pagination)


@router.get("/v2/alerts/{alert_id}", **reads(AlertOut), summary="Get an alert")
def get_alert(request: HttpRequest, alert_id: str) -> AlertOut:
    """Return one alert: what is wrong, why, since when, and who handles it."""
    return _alert(_found(request, alert_id))


@router.post("/v2/alerts/{alert_id}/acknowledge", **writes(AlertOut), summary="Acknowledge an alert")
def acknowledge_alert(request: HttpRequest, alert_id: str) -> AlertOut:
    """Show that you handle an alert. Others see your email address.

    422 `ALERT_OVER` if it is resolved. 403 for alerts that are for other people.
    """
    services.acknowledge(alert=_found(request, alert_id), actor=caller(request))
    return _alert(_found(request, alert_id))


@router.put("/v2/alerts/{alert_id}/mute", **writes(AlertOut), summary="Mute an alert")
def mute_alert(request: HttpRequest, alert_id: str, asked: MuteWanted) -> AlertOut:
    """Stop notifications of an alert until a time, at most 90 days ahead.

    If the problem still exists then, you are notified. A resolved alert is muted for the case that the problem comes
    back. 422 `TIME_WITHOUT_ZONE` or `ALERT_MUTE`.
    """
    if asked.until.tzinfo is None:
        raise Refused("Include the time zone, for example 2026-05-04T12:00:00Z.", code="TIME_WITHOUT_ZONE")
    services.mute(alert=_found(request, alert_id), until=asked.until, actor=caller(request))
    return _alert(_found(request, alert_id))


@router.delete("/v2/alerts/{alert_id}/mute", **writes(AlertOut), summary="Unmute an alert")
def unmute_alert(request: HttpRequest, alert_id: str) -> AlertOut:
    """Turn notifications of an alert on again."""
    services.unmute(alert=_found(request, alert_id), actor=caller(request))
    return _alert(_found(request, alert_id))


def _found(request: HttpRequest, alert_id: str) -> Alert:
    return get_object_or_404(alerts_for(caller(request)), pk=alert_id)


def _alert(row: Alert) -> AlertOut:
    fields: dict[str, Any] = {
        name: getattr(row, name)
        for name in ("id", "kind", "words", "why", "object_type", "object_id", "object_name", "since", "looked_at")
    }
    return AlertOut(
        **fields,
        severity=str(row.severity),
        state=str(row.state),
        customer_id=row.customer_id or None,
        for_staff=bool(row.permission),
        raised_at=row.raised_at,
        recovered_at=row.recovered_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by.email if row.acknowledged_by else None,
        muted_until=row.muted_until,
    )
