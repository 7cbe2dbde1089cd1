"""Observe conditions, raise and resolve alerts, notify people, and store what people do about an alert.

An alert notifies once when raised and once when resolved, through the channels each person chose. People
acknowledge an alert or mute it for a while. `delete_expired` applies the retention.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.dispatch import receiver
from django.utils import timezone

from audit import services as audit_services
from audit.models import Change
from audit.services import Subject, acted_for_customer
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.freshness import oldest_kept
from notifications.alerts.core import (
    AlertSeverity,
    AlertState,
    Audience,
    ConditionState,
    CustomerPeople,
    Effect,
    Person,
    advance,
    kind_named,
)
from notifications.alerts.selectors import is_muted, may_receive, own_alerts_for, recipients_of
from notifications.email import services as email_services
from notifications.events import services as events_services
from notifications.events.core import RAISED, RECOVERED
from notifications.jobs import queue_emails
from notifications.models.alerts import LIVE, Alert, Notice, NotificationPreference
from notifications.models.webhooks import Delivery, DeliveryState, Event, WebhookTarget
from notifications.webhooks.selectors import targets_of


def notify_raised(alert: Alert, *, now: datetime) -> None:
    if alert.harmed is not None:  # it may have been sent before, and is worse now
        Notice.objects.filter(alert=alert, phase="raised").delete()
    event = _event(RAISED, alert, now)
    people = list(recipients_of(alert.audience))
    preferences = _preferences_of(person.pk for person in people)
    recipients = [person.pk for person in people if alert.kind not in preferences[person.pk].unwanted]
    email_services.queue_notices(alert, "raised", [(pk, preferences[pk].schedule) for pk in recipients], now)
    _deliver(event, WebhookTarget.objects.filter(person__in=recipients, is_on=True), preferences, now)


def notify_recovered(alert: Alert, *, now: datetime) -> None:
    """Notify only those who received the last notice, which also one that got worse while muted has had."""
    if alert.told_at is None and not (alert.notices.exists() or _raised_events(alert).exists()):
        return
    event = _event(RECOVERED, alert, now)
    Notice.objects.filter(alert=alert, phase="raised", sent_at=None).delete()
    notified = list(Notice.objects.filter(alert=alert, phase="raised").values_list("person_id", flat=True))
    targets = _notified_targets(alert)
    preferences = _preferences_of([*notified, *(target.person_id for target in targets)])
    email_services.queue_notices(alert, "recovered", [(pk, preferences[pk].schedule) for pk in notified], now)
    _deliver(event, targets, preferences, now)


def _event(name: str, alert: Alert, now: datetime) -> Any:
    """Send the event to webhooks of its customer and staff. A personal alert only goes to that person's webhooks."""
    whose = alert.customer_id if alert.person_id is None else alert.about_customer_id
    about = Subject(alert.object_type, alert.object_id, alert.object_name, whose)
    data = {
        "alert": alert.pk,
        "kind": alert.kind,
        "words": alert.words,
        "severity": str(alert.severity),
        "why": alert.why,
        "since": alert.since.isoformat(),
    }
    event = events_services.store(
        event=name, about=about, data=data, for_staff=not alert.customer_id, permission=alert.permission, now=now
    )
    if alert.person_id is None:
        events_services.deliver(event, targets_of(event))
    return event


def _notified_targets(alert: Alert) -> list[WebhookTarget]:
    """Return personal webhooks that got the first notice and are still on."""
    deliveries = Delivery.objects.filter(event__in=_raised_events(alert))
    targets = WebhookTarget.objects.filter(pk__in=deliveries.values("target"), person__isnull=False, is_on=True)
    customer_id = alert.about_customer_id
    return [
        each
        for each in targets.select_related("person")
        if each.person and may_receive(each.person, customer_id=customer_id, permission=alert.permission)
    ]


def _raised_events(alert: Alert) -> QuerySet[Event]:
    about = {"object_type": alert.object_type, "object_id": alert.object_id}
    return Event.objects.filter(event=RAISED, data__alert=alert.pk, **about)


Preferences = dict[int | None, NotificationPreference]


def _preferences_of(people: Iterable[int | None]) -> Preferences:
    """Return each person's settings; who has stored none has the defaults."""
    keys = [pk for pk in people if pk]
    stored = NotificationPreference.objects.filter(person__in=keys)
    found: Preferences = {pk: NotificationPreference(person_id=pk) for pk in keys}
    return found | {row.person_id: row for row in stored}


def _deliver(event: Event, targets: Iterable[WebhookTarget], preferences: Preferences, now: datetime) -> None:
    """Deliver to personal webhooks, after the quiet hours of their people."""
    for target in targets:
        events_services.deliver(event, [target], at=preferences[target.person_id].after_quiet_hours(now))


@transaction.atomic
def observe(
    *,
    kind: str,
    about: Subject,
    firing: bool,
    why: str,
    severity: str,
    audience: Audience | None = None,
    harmed: int | None = None,
    now: datetime | None = None,
) -> Effect:
    """Store the result of a check and return its effect. Call it for every check that didn't fail.

    `audience`: by default, the customer of the object.
    `harmed`: how many recipients are harmed. An alert with it is sent again when it gets worse: more of them, or a
    higher severity.
    """
    now, audience = now or timezone.now(), audience or CustomerPeople(about.customer_id)
    if isinstance(audience, CustomerPeople):
        _end(_of_former(about, audience.customer_id).filter(kind=kind))
    alert = _locked_watch(kind, about, audience)
    if alert is None and firing:
        _suspect(kind, about, audience, severity, now)
        alert = _locked_watch(kind, about, audience)
    if alert is None:
        return Effect.NOTHING
    if firing:
        _send_again_if_worse(alert, AlertSeverity(severity), harmed)
        alert.why, alert.severity, alert.object_name = why, AlertSeverity(severity), about.name
    return _advance(alert, firing, now)


def _send_again_if_worse(alert: Alert, severity: AlertSeverity, harmed: int | None) -> None:
    """Treat the alert as not sent if it is worse than when it was: whoever acknowledged it knows less."""
    if harmed is None:
        return
    before = alert.harmed or 0
    is_worse = harmed > before or (severity is AlertSeverity.HIGH and alert.severity != AlertSeverity.HIGH)
    if is_worse and alert.told_at is not None:
        alert.told_at = alert.acknowledged_at = alert.acknowledged_by = None
    alert.harmed = max(harmed, before)


@transaction.atomic
def announce(*, kind: str, about: Subject, people: Iterable[Any], why: str, now: datetime) -> None:
    """Notify people of news, resolved at once. Who can't see its object is left out."""
    told = {"why": why, "looks": 1, "raised_at": now, "told_at": now, "recovered_at": now}
    for person in people:
        if may_receive(person, customer_id=about.customer_id):
            alert = _new(kind, about, Person(person.pk), AlertSeverity.LOW, AlertState.RECOVERED, now, **told)
            alert.save()
            notify_raised(alert, now=now)


@transaction.atomic
def withdraw(*, kind: str, about: Subject) -> None:
    """Withdraw news about an object that was transferred, if nobody has received it yet."""
    unsent = Notice.objects.filter(alert__kind=kind, alert__object_type=about.type, alert__object_id=about.id)
    unsent.filter(sent_at=None).delete()
    waiting = Delivery.objects.filter(state=DeliveryState.WAITING, event__data__kind=kind)
    waiting = waiting.filter(event__object_type=about.type, event__object_id=about.id)
    waiting.update(state=DeliveryState.CANCELLED, next_attempt_at=None, done_at=timezone.now())


@transaction.atomic
def resolve_silently(*, about: Subject) -> None:
    """Resolve alerts of a deleted object without notice."""
    _end(_about(about).filter(state__in=LIVE))


@transaction.atomic
def resolve_for_former(*, about: Subject) -> None:
    """Resolve alerts of the former customer of a transferred object without notice. Checks notify the new one."""
    _end(_of_former(about, about.customer_id))


def _advance(alert: Alert, firing: bool, now: datetime) -> Effect:
    before = ConditionState(AlertState(alert.state), alert.since, alert.looks, alert.clear)
    after, effect = advance(before if alert.looks else None, firing=firing, kind=kind_named(alert.kind), now=now)
    if after is None:
        alert.delete()
        return effect
    alert.state, alert.looks, alert.clear, alert.looked_at = after.state, after.looks, after.clear, now
    if effect is Effect.RAISED:
        alert.raised_at = now
    if effect is Effect.RECOVERED:
        alert.recovered_at = now
    _notify(alert, effect, now)
    alert.save()
    return effect


def _notify(alert: Alert, effect: Effect, now: datetime) -> None:
    """Notify people. A mute withholds the first notice; who had it, maybe before the mute, is told of the end."""
    if effect is Effect.RECOVERED:
        notify_recovered(alert, now=now)
    elif alert.state == AlertState.OPEN and alert.told_at is None and not is_muted(alert, now):
        alert.told_at = now
        notify_raised(alert, now=now)


def notify_unmuted(*, now: datetime) -> int:
    """Notify of open alerts whose mute has ended, as some are observed only when they change; returns how many."""
    waiting = Alert.objects.filter(state=AlertState.OPEN, told_at=None).exclude(muted_until__gt=now)
    return len(isolation.each_alone("unmuted alerts", waiting.order_by("since"), partial(_notify_one, now=now)))


@transaction.atomic
def _notify_one(alert: Alert, *, now: datetime) -> None:
    locked = Alert.objects.select_for_update(of=("self",)).filter(pk=alert.pk, told_at=None).first()
    if locked is not None:
        _notify(locked, Effect.NOTHING, now)
        locked.save(update_fields=("told_at",))


def _suspect(kind: str, about: Subject, audience: Audience, severity: str, now: datetime) -> None:
    """Create the alert unless somebody else just did. A mute outlives its alert."""
    earlier = _about(about).filter(kind=kind, **audience.columns)
    muted_until = earlier.exclude(muted_until=None).values_list("muted_until", flat=True).first()  # one at most
    row = _new(kind, about, audience, AlertSeverity(severity), AlertState.SUSPECTED, now, muted_until=muted_until)
    Alert.objects.bulk_create([row], ignore_conflicts=True)


def _new(
    kind: str,
    about: Subject,
    audience: Audience,
    severity: AlertSeverity,
    state: AlertState,
    now: datetime,
    **more: Any,
) -> Alert:
    return Alert(
        kind=kind,
        object_type=about.type,
        object_id=about.id,
        object_name=about.name,
        about_customer_id=about.customer_id,
        severity=severity,
        state=state,
        since=now,
        looked_at=now,
        **audience.columns,
        **more,
    )


def _about(about: Subject) -> QuerySet[Alert]:
    return Alert.objects.filter(object_type=about.type, object_id=about.id)


def _locked_watch(kind: str, about: Subject, audience: Audience) -> Alert | None:
    return _about(about).filter(kind=kind, state__in=LIVE, **audience.columns).select_for_update(of=("self",)).first()


def _of_former(about: Subject, customer_id: str) -> QuerySet[Alert]:
    """Return the live alerts about an object that other customers than this one have: it was transferred."""
    return _about(about).filter(state__in=LIVE).exclude(customer_id__in=("", customer_id))


def _end(alerts: QuerySet[Alert]) -> None:
    alerts.filter(state=AlertState.SUSPECTED).delete()
    alerts.update(state=AlertState.RECOVERED, recovered_at=timezone.now())


@receiver(acted_for_customer, dispatch_uid="notifications.staff_acts")
@transaction.atomic
def notify_of_staff_act(*, change: Change, actor: Any, **_: Any) -> None:
    """Notify a customer's owners immediately of what staff changed, by whom and why, whatever their settings.

    An earlier alert about the same object is resolved.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            alert = _open_staff_act(change, actor, now)
    except IntegrityError:  # somebody else acted on the same object at the same moment, and has finished by now
        alert = _open_staff_act(change, actor, now)
    owners = recipients_of(alert.audience)
    Notice.objects.bulk_create(Notice(alert=alert, person_id=owner.pk, phase="raised", due_at=now) for owner in owners)
    queue_emails()


def _open_staff_act(change: Change, actor: Any, now: datetime) -> Alert:
    about = Subject(change.object_type, change.object_id, change.object_name, change.customer_id)
    audience = CustomerPeople(change.customer_id)
    earlier = _about(about).filter(kind=STAFF_ACT, state__in=LIVE, **audience.columns)
    earlier.update(state=AlertState.RECOVERED, recovered_at=now)
    roles = ", ".join(actor.groups.order_by("name").values_list("name", flat=True)) or "staff"
    why = f"{change.actor_name} ({roles}): {change.words}. Reason: {change.because}"
    told = {"why": why, "looks": 1, "raised_at": now, "told_at": now}
    alert = _new(STAFF_ACT, about, audience, AlertSeverity.MEDIUM, AlertState.OPEN, now, **told)
    alert.save()
    return alert


LONGEST_MUTE_DAYS = 90
STAFF_ACT = "staff.acted"


def alert_subject(alert: Alert) -> Subject:
    """Return the change log subject of an alert: its object."""
    return Subject(alert.object_type, alert.object_id, alert.object_name, alert.customer_id)


@transaction.atomic
def acknowledge(*, alert: Alert, actor: Any) -> None:
    """Acknowledge an alert. Repeating it changes nothing. Raises Refused."""
    locked = _locked(alert, actor)
    if locked.state != AlertState.OPEN:
        raise Refused("This alert is already resolved.", code="ALERT_OVER")
    if locked.acknowledged_at is not None:
        return
    locked.acknowledged_at, locked.acknowledged_by = timezone.now(), actor
    locked.save(update_fields=("acknowledged_at", "acknowledged_by"))
    _record("alert.acknowledged", locked, actor, after={"alert": locked.words})


@transaction.atomic
def mute(*, alert: Alert, until: datetime, actor: Any) -> None:
    """Mute this condition of this object until then, even if it comes back. Raises Refused."""
    locked = _locked(alert, actor)
    now = timezone.now()
    if until <= now:
        raise Refused("Choose a time in the future.", code="ALERT_MUTE")
    if until > now + timedelta(days=LONGEST_MUTE_DAYS):
        raise Refused(f"You can mute an alert for at most {LONGEST_MUTE_DAYS} days.", code="ALERT_MUTE")
    before = _set_mute(locked, until)
    _record("alert.muted", locked, actor, before={"until": _day(before)}, after={"until": _day(until)})


@transaction.atomic
def unmute(*, alert: Alert, actor: Any) -> None:
    """Unmute: notify again from the next check. Raises Refused."""
    locked = _locked(alert, actor)
    if (before := _set_mute(locked, None)) is not None:
        _record("alert.unmuted", locked, actor, before={"until": _day(before)})


def _set_mute(alert: Alert, until: datetime | None) -> datetime | None:
    """Mute the condition of the alert by this row alone, whichever was muted before. Returns until when it was."""
    muted = _about(alert_subject(alert)).filter(kind=alert.kind, **alert.audience.columns).exclude(muted_until=None)
    before: datetime | None = muted.aggregate(last=Max("muted_until"))["last"]
    muted.exclude(pk=alert.pk).update(muted_until=None)
    alert.muted_until = until
    alert.save(update_fields=("muted_until",))
    return before


def _locked(alert: Alert, actor: Any) -> Alert:
    if not own_alerts_for(actor).filter(pk=alert.pk).exists():
        raise Refused("Only the people this alert is for can act on it.", code="NOT_ALLOWED")
    return Alert.locked(alert.pk)


def _record(what: str, alert: Alert, actor: Any, **sides: Any) -> None:
    audit_services.record(what, about=alert_subject(alert), actor=actor, for_staff=not alert.customer_id, **sides)


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""


@transaction.atomic
def delete_customer_data(*, customer_id: str) -> None:
    """Delete the webhooks, events and alerts of a deleted customer."""
    for rows in (WebhookTarget.objects, Event.objects, Alert.objects):
        rows.filter(customer_id=customer_id).delete()


def delete_expired(*, now: datetime) -> None:
    """Delete old events, deliveries and resolved alerts. Pending deliveries, and open or muted alerts stay."""
    before = oldest_kept(settings.ALERTS_KEPT_DAYS, now=now)
    waiting = Delivery.objects.filter(state=DeliveryState.WAITING)
    Event.objects.filter(at__lt=before).exclude(pk__in=waiting.values("event")).delete()
    Alert.objects.filter(state=AlertState.RECOVERED, recovered_at__lt=before).exclude(muted_until__gt=now).delete()
