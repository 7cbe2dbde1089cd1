"""Alerts as a person may see them."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from alerts.core.watching import State
from alerts.models import Alert
from alerts.selectors.people import customers_of, supports_everyone

SHOWN = (State.OPEN, State.RECOVERED)  # a suspicion is no news yet


def alerts_for(viewer: Any) -> "QuerySet[Alert]":
    """All that the viewer may see: their own, and for staff who support them those of every customer."""
    seen = _own(viewer)
    if supports_everyone(viewer):
        seen |= ~Q(customer_id="")
    return Alert.objects.filter(seen, state__in=SHOWN).select_related("acknowledged_by")


def own_alerts_for(viewer: Any) -> "QuerySet[Alert]":
    """Those that are for the viewer, who may acknowledge and mute them."""
    return Alert.objects.filter(_own(viewer), state__in=SHOWN).select_related("acknowledged_by")


def number_unanswered(viewer: Any) -> int:
    """Open, for the viewer, not muted, and taken up by nobody: what the bell counts."""
    if not viewer.is_authenticated:
        return 0
    open_ = Alert.objects.filter(_own(viewer), state=State.OPEN, acknowledged_at=None)
    return open_.exclude(muted_until__gt=Now()).count()


def is_muted(alert: Alert, now: datetime) -> bool:
    return alert.muted_until is not None and alert.muted_until > now


def _own(viewer: Any) -> Q:
    if not viewer.is_active or viewer.pk is None:
        return Q(pk__in=())
    own = Q(person=viewer.pk) | Q(customer_id__in=customers_of(viewer))
    if viewer.is_staff:
        own |= Q(permission__in=viewer.get_all_permissions())
    return own
