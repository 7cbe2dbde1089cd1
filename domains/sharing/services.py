"""Share links for people without an account who manage a domain's DNS: create, withdraw, visit, and check."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.checking import services as checking_services
from domains.diagnosis import services as diagnosis_services
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink, ShareVisit
from domains.sharing import selectors
from domains.sharing.core import ShareLinkState, browser_of, network_of
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import RateLimited, Refused

MOST_OPEN = 20  # per domain
LONGEST_DAYS = 90
EXPLAIN_EVERY_SECONDS = 10  # a diagnosis asks dozens of questions, and anyone with the link has the button
ONE_STAY = timedelta(minutes=30)
MOST_VISITS = 200  # rows per link; later visitors are counted in one shared row


@transaction.atomic
def create(*, domain: Domain, actor: User, meant_for: str = "", days: int | None = None) -> ShareLink:
    """Create a link that is valid for so many days. Raises Refused."""
    locked = Domain.objects.select_for_update(no_key=True).get(pk=domain.pk)
    link = _create_link(locked, actor, days, meant_for=meant_for)
    after = {"link": str(link), "until": link.expires_at.isoformat(timespec="seconds")}
    audit_services.record("domain.share_created", about=domain_subject(locked), actor=actor, after=after)
    return link


@transaction.atomic
def link_to_mail(*, domain: Domain, actor: User, to: str) -> ShareLink:
    """Return the link to email to this recipient: their open one, or a new one. Raises Refused."""
    locked = Domain.objects.select_for_update(no_key=True).get(pk=domain.pk)
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
        raise Refused(f"This domain already has {MOST_OPEN} active links. Withdraw one first.")
    return ShareLink.objects.create(domain=locked, created_by=actor, expires_at=now + timedelta(days=days), **fields)


@transaction.atomic
def revoke(*, link: ShareLink, actor: User) -> None:
    """Withdraw the link at once. No effect if it is already withdrawn."""
    locked = ShareLink.objects.select_for_update(of=("self",)).select_related("domain").get(pk=link.pk)
    if locked.revoked_at is not None:
        return
    locked.revoked_at = timezone.now()
    locked.save(update_fields=("revoked_at",))
    audit_services.record(
        "domain.share_revoked", about=domain_subject(locked.domain), actor=actor, before={"link": str(locked)}
    )


@transaction.atomic
def record_visit(*, link: ShareLink, address: str, user_agent: str, checked: bool = False, now: datetime) -> None:
    """Record a visit: one row per stay, with the number of views and checks."""
    ShareLink.objects.select_for_update(no_key=True).get(pk=link.pk)
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
    with slow_work.place(customer=link.domain.customer_id):
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
