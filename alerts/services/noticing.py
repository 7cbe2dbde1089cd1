"""Telling people of an alert: each as they have set it, once when it is raised and once when it is over."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from alerts.core.audiences import Audience, CustomerPeople, Person, Staff
from alerts.core.events import RAISED, RECOVERED
from alerts.core.telling import Habits, after_quiet, mail_due
from alerts.models import Alert, Delivery, Notice, NotificationPreference, WebhookTarget
from alerts.selectors.people import told_of
from alerts.selectors.webhooks import targets_of
from alerts.services import happening
from alerts.services.queue import mail_soon
from changes.services import Subject


def tell_raised(alert: Alert, *, now: datetime) -> None:
    event = _event(RAISED, alert, now)
    people = list(told_of(audience_of(alert)))
    wishes = _wishes(people)
    wanting = [person for person in people if alert.kind not in _unwanted(wishes, person)]
    _mail(alert, "raised", [(person.pk, _habits(wishes, person.pk)) for person in wanting], now)
    for target in WebhookTarget.objects.filter(person__in=[person.pk for person in wanting], is_on=True):
        happening.deliver(event, [target], at=_not_in_quiet(_habits(wishes, target.person_id), now))


def tell_recovered(alert: Alert, *, now: datetime) -> None:
    """To those alone whom the first notice has reached: for the others nothing has ever happened."""
    if alert.told_at is None:
        return
    event = _event(RECOVERED, alert, now)
    Notice.objects.filter(alert=alert, phase="raised", sent_at=None).delete()
    told = list(Notice.objects.filter(alert=alert, phase="raised").values_list("person_id", flat=True))
    targets = _targets_told(alert)
    wishes = _wishes_of([*told, *(target.person_id for target in targets)])
    _mail(alert, "recovered", [(pk, _habits(wishes, pk)) for pk in told], now)
    for target in targets:
        happening.deliver(event, [target], at=_not_in_quiet(_habits(wishes, target.person_id), now))


def audience_of(alert: Alert) -> Audience:
    if alert.person_id is not None:
        return Person(alert.person_id)
    return Staff(alert.permission) if alert.permission else CustomerPeople(alert.customer_id)


def _event(name: str, alert: Alert, now: datetime) -> Any:
    """For the webhooks of its customer and of staff; an alert of one person goes to that person's own alone."""
    about = Subject(alert.object_type, alert.object_id, alert.object_name, alert.customer_id)
    data = {
        "alert": alert.pk,
        "kind": alert.kind,
        "words": alert.words,
        "severity": str(alert.severity),
        "why": alert.why,
        "since": alert.since.isoformat(),
    }
    event = happening.store(event=name, about=about, data=data, for_staff=not alert.customer_id, now=now)
    if alert.person_id is None:
        happening.deliver(event, targets_of(event))
    return event


def _mail(alert: Alert, phase: str, people: Iterable[tuple[int, Habits]], now: datetime) -> None:
    local = timezone.localtime(now)
    due = [(pk, mail_due(habits, now=local)) for pk, habits in people]
    rows = [Notice(alert=alert, person_id=pk, phase=phase, due_at=at) for pk, at in due if at is not None]
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    if any(row.due_at <= now for row in rows):
        mail_soon()


def _targets_told(alert: Alert) -> list[WebhookTarget]:
    """People's own webhooks that got the first notice and are still on."""
    told = Delivery.objects.filter(
        event__object_type=alert.object_type,
        event__object_id=alert.object_id,
        event__event=RAISED,
        event__data__alert=alert.pk,
    )
    return list(WebhookTarget.objects.filter(pk__in=told.values("target"), person__isnull=False, is_on=True))


Wishes = dict[int, NotificationPreference]


def _wishes(people: Iterable[Any]) -> Wishes:
    return _wishes_of([person.pk for person in people])


def _wishes_of(people: Iterable[int | None]) -> Wishes:
    rows = NotificationPreference.objects.filter(person__in=[pk for pk in people if pk])
    return {row.person_id: row for row in rows}


def _unwanted(wishes: Wishes, person: Any) -> Iterable[str]:
    row = wishes.get(person.pk)
    return row.unwanted if row else ()


def _habits(wishes: Wishes, pk: int | None) -> Habits:
    row = wishes.get(pk or 0)
    return row.habits if row else Habits()


def _not_in_quiet(habits: Habits, now: datetime) -> datetime:
    return after_quiet(habits, timezone.localtime(now))
