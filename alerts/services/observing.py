"""Looks at conditions become alerts: raised once, told once, recovered once."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from alerts.core.audiences import Audience, CustomerPeople, Staff
from alerts.core.kinds import Severity, kind_named
from alerts.core.watching import Effect, State, Watch, look
from alerts.models import LIVE, Alert
from alerts.selectors.inbox import is_muted
from alerts.services import noticing
from changes.services import Subject


@transaction.atomic
def observe(
    *,
    kind: str,
    about: Subject,
    firing: bool,
    why: str,
    severity: str,
    audience: Audience,
    now: datetime | None = None,
) -> Effect:
    """To be called at each look, not at a change alone; a look that failed is none. Says what it came to."""
    now = now or timezone.now()
    _close_for_others(kind, about, audience)
    alert = _locked(kind, about, audience)
    if alert is None and firing:
        _suspect(kind, about, audience, severity, now)
        alert = _locked(kind, about, audience)
    if alert is None:
        return Effect.NOTHING
    if firing:
        alert.why, alert.severity, alert.object_name = why, Severity(severity), about.name
    return _advance(alert, firing, now)


@transaction.atomic
def forget(*, about: Subject) -> None:
    """The thing is gone: what was open of it is over, and nobody is told."""
    _end(Alert.objects.filter(object_type=about.type, object_id=about.id, state__in=LIVE))


def _advance(alert: Alert, firing: bool, now: datetime) -> Effect:
    before = Watch(State(alert.state), alert.since, alert.looks, alert.clear)
    after, effect = look(before if alert.looks else None, firing=firing, kind=kind_named(alert.kind), now=now)
    if after is None:
        alert.delete()
        return effect
    alert.state, alert.looks, alert.clear, alert.looked_at = after.state, after.looks, after.clear, now
    if effect is Effect.RAISED:
        alert.raised_at = now
    if effect is Effect.RECOVERED:
        alert.recovered_at = now
    _tell(alert, effect, now)
    alert.save()
    return effect


def _tell(alert: Alert, effect: Effect, now: datetime) -> None:
    """What is muted is told when the mute is over and it is still there; of its end only who was told hears."""
    if is_muted(alert, now):
        return
    if effect is Effect.RECOVERED:
        noticing.tell_recovered(alert, now=now)
    elif alert.state == State.OPEN and alert.told_at is None:
        alert.told_at = now
        noticing.tell_raised(alert, now=now)


def _suspect(kind: str, about: Subject, audience: Audience, severity: str, now: datetime) -> None:
    """Where another process was quicker, its row is taken. A mute outlives the alert that it was set on."""
    whom = _columns(audience)
    earlier = Alert.objects.filter(kind=kind, object_type=about.type, object_id=about.id, **whom)
    muted_until = earlier.exclude(muted_until=None).order_by("-since").values_list("muted_until", flat=True).first()
    row = Alert(
        kind=kind,
        object_type=about.type,
        object_id=about.id,
        object_name=about.name,
        about_customer_id=about.customer_id,
        severity=Severity(severity),
        state=State.SUSPECTED,
        since=now,
        looked_at=now,
        muted_until=muted_until,
        **whom,
    )
    Alert.objects.bulk_create([row], ignore_conflicts=True)


def _locked(kind: str, about: Subject, audience: Audience) -> Alert | None:
    live = Alert.objects.filter(kind=kind, object_type=about.type, object_id=about.id, state__in=LIVE)
    return live.select_for_update(of=("self",)).filter(**_columns(audience)).first()


def _close_for_others(kind: str, about: Subject, audience: Audience) -> None:
    """The thing has gone to another customer: what its former owner was told of is not theirs any more."""
    if isinstance(audience, CustomerPeople):
        others = Alert.objects.filter(kind=kind, object_type=about.type, object_id=about.id, state__in=LIVE)
        _end(others.exclude(customer_id=audience.customer_id).exclude(customer_id=""))


def _end(alerts: Any) -> None:
    alerts.filter(state=State.SUSPECTED).delete()
    alerts.update(state=State.RECOVERED, recovered_at=timezone.now())


def _columns(audience: Audience) -> dict[str, Any]:
    if isinstance(audience, Staff):
        return {"permission": audience.permission, "customer_id": "", "person": None}
    if isinstance(audience, CustomerPeople):
        return {"permission": "", "customer_id": audience.customer_id, "person": None}
    return {"permission": "", "customer_id": "", "person_id": audience.user_id}
