"""Share links: by token, by domain, and the public page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.signing import BadSignature, Signer
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.checking.core.judgement import State
from domains.checking.selectors import is_being_checked
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink, ShareVisit
from domains.providers.selectors import DnsHost
from domains.records.core import Need, RecordAction
from domains.records.selectors import RecordRow, RecordsPage
from domains.sharing.core import actions_summary
from domains.zone_causes.core import ZoneCause
from inbound_admin.lib.mail_names import mail_name

_SIGNER = Signer(salt="domains.share", sep=".")
RECENT = timedelta(minutes=1)  # after a more recent check with nothing left to do, the page stops polling


def links_made_by(person: User, customer: Customer) -> QuerySet[ShareLink]:
    """Return the links to the customer's domains that a person made and that still work."""
    made = ShareLink.objects.filter(created_by=person, domain__customer=customer, revoked_at=None)
    return made.filter(expires_at__gt=timezone.now()).select_related("domain").order_by("domain__name", "created_at")


@dataclass(frozen=True)
class SharedPage:
    """What is left to do, judged by the last successful lookup of each record.

    `spreading` records are published and propagating. `unchecked` ones were published, but the latest lookup failed.
    `required_done` were published when last found. `is_done`: the latest check found all required records. `cause`:
    what is wrong with the zone as a whole; nothing is to do with records until it is right, unless the zone only moved.
    """

    zone: str
    host: DnsHost
    todo: tuple[RecordRow, ...]  # required ones first
    unchecked: tuple[RecordRow, ...]
    spreading: tuple[RecordRow, ...]
    done: tuple[RecordRow, ...]
    required: int
    required_done: int
    is_done: bool
    cause: ZoneCause | None
    poll_seconds: int | None

    @property
    def to_do(self) -> str:
        """Return how many records to add, edit and remove."""
        return actions_summary([row.action for row in self.todo])

    @property
    def unknown(self) -> int:
        """Return how many records to do couldn't be checked and may be published."""
        return sum(row.action is RecordAction.CHECK for row in self.todo)


def token_of(link: ShareLink) -> str:
    return _SIGNER.sign(link.id)


def link_for_token(token: str) -> ShareLink | None:
    """Return the link, None for an invalid token or a deleted domain. The link may be expired: check its state."""
    try:
        link_id = _SIGNER.unsign(token)
    except BadSignature:
        return None
    return (
        ShareLink.objects.select_related("domain__customer", "created_by")
        .filter(pk=link_id)
        .exclude(domain__stage=Stage.DELETING)
        .first()
    )


def requester_of(domain: Domain, sender: User | None) -> str:
    """Return who asks the reader: the organisation, and the person if they are one of its members."""
    customer = domain.customer
    organisation = mail_name(customer.name, otherwise="An organisation")
    if sender is None or not customer.memberships.filter(user=sender).exists():
        return organisation
    person = mail_name(sender.get_full_name(), otherwise="")
    return f"{person} at {organisation}" if person else organisation


def open_links(domain: Domain, now: datetime) -> QuerySet[ShareLink]:
    return domain.share_links.filter(revoked_at=None, expires_at__gt=now)


def links_of(domain: Domain) -> QuerySet[ShareLink]:
    """Return the links with their visits. The viewer must be allowed to see the domain
    (`domain_list.selectors.domains_for`).
    """
    visits = ShareVisit.objects.order_by("-last_at", "-id")
    return domain.share_links.select_related("created_by").prefetch_related(Prefetch("visits", queryset=visits))


def shared_page(domain: Domain, page: RecordsPage) -> SharedPage:
    """Return what is still to do, in the terms of the page's DNS host."""
    rows = page.rows if domain.stage != Stage.STARTING else []
    required = [row for row in rows if row.record.need is Need.REQUIRED]
    is_first = page.cause is not None and not page.cause.asks_to_publish
    todo = [row for row in rows if row.is_todo and row.is_listed and not row.is_published and not is_first]
    spreading = tuple(row for row in rows if row.state is State.SPREADING)
    unchecked = tuple(row for row in rows if row.is_unchecked and row.is_published)
    return SharedPage(
        zone=domain.hosted.zone,
        host=page.host,
        todo=tuple(sorted(todo, key=lambda row: row.record.need is not Need.REQUIRED)),
        unchecked=unchecked,
        spreading=spreading,
        done=tuple(row for row in rows if row.is_done),
        required=len(required),
        required_done=sum(row.is_published for row in required),
        is_done=bool(required) and all(row.is_published and not row.is_unchecked for row in required),
        cause=page.cause,
        poll_seconds=_poll_seconds(
            domain, page, settled=bool(rows) and not (todo or spreading or unchecked or is_first)
        ),
    )


def _poll_seconds(domain: Domain, page: RecordsPage, *, settled: bool) -> int | None:
    """None stops polling, once all records are published. After a long time without a check, wait for the next one."""
    now = timezone.now()
    is_fresh = domain.last_dns_check is not None and domain.last_dns_check > now - RECENT
    rests = settled and domain.stage == Stage.READY and (is_fresh or not is_being_checked(domain, now))
    return None if rests else page.poll_seconds
