"""Who holds a domain: whoever proved it first. What is not proven gives way, whatever its stage.

A proof is the TXT record of a claim, our staff's word, or records of this set-up that Amazon confirmed: none of them
answered when the domain was added, so whoever published them has the domain's DNS. It is kept when that DNS lapses.
"""

import secrets
from collections.abc import Iterable

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from alerts import services as alerts
from changes import services as changes
from domains.core.claims import PUBLIC_REASONS, ClaimReason
from domains.core.names import DomainName
from domains.models import Domain, Stage
from domains.selectors.ownership import held_domains, related_domains, under_or_over, unproven_domains
from domains.services.queue import unmake_soon
from domains.services.subjects import subject
from tenants.models import Customer
from tenants.services import associating

TOO_LATE = "The ownership of this domain was proven from another account. If that cannot be, ask our support."
BEING_REMOVED = "An entry for this domain is being removed. We set yours up as soon as it is gone."
DISPLACED, EXPIRING = "domain.displaced", "domain.expiring"  # kinds of alerts
CLEARED = {
    "dkim_tokens": [],
    "dkim_zone": "",
    "verification_token": "",
    "ses_mail_from": "",
    "adopted": False,
    "identity_status": "",
    "dkim_status": "",
    "mail_from_status": "",
    "verified_at": None,
    "ses_problem": "",
    "routes_unchecked": True,
}
_CLAIM = (
    "stage",
    "stage_problem",
    "claim_token",
    "claim_reason",
    "claim_proven_at",
    "proven_at",
    "unproven_warned_at",
    "next_check_at",
)


def lock_zone(name: DomainName) -> None:
    """Until the transaction ends nobody else adds, proves or loses a name of this zone. Lock it before any row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"zone {name.zone}"])


def open_claim(domain: Domain, reason: ClaimReason) -> None:
    """Nothing is asked of Amazon until the claim is proven. The caller holds the row's lock."""
    domain.stage, domain.stage_problem = Stage.CLAIM, ""
    domain.claim_token, domain.claim_reason = secrets.token_urlsafe(24), reason
    domain.claim_proven_at = domain.proven_at = domain.unproven_warned_at = None
    domain.next_check_at = timezone.now()
    domain.save(update_fields=_CLAIM)
    after = {"reason": PUBLIC_REASONS[reason]}
    changes.record("domain.claim_required", about=subject(domain), actor=None, after=after)
    for held in held_nearby(domain):
        changes.record("domain.claimed_nearby", about=subject(held), actor=None, after={"name": domain.name})


def held_nearby(claimed: Domain) -> QuerySet[Domain]:
    """Other customers' domains under or over the claimed one."""
    related = related_domains(claimed.parsed).exclude(customer_id=claimed.customer_id)
    return related.select_related("customer")


def prove(domain: Domain) -> None:
    """The row in hand, which the caller locked with its zone and saves, is proven now: other customers' give way."""
    if domain.proven_at is None:
        domain.proven_at = timezone.now()
        displace(domain.parsed, winner=domain.customer)


def displace(name: DomainName, *, winner: Customer) -> None:
    """What is unproven at, under and over a name that is proven now gives way. The caller holds the zone's lock."""
    rivals = unproven_domains().exclude(customer=winner).exclude(stage=Stage.DELETING)
    nearby = Q(name=name.ascii) | (under_or_over(name) & ~Q(stage=Stage.CLAIM))
    for rival in _locked(rivals.filter(nearby)):
        if rival.stage != Stage.CLAIM:
            _back_to_claim(rival, anothers=rival.name == name.ascii)
        if rival.name == name.ascii:
            _tell_loser(rival, name)
        else:
            _tell_neighbour(rival)


def _locked(rows: QuerySet[Domain]) -> Iterable[Domain]:
    return list(rows.select_for_update(of=("self",)).select_related("customer").order_by("pk"))


def _back_to_claim(rival: Domain, *, anothers: bool) -> None:
    """Its identity goes, or is made anew by whoever has proven the name: then the job of ours would take theirs."""
    Domain.objects.filter(pk=rival.pk).update(**CLEARED, unmake_wanted=not anothers)
    rival.record_checks.all().delete()
    rival.refresh_from_db()
    associating.release_identity(name=rival.name, customer=rival.customer)
    open_claim(rival, ClaimReason.RIVAL if anothers else ClaimReason.RELATED)
    if not anothers:
        unmake_soon(rival)


def _tell_loser(rival: Domain, name: DomainName) -> None:
    if rival.stage_problem == TOO_LATE:
        return
    Domain.objects.filter(pk=rival.pk).update(stage_problem=TOO_LATE)
    changes.record("domain.displaced", about=subject(rival), actor=None)
    why = (
        f"The ownership of {name} was proven from another account, so your entry cannot be set up. "
        "If the domain is yours, write to our support. If not, delete the entry."
    )
    _tell(rival, why)


def _tell_neighbour(rival: Domain) -> None:
    changes.record("domain.displaced", about=subject(rival), actor=None)
    why = (
        f"The ownership of a name next to {rival} was proven first, so {rival} is not set up any more. "
        "Publish the record that its page shows, then we set it up again."
    )
    _tell(rival, why)


def _tell(rival: Domain, why: str) -> None:
    audience = alerts.CustomerPeople(rival.customer_id)
    alerts.observe(kind=DISPLACED, about=subject(rival), firing=True, why=why, severity="high", audience=audience)


def note_settled(domain: Domain) -> None:
    """It is proven after all: what its owners were told of is over."""
    audience = alerts.CustomerPeople(domain.customer_id)
    for kind in (DISPLACED, EXPIRING):
        alerts.observe(kind=kind, about=subject(domain), firing=False, why="", severity="high", audience=audience)


def is_held_by_another(domain: Domain) -> bool:
    return held_domains().filter(name=domain.name).exclude(pk=domain.pk).exists()
