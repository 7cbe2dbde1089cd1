"""Send notification emails: everything due for one person is in one message. `link_to` finds the page of a subject.

Delivery is at least once: the row is marked after sending. Emails a stranger can trigger (an invitation, a claim to
a related domain) go through `send_unsolicited`, which limits them per recipient and day.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from itertools import groupby
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from audit import services as audit_services
from audit.services import Subject
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.foreign_text import escaped
from inbound_admin.lib.mail_names import take_unsolicited_turn
from inbound_admin.lib.moments import minute_in_utc
from inbound_admin.lib.seen import refuse_if_changed
from notifications.alerts.core import ALWAYS_SENT, kind_named
from notifications.alerts.selectors import may_receive, page_of_object
from notifications.email.core import MOST_TRIES, EmailSchedule, after_quiet_hours, mail_due, next_try
from notifications.jobs import queue_emails
from notifications.models.alerts import Alert, ByMail, Notice, NotificationPreference


def link_to(object_type: str, object_id: str, *, staff: bool) -> str:
    """Return the URL of an object's page, or of the alerts if the reader has none. Empty if SITE_URL isn't set."""
    if not settings.SITE_URL:
        return ""
    path = page_of_object(object_type, object_id, staff=staff) or reverse("notifications:inbox")
    return f"{str(settings.SITE_URL).rstrip('/')}{path}"


NEWS_EVERY = timedelta(minutes=10)  # of one kind to one person: 40 domains that are verified in turn are few emails
AT_ONCE = 500
MOST_NAMED = 50
log = structlog.get_logger(__name__)


def send_unsolicited(*, title: str, text: str, to: Iterable[str]) -> tuple[str, ...]:
    """Email the recipients within their daily limit and return them. Raises SMTPException or OSError."""
    allowed = tuple(email for email in to if take_unsolicited_turn(email))
    if allowed:
        send(title=title, text=text, to=allowed)
    return allowed


def send(*, title: str, text: str, to: Sequence[str], reply_to: str = "") -> None:
    """Send an email. An unsolicited one has been counted (`take_unsolicited_turn`). Raises SMTPException or OSError."""
    answers = [reply_to] if reply_to else None
    EmailMessage(" ".join(title.split()), text, settings.DEFAULT_FROM_EMAIL, list(to), reply_to=answers).send()


def _earliest_news(person_id: int, kind: str, now: datetime) -> datetime:
    """Return when a person may get the next email of this kind of news: one at once, then many in one."""
    recent = Notice.objects.filter(person_id=person_id, alert__kind=kind, sent_at__gt=now - NEWS_EVERY)
    last = recent.order_by("-sent_at").values_list("sent_at", flat=True).first()
    return last + NEWS_EVERY if last else now


def queue_notices(alert: Alert, phase: str, people: Iterable[tuple[int, EmailSchedule]], now: datetime) -> None:
    """Store an email to each person for the time of their schedule, and queue the job if one is due.

    A kind that people can't turn off is sent whatever their schedule.
    """
    rows, kind = [], kind_named(alert.kind)
    for pk, chosen in people:
        schedule = chosen if kind.optional else EmailSchedule()
        due = mail_due(schedule, now=timezone.localtime(now))
        if due is not None and kind.is_news:
            due = after_quiet_hours(schedule, timezone.localtime(max(due, _earliest_news(pk, alert.kind, now))))
        rows += [Notice(alert=alert, person_id=pk, phase=phase, due_at=due)] if due is not None else []
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    if any(row.due_at <= now for row in rows):
        queue_emails()


def is_due(*, now: datetime) -> bool:
    return Notice.objects.filter(sent_at=None, due_at__lte=now, tries__lt=MOST_TRIES).exists()


def send_due(*, now: datetime) -> int:
    """Send due messages and return how many. A failing one waits longer each time and doesn't block others."""
    due = Notice.objects.filter(sent_at=None, due_at__lte=now, tries__lt=MOST_TRIES)
    rows = due.select_related("alert", "person").order_by("person_id", "alert__since", "pk")[:AT_ONCE]
    people = [list(notices) for _, notices in groupby(rows, key=lambda notice: notice.person_id)]
    sent: list[Sequence[Notice]] = []
    act, later = partial(_send, now=now, sent=sent), partial(_postpone, now=now, problem="The email could not be made.")
    isolation.each_alone("email notices", people, act, postpone=later)
    return len(sent)


def reschedule(*, person: Any, schedule: EmailSchedule, unwanted: Collection[str]) -> None:
    """Apply changed settings to queued email: send it at the new time, or not at all, except what is always sent."""
    queued = Notice.objects.filter(person=person, sent_at=None).exclude(alert__kind__in=ALWAYS_SENT)
    due = mail_due(schedule, now=timezone.localtime())
    if due is None:
        queued.delete()
        return
    queued.filter(alert__kind__in=unwanted).delete()
    queued.update(due_at=due)


def _postpone(notices: Sequence[Notice], *, now: datetime, problem: str) -> None:
    """Try again later, after the person's quiet hours except for what is always sent."""
    due = next_try(notices[0].tries, now=now)
    preference = NotificationPreference.objects.filter(person=notices[0].person_id).first()
    own = Notice.objects.filter(pk__in=[notice.pk for notice in notices])
    own.update(tries=F("tries") + 1, problem=escaped(problem)[:500], due_at=due)
    if preference is not None:
        own.exclude(alert__kind__in=ALWAYS_SENT).update(due_at=preference.after_quiet_hours(due))


def _send(notices: Sequence[Notice], *, now: datetime, sent: list[Sequence[Notice]]) -> None:
    person = notices[0].person
    notices, gone = _receivable(person, notices)
    Notice.objects.filter(pk__in=gone).delete()
    if not notices:
        return
    own = Notice.objects.filter(pk__in=[notice.pk for notice in notices])
    try:
        send(title=_title(notices), text=_text(notices), to=[person.email])
    except (SMTPException, OSError) as problem:
        log.error("mail not sent", person=person.pk, notices=len(notices), problem=str(problem))
        _postpone(notices, now=now, problem=str(problem))
        return
    own.update(sent_at=now, problem="")
    sent.append(notices)


def _receivable(person: Any, notices: Sequence[Notice]) -> tuple[Sequence[Notice], list[int]]:
    """Return the notices the person may still receive, and the IDs of the others."""
    asked = {(notice.alert.about_customer_id, notice.alert.permission) for notice in notices}
    may = {each: may_receive(person, customer_id=each[0], permission=each[1]) for each in asked}
    heard = [notice for notice in notices if may[notice.alert.about_customer_id, notice.alert.permission]]
    return heard, [notice.pk for notice in notices if notice not in heard]


def _title(notices: Sequence[Notice]) -> str:
    if len(notices) > 1:
        return f"{settings.SITE_NAME}: {len(notices):,} notices"
    (notice,) = notices
    return f"{notice.alert.object_name}: {_words(notice)}"


def _text(notices: Sequence[Notice]) -> str:
    parts = [_part(notice) for notice in notices[:MOST_NAMED]]
    if more := len(notices) - MOST_NAMED:
        parts += [f"{more:,} more not shown."] if more > 0 else []
    return "\n\n".join([*parts, _end()]) + "\n"


def _part(notice: Notice) -> str:
    alert = notice.alert
    lines = [f"{' '.join(alert.object_name.split())}: {_words(notice)}."]
    if notice.phase == "raised":
        lines += [alert.told] if alert.told else []
    lines += () if kind_named(alert.kind).is_news else _since(notice)
    if link := link_to(alert.object_type, alert.object_id, staff=bool(alert.permission)):
        lines.append(link)
    return "\n".join(lines)


def _since(notice: Notice) -> Iterator[str]:
    alert = notice.alert
    if notice.phase == "raised":
        yield f"Since {minute_in_utc(alert.since)}."
        if alert.recovered_at:
            yield f"Resolved on {minute_in_utc(alert.recovered_at)}."
    elif alert.recovered_at:
        yield f"From {minute_in_utc(alert.since)} to {minute_in_utc(alert.recovered_at)}."


def _words(notice: Notice) -> str:
    kind = kind_named(notice.alert.kind)
    return kind.words if notice.phase == "raised" else kind.over


def _end() -> str:
    sentence = f"{settings.SITE_NAME} sent you this. Change your notification settings"
    if not settings.SITE_URL:
        return f"{sentence} under “Your account”."
    return f"{sentence} here: {settings.SITE_URL.rstrip('/')}{reverse('notifications:preferences')}"


# Read and store a person's notification settings.


def preference_of(person: Any) -> NotificationPreference:
    """Return the stored preference, or an unsaved default."""
    found = NotificationPreference.objects.filter(person=person).first()
    return found or NotificationPreference(person=person)


@transaction.atomic
def set_preference(
    *,
    person: Any,
    unwanted: Iterable[str],
    by_mail: str,
    digest_at: time,
    quiet_from: time | None,
    quiet_until: time | None,
    seen: str = "",
) -> NotificationPreference:
    """Store the settings. `seen`: of the form that shows them.

    Raises ChangedMeanwhile, and Refused if only one end of the quiet hours is given.
    """
    if (quiet_from is None) != (quiet_until is None):
        raise Refused("Enter both a start and an end for quiet hours.", code="QUIET_HOURS")
    get_user_model().locked(person.pk, no_key=True)  # two tabs create one row
    row = preference_of(person)
    before = shown_preferences(row)
    row.unwanted, row.by_mail, row.digest_at = sorted(set(unwanted)), ByMail(by_mail), digest_at
    row.quiet_from, row.quiet_until = quiet_from, quiet_until
    after = shown_preferences(row)
    if before != after:
        refuse_if_changed(seen, before)
        row.save()
        reschedule(person=person, schedule=row.schedule, unwanted=row.unwanted)
        about = Subject("person", str(person.pk), person.get_username())
        audit_services.record(
            "notifications.changed", about=about, actor=person, before=before, after=after, for_staff=True
        )
    return row


def shown_preferences(row: NotificationPreference) -> dict[str, Any]:
    """Return what the form shows, as the change log has it."""
    quiet = f"{row.quiet_from:%H:%M} to {row.quiet_until:%H:%M}" if row.quiet_from and row.quiet_until else ""
    return {
        "muted kinds": list(row.unwanted),
        "email": str(row.by_mail),
        "digest": f"{row.digest_at:%H:%M}",
        "quiet hours": quiet,
    }
