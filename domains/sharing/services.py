"""Share links for people without an account who manage a domain's DNS: create, revoke, visit, and check."""

from datetime import datetime, timedelta
from smtplib import SMTPException
from urllib.parse import urlencode, urljoin

import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import EmailField, Q
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.checking import services as checking_services
from domains.diagnosis import services as diagnosis_services
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink, ShareVisit
from domains.ownership.selectors import refuse_moved
from domains.providers.core import provider_with_key
from domains.records.selectors import records_page
from domains.sharing import selectors
from domains.sharing.core import MailedRecord, RecordsLetter, ShareLinkState, browser_of, network_of
from domains.sharing.selectors import SharedPage, links_made_by, requester_of, shared_page, token_of
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import Problem, RateLimited, Refused
from inbound_admin.lib.mail_addresses import plain_address
from inbound_admin.lib.mail_names import take_turn, take_unsolicited_turn
from notifications.email import services as email_services

MOST_OPEN = 20  # per domain
LONGEST_DAYS = 90
EXPLAIN_EVERY_SECONDS = 10  # a diagnosis asks dozens of questions, and anyone with the link has the button
ONE_STAY = timedelta(minutes=30)
MOST_VISITS = 200  # rows per link; later visitors are counted in one shared row


@transaction.atomic
def create(*, domain: Domain, actor: User, meant_for: str = "", days: int | None = None) -> ShareLink:
    """Create a link that is valid for so many days. Raises Refused."""
    locked = Domain.locked(domain.pk, no_key=True)
    refuse_moved(locked, domain)
    link = _create_link(locked, actor, days, meant_for=meant_for)
    after = {"link": str(link), "until": link.expires_at.isoformat(timespec="seconds")}
    audit_services.record("domain.share_created", about=domain_subject(locked), actor=actor, after=after)
    return link


@transaction.atomic
def link_to_mail(*, domain: Domain, actor: User, to: str) -> ShareLink:
    """Return the link to email to this recipient: their open one, or a new one. Raises Refused."""
    locked = Domain.locked(domain.pk, no_key=True)
    refuse_moved(locked, domain)
    link = selectors.open_links(locked, timezone.now()).filter(mailed_to=to).first()
    link = _extend(link) if link else _create_link(locked, actor, None, meant_for=to[:100], mailed_to=to)
    after = {"to": to, "until": link.expires_at.isoformat(timespec="seconds")}
    audit_services.record("domain.records_mailed", about=domain_subject(locked), actor=actor, after=after)
    return link


def _extend(link: ShareLink) -> ShareLink:
    """Extend the expiry, so that a link mailed again is valid as long as a new one."""
    link.expires_at = max(link.expires_at, timezone.now() + timedelta(days=settings.SHARE_LINK_DAYS))
    link.save(update_fields=("expires_at",))
    return link


def _create_link(locked: Domain, actor: User, days: int | None, **fields: str) -> ShareLink:
    if locked.stage == Stage.DELETING:
        raise Refused("The domain is being deleted.")
    now, days = timezone.now(), days or settings.SHARE_LINK_DAYS
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused(f"Choose between 1 and {LONGEST_DAYS} days.")
    if selectors.open_links(locked, now).count() >= MOST_OPEN:
        raise Refused(f"This domain already has {MOST_OPEN} active links. Revoke one first.")
    return ShareLink.objects.create(domain=locked, created_by=actor, expires_at=now + timedelta(days=days), **fields)


@transaction.atomic
def revoke(*, link: ShareLink, actor: User) -> None:
    """Revoke the link at once. No effect if it is already revoked."""
    locked = ShareLink.locked(link.pk, "domain")
    if locked.revoked_at is not None:
        return
    locked.revoked_at = timezone.now()
    locked.save(update_fields=("revoked_at",))
    audit_services.record(
        "domain.share_revoked", about=domain_subject(locked.domain), actor=actor, before={"link": str(locked)}
    )


@transaction.atomic
def revoke_made_by(*, person: User, customer: Customer, actor: User) -> int:
    """Revoke the links to the customer's domains that a person made; return how many."""
    links = list(links_made_by(person, customer))
    for link in links:
        revoke(link=link, actor=actor)
    return len(links)


@transaction.atomic
def record_visit(*, link: ShareLink, address: str, user_agent: str, checked: bool = False, now: datetime) -> None:
    """Record a visit: one row per stay, with the number of views and checks. Raises DeletedMeanwhile."""
    ShareLink.locked(link.pk, no_key=True)
    whose = {"address": network_of(address), "browser": browser_of(user_agent)}
    stay = link.visits.filter(last_at__gt=now - ONE_STAY, **whose).first()
    if stay is None and link.visits.count() >= MOST_VISITS:
        whose = {"address": "", "browser": "many others"}
        stay = link.visits.filter(**whose).first()
    stay = stay or ShareVisit(link=link, first_at=now, **whose)
    stay.last_at = now
    stay.views += not checked
    stay.checks += checked
    stay.save()


def delete_old_links(*, now: datetime) -> int:
    """Delete links that ended long ago, with their visits; return the number of deleted rows."""
    before = now - timedelta(days=LONGEST_DAYS)
    return ShareLink.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before)).delete()[0]


def check_shared(*, link: ShareLink) -> str:
    """Check after “I have added them”, and describe the result for an anonymous reader. Raises Refused.

    If the last check was too recent, the next one runs automatically within seconds.
    """
    if link.state(timezone.now()) is not ShareLinkState.OPEN:
        raise Refused("This link no longer works.")
    if link.domain.is_held:
        raise Refused("Checks of this domain are paused. Ask the person who sent you this link.")
    with slow_work.slot(customer=link.domain.customer_id):
        diagnosis_services.mark_records_added(domain=link.domain, now=timezone.now())
        try:
            checking_services.check_now(domain=link.domain)
        except RateLimited:
            checking_services.schedule_for_open_page(link.domain)
            return "We checked a few seconds ago and will check again in a few seconds."
    return "Checked just now."


def explain(*, domain: Domain) -> None:
    """Diagnose each record, and cache the result for later visits and checks."""
    is_turn = domain.stage in (Stage.READY, Stage.CLAIM) and cache.add(f"explain:{domain.pk}", 1, EXPLAIN_EVERY_SECONDS)
    if is_turn:
        diagnosis_services.diagnose(domain, now=timezone.now())


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
    shared = shared_page(domain, records_page(domain, can_check_in=0, host=host))
    if not shared.todo and not shared.cause:
        raise _nothing_to_send(shared)
    chosen = f"?{urlencode({'host': host})}" if provider_with_key(host) else ""
    path = reverse("domains:shared", args=(token_of(link),)) + chosen if link else ""
    days = timedelta(days=settings.SHARE_LINK_DAYS)
    return RecordsLetter(
        domain=str(domain),
        zone=shared.zone,
        provider=shared.host.provider,
        records=tuple(MailedRecord(row.label, row.record.need, row.action, row.form_values) for row in shared.todo),
        sender=requester_of(domain, sender),
        to_do=shared.to_do,
        site_name=settings.SITE_NAME,
        link=urljoin(site_url, path) if link else LINK_COMES_HERE,
        expires=link.expires_at if link else timezone.now() + days,
        cause=shared.cause.sentence if shared.cause else "",
    )


def _nothing_to_send(shared: SharedPage) -> Refused:
    """A failed lookup isn't proof that a record is published."""
    if not shared.unchecked:
        return Refused("All records are published. There is nothing left to send.", code="NOTHING_TO_PUBLISH")
    count = len(shared.unchecked)
    records, were = ("record", "It was") if count == 1 else ("records", "They were")
    sentence = f"We couldn't check {count} {records}. {were} found when last checked. Check again before you send them."
    return Refused(sentence, code="COULD_NOT_CHECK")


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
        for validate in EmailField().validators:
            validate(address)
    except ValidationError as error:
        raise Refused(f"“{text.strip()[:100]}” isn't an email address. Enter one address.", code="ADDRESS") from error
    return address


def _mail(domain: Domain, recipient: str, actor: User, host: str, site_url: str) -> ShareLink:
    _check_rate_limits(domain, recipient, actor)
    link = link_to_mail(domain=domain, actor=actor, to=recipient)
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
