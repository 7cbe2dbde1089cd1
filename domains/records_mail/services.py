"""Emails the open records to the person who edits the DNS, with a share link. Rate limited.

The link and its change log entry are stored before the email is sent; `mailed_at` is set after it. After a crash in
between, the link exists but was not mailed, and the next attempt mails the same one.
"""

from datetime import timedelta
from smtplib import SMTPException
from urllib.parse import urlencode, urljoin

import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import User
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink
from domains.providers.core import provider_with_key
from domains.records.selectors import records_page
from domains.records_mail.core import MailedRecord, RecordsLetter
from domains.sharing import services as sharing_services
from domains.sharing.selectors import requester_of, shared_page, token_of
from inbound_admin.lib.errors import Problem, RateLimited, Refused
from inbound_admin.lib.mail_addresses import plain_address
from inbound_admin.lib.mail_limits import take_turn, take_unsolicited_turn
from notifications.email import services as email_services

MOST_IN_AN_HOUR = 20  # per customer and per person, since they can name any recipient
SAME_AGAIN_SECONDS = 300  # a repeated submission sends nothing twice
LINK_COMES_HERE = "(the link is created when you send the email)"

log = structlog.get_logger(__name__)


class MailNotSent(Problem):
    """The mail server did not accept the email. The link exists."""

    code = "MAIL_NOT_SENT"
    status = 503


def build_letter(
    *, domain: Domain, sender: User, host: str = "", link: ShareLink | None, site_url: str
) -> RecordsLetter:
    """Return the email as it would be sent, with a placeholder if `link` is None. Raises Refused if there is nothing to
    send.
    """
    _refuse_unless_ready(domain)
    shared = shared_page(domain, records_page(domain, can_check_in=0), host=host)
    if not shared.todo:
        raise Refused("All records are published. There is nothing left to send.", code="NOTHING_TO_PUBLISH")
    chosen = f"?{urlencode({'host': host})}" if provider_with_key(host) else ""
    path = reverse("domains:shared", args=(token_of(link),)) + chosen if link else ""
    days = timedelta(days=settings.SHARE_LINK_DAYS)
    return RecordsLetter(
        domain=str(domain),
        zone=shared.zone,
        provider=shared.provider,
        records=tuple(
            MailedRecord(item.row.label, item.row.record.need, bool(item.row.found), item.form_values)
            for item in shared.todo
        ),
        sender=requester_of(domain, sender),
        to_do=shared.to_do,
        site_name=settings.SITE_NAME,
        link=urljoin(site_url, path) if link else LINK_COMES_HERE,
        expires=link.expires_at if link else timezone.now() + days,
    )


def mail_records(*, domain: Domain, to: str, actor: User, host: str = "", site_url: str) -> ShareLink:
    """Send the email. Raises Refused (no address, nothing to send, too many), and MailNotSent if
    the mail server fails.
    """
    recipient = parse_recipient(to)
    build_letter(domain=domain, sender=actor, host=host, link=None, site_url=site_url)
    begun = f"records:mailed:{domain.pk}:{recipient}".replace(" ", "")
    if not cache.add(begun, 1, SAME_AGAIN_SECONDS):
        sentence = f"The records were emailed to {recipient} a moment ago."
        raise RateLimited(sentence, retry_after=SAME_AGAIN_SECONDS, code="MAILED_JUST_NOW")
    try:
        return _mail(domain, recipient, actor, host, site_url)
    except Problem:
        cache.delete(begun)
        raise


def parse_recipient(text: str) -> str:
    """Parse one pasted email address. Raises Refused."""
    address = plain_address(text).rstrip(".").lower()
    try:
        validate_email(address)
    except ValidationError as error:
        raise Refused(f"“{text.strip()[:100]}” isn't an email address. Enter one address.", code="ADDRESS") from error
    return address


def _mail(domain: Domain, recipient: str, actor: User, host: str, site_url: str) -> ShareLink:
    _check_rate_limits(domain, recipient, actor)
    link = sharing_services.link_to_mail(domain=domain, actor=actor, to=recipient)
    made = build_letter(domain=domain, sender=actor, host=host, link=link, site_url=site_url)
    try:
        email_services.send(title=made.title, text=made.text, to=[recipient], reply_to=actor.email)
    except (SMTPException, OSError) as problem:
        log.error("records not mailed", link=link.pk, problem=str(problem))
        sentence = "We couldn't send the email. Try again in a few minutes, or copy the link under Share."
        raise MailNotSent(sentence) from problem
    link.mailed_at = timezone.now()
    link.save(update_fields=("mailed_at",))
    return link


def _check_rate_limits(domain: Domain, recipient: str, actor: User) -> None:
    hour = timedelta(hours=1)
    for whose in (f"customer:{domain.customer_id}", f"person:{actor.pk}"):
        if not take_turn(f"records:mail:{whose}", most=MOST_IN_AN_HOUR, window=hour):
            sentence = f"You've reached the limit of {MOST_IN_AN_HOUR} emails an hour. Try again later."
            raise RateLimited(sentence, retry_after=3600)
    if not take_unsolicited_turn(recipient):
        sentence = f"{recipient} has reached the daily limit of emails from us. Try again tomorrow."
        raise RateLimited(sentence, retry_after=24 * 3600, code="RECIPIENT_LIMITED")


def _refuse_unless_ready(domain: Domain) -> None:
    if domain.is_held:
        raise Refused("This domain is on hold, so its records can't be sent. Contact support.")
    if domain.stage == Stage.DELETING:
        raise Refused("The domain is being deleted.")
    if domain.stage == Stage.STARTING:
        raise Refused("The records are being created. Try again in a moment.", code="NOT_READY")
