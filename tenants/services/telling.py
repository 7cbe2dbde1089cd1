"""Letters to the owners of a customer, and to staff about a pause whose day of review has come."""

from datetime import date

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db.models import QuerySet

from tenants.core import notices
from tenants.models import Tenant, User
from tenants.selectors import due_for_review, owners_of
from tenants.services.allowing import PAUSE

log = structlog.get_logger(__name__)


def tell_owners(*, tenant_id: str, what: str) -> None:
    """Raises SMTPException or OSError: the job is done again until it is sent, unless it no longer holds by then."""
    tenant = Tenant.objects.select_related("customer").filter(pk=tenant_id).first()
    if tenant is None or not notices.still_holds(what, tenant.standing):
        return
    title, text = notices.mail(
        what, customer=tenant.customer.name, told=tenant.pause_told, stops_receiving=tenant.stops_receiving
    )
    owners = [owner.email for owner in owners_of(tenant.customer)]
    if not owners:
        log.warning("nobody to tell", tenant=tenant.pk, what=what)
        return
    send_mail(title, text, settings.DEFAULT_FROM_EMAIL, owners)


def remind_of_reviews(*, today: date) -> int:
    """Whoever may pause is told once of each pause whose day has come; how many were told of. Raises as above."""
    due = [tenant for tenant in due_for_review(today) if tenant.pause_reminded_on != tenant.pause_review_on]
    people = [person.email for person in _who_may_pause()]
    if not due or not people:
        return 0
    lines = [
        f"{tenant.customer} ({tenant}), since {tenant.standing_since:%-d %B %Y}: {tenant.pause_text}" for tenant in due
    ]
    text = "These pauses were to be looked at again by today:\n\n" + "\n".join(lines) + "\n"
    send_mail(f"{len(due)} paused to be looked at again", text, settings.DEFAULT_FROM_EMAIL, people)
    for tenant in due:
        Tenant.objects.filter(pk=tenant.pk).update(pause_reminded_on=tenant.pause_review_on)
    return len(due)


def _who_may_pause() -> QuerySet[User]:
    people = get_user_model()._default_manager.with_perm(
        PAUSE, include_superusers=False, backend="django.contrib.auth.backends.ModelBackend"
    )
    return people.filter(is_active=True, is_staff=True)
