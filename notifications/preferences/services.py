"""Read and store a person's notification settings."""

from collections.abc import Iterable
from datetime import time
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from audit import services as audit_services
from audit.services import Subject
from inbound_admin.lib.errors import Refused
from notifications.email import services as email_services
from notifications.email.core import ByMail
from notifications.models.preferences import NotificationPreference


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
) -> NotificationPreference:
    """Raises Refused if only one end of the quiet hours is given."""
    if (quiet_from is None) != (quiet_until is None):
        raise Refused("Enter both a start and an end for quiet hours.", code="QUIET_HOURS")
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=person.pk)  # two tabs create one row
    row = preference_of(person)
    before = _logged_preferences(row)
    row.unwanted, row.by_mail, row.digest_at = sorted(set(unwanted)), ByMail(by_mail), digest_at
    row.quiet_from, row.quiet_until = quiet_from, quiet_until
    after = _logged_preferences(row)
    if before != after:
        row.save()
        email_services.reschedule(person=person, schedule=row.schedule, unwanted=row.unwanted)
        about = Subject("person", str(person.pk), person.get_username())
        audit_services.record(
            "notifications.changed", about=about, actor=person, before=before, after=after, for_staff=True
        )
    return row


def _logged_preferences(row: NotificationPreference) -> dict[str, Any]:
    quiet = f"{row.quiet_from:%H:%M} to {row.quiet_until:%H:%M}" if row.quiet_from and row.quiet_until else ""
    return {
        "muted kinds": list(row.unwanted),
        "email": str(row.by_mail),
        "digest": f"{row.digest_at:%H:%M}",
        "quiet hours": quiet,
    }
