"""What people do about an alert: take it up, or have it kept quiet for a while."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from alerts.core.watching import State
from alerts.models import Alert
from alerts.selectors.inbox import own_alerts_for
from changes import services as changes
from changes.services import Subject
from inbound_admin.lib.errors import Refused

LONGEST_MUTE_DAYS = 90


def subject(alert: Alert) -> Subject:
    """What the change log calls an alert: the thing that it is about."""
    return Subject(alert.object_type, alert.object_id, alert.object_name, alert.customer_id)


@transaction.atomic
def acknowledge(*, alert: Alert, actor: Any) -> None:
    """Somebody looks after it. Doing it again changes nothing. Raises Refused."""
    locked = _locked(alert, actor)
    if locked.state != State.OPEN:
        raise Refused("It is over already.", code="ALERT_OVER")
    if locked.acknowledged_at is not None:
        return
    locked.acknowledged_at, locked.acknowledged_by = timezone.now(), actor
    locked.save(update_fields=("acknowledged_at", "acknowledged_by"))
    _record("alert.acknowledged", locked, actor, after={"alert": locked.words})


@transaction.atomic
def mute(*, alert: Alert, until: datetime, actor: Any) -> None:
    """Nobody is told of this condition of this thing until then, however often it comes back. Raises Refused."""
    locked = _locked(alert, actor)
    now = timezone.now()
    if not now < until <= now + timedelta(days=LONGEST_MUTE_DAYS):
        raise Refused(f"An alert is muted for at most {LONGEST_MUTE_DAYS} days.", code="ALERT_MUTE")
    before, locked.muted_until = locked.muted_until, until
    locked.save(update_fields=("muted_until",))
    _record("alert.muted", locked, actor, before={"until": _day(before)}, after={"until": _day(until)})


@transaction.atomic
def unmute(*, alert: Alert, actor: Any) -> None:
    """From the next look on it is told again. Raises Refused."""
    locked = _locked(alert, actor)
    if locked.muted_until is None:
        return
    before, locked.muted_until = locked.muted_until, None
    locked.save(update_fields=("muted_until",))
    _record("alert.unmuted", locked, actor, before={"until": _day(before)})


def _locked(alert: Alert, actor: Any) -> Alert:
    if not own_alerts_for(actor).filter(pk=alert.pk).exists():
        raise Refused("This alert is for others, who will answer it.", code="NOT_ALLOWED")
    return Alert.objects.select_for_update(of=("self",)).get(pk=alert.pk)


def _record(what: str, alert: Alert, actor: Any, **sides: Any) -> None:
    changes.record(what, about=subject(alert), actor=actor, for_staff=not alert.customer_id, **sides)


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
