"""Who may have a domain: a claim is proven by a TXT record made for it, or approved by staff with a reason."""

import secrets

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.core import claims
from domains.core.claims import ClaimReason
from domains.models import Domain, Stage
from domains.selectors import finding
from domains.services.looking import look_up
from domains.services.queue import set_up_soon
from domains.services.subjects import subject
from inbound_admin.lib.errors import Refused
from tenants.models import User
from tenants.selectors import owners_of


@transaction.atomic
def require(domain: Domain, reason: ClaimReason) -> None:
    """Nothing is asked of Amazon for this domain until the claim is proven."""
    domain.stage = Stage.CLAIM
    domain.claim_token = secrets.token_urlsafe(24)
    domain.claim_reason = reason
    domain.claim_proven_at = None
    domain.next_check_at = timezone.now()
    domain.save(update_fields=("stage", "claim_token", "claim_reason", "claim_proven_at", "next_check_at"))
    changes.record("domain.claim_required", about=subject(domain), actor=None, after={"reason": reason.value})


def look(domain: Domain) -> bool:
    """Ask the DNS for the proof; True when it is there, and then setting up goes on."""
    if domain.stage != Stage.CLAIM:
        return True
    answers = look_up([claims.question(domain.parsed)])
    Domain.objects.filter(pk=domain.pk).update(last_dns_check=timezone.now())
    if not claims.is_proven(domain.parsed, domain.claim_token, answers):
        return False
    _accept(domain, what="domain.claim_proven", actor=None, because="")
    return True


def approve(*, domain: Domain, because: str, actor: User) -> None:
    """Staff vouch for the claim. Raises Refused without a reason or when nothing is claimed."""
    if domain.stage != Stage.CLAIM:
        raise Refused("There is no claim to approve: this domain is not waiting for a proof.")
    if not because.strip():
        raise Refused("Say why the claim may be approved without the record; it stays in the history.")
    _accept(domain, what="domain.claim_approved", actor=actor, because=because.strip())


@transaction.atomic
def _accept(domain: Domain, *, what: str, actor: User | None, because: str) -> None:
    locked = Domain.objects.select_for_update().get(pk=domain.pk)
    if locked.stage != Stage.CLAIM:
        return
    locked.stage, locked.claim_proven_at = Stage.STARTING, timezone.now()
    locked.save(update_fields=("stage", "claim_proven_at"))
    domain.stage, domain.claim_proven_at = locked.stage, locked.claim_proven_at
    after = {"reason": locked.claim_reason}
    changes.record(what, about=subject(locked), actor=actor, because=because, after=after)
    set_up_soon(locked)


def tell_holders(claimed: Domain) -> None:
    """The customers whose domains lie under or over the claimed one learn of the claim, not of the claimant."""
    related = finding.related_domains(claimed.parsed).exclude(customer_id=claimed.customer_id)
    for held in related.select_related("customer"):
        changes.record("domain.claimed_nearby", about=subject(held), actor=None, after={"name": claimed.name})
        send_mail(
            f"Somebody wants to add {claimed}",
            f"Somebody else asked to add {claimed}, which belongs together with your domain {held}.\n\n"
            "They must first publish a record in its DNS, which only its owner can. If that is not you or a colleague, "
            "look at who may edit your DNS, and write to our support.\n",
            settings.DEFAULT_FROM_EMAIL,
            [owner.email for owner in owners_of(held.customer)],
        )
