"""Mail to the owners of a customer. What was done stands whether or not the mail could be sent."""

from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.mail import send_mail

from alerts import services as alerts
from tenants.models import Customer
from tenants.selectors import owners_of

log = structlog.get_logger(__name__)


def tell(customer: Customer, title: str, text: str, *, unsolicited: bool = False) -> None:
    """A mail that cannot be sent is logged: it must not turn a change that was made into an error page.

    `unsolicited`: another customer caused it, so that each recipient gets a few of these a day at most.
    """
    owners = [owner.email for owner in owners_of(customer)]
    try:
        if unsolicited:
            alerts.send_unsolicited(title=title, text=text, to=owners)
        else:
            send_mail(title, text, settings.DEFAULT_FROM_EMAIL, owners)
    except (SMTPException, OSError) as problem:
        log.error("mail not sent", title=title, customer=customer.id, problem=str(problem))
