"""Read and store a person's notification settings."""

from collections.abc import Iterable
from datetime import time
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from audit import services as audit_services
from audit.services import Subject
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.seen import refuse_if_changed
from notifications.email import services as email_services
from notifications.models.alerts import ByMail, NotificationPreference


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
        email_services.reschedule(person=person, schedule=row.schedule, unwanted=row.unwanted)
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
