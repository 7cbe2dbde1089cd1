"""Mail to a person about what changed of their account, so that what somebody else did does not go unseen.

allauth tells of passwords, addresses and factors (`ACCOUNT_EMAIL_NOTIFICATIONS`); here is what it does not know of.
"""

from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from tenants.models import User

log = structlog.get_logger(__name__)


def tell_of_account(*, person: User, what: str) -> None:
    """After the transaction, at once: an alarm that waits for the worker would come too late."""
    context = {"what": what, "at": timezone.now(), "site_name": settings.SITE_NAME, "site_url": settings.SITE_URL}
    text = render_to_string("tenants/account_mail.txt", context)
    transaction.on_commit(lambda: _send(person, text))


def _send(person: User, text: str) -> None:
    """The act stands without its mail; the log and the change log have it."""
    try:
        send_mail(f"Your account at {settings.SITE_NAME}", text, settings.DEFAULT_FROM_EMAIL, [person.email])
    except (SMTPException, OSError) as error:
        log.error("mail about an account not sent", person=person.pk, error=str(error))
