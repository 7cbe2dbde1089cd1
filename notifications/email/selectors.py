"""Reads the notification emails that can't be sent."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from notifications.email.core import FAILS_AFTER, MOST_TRIES
from notifications.models.alerts import Notice

SHOWN_FOR = timedelta(days=7)  # after we gave up


def failing_notices(*, now: datetime) -> QuerySet[Notice]:
    """Return the notices that failed for an hour or longer, and those given up in the last week."""
    return Notice.objects.filter(sent_at=None, tries__gte=FAILS_AFTER, due_at__gt=now - SHOWN_FOR)


def failing_sentence(*, now: datetime) -> str:
    """Return what can't be sent, for operators; "" if email is sent."""
    failing = failing_notices(now=now)
    number, people = failing.count(), failing.order_by().values("person").distinct().count()
    if not number:
        return ""
    waiting = (
        f"{number:,} {'notice' if number == 1 else 'notices'} to {people:,} {'person' if people == 1 else 'people'}"
    )
    given_up = failing.filter(tries__gte=MOST_TRIES).count()
    lost = f" We gave up on {given_up:,} of them after 13 days." if given_up else ""
    problem = failing.exclude(problem="").order_by("-due_at").values_list("problem", flat=True).first()
    return f"The mail server doesn't take {waiting}.{lost} Last error: {problem or 'none'}"
