"""Who may have a domain: a claim is proven by a TXT record made for it, or approved by staff with a reason."""

import secrets
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from changes import services as changes
from domains.core import claims
from domains.core.checking import judge
from domains.core.claims import ClaimReason
from domains.core.observing import Answer, Question, further_questions, question_for
from domains.core.records import Record
from domains.models import Domain, RecordCheck, Stage
from domains.selectors import finding
from domains.services.looking import look_up
from domains.services.queue import set_up_soon
from domains.services.subjects import subject
from domains.services.telling import tell
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import Refused
from tenants.models import User

TOO_LATE = "Somebody else has proven that this domain is theirs. If that cannot be, ask our support."


@transaction.atomic
def require(domain: Domain, reason: ClaimReason) -> None:
    """Nothing more is asked of Amazon until the claim is proven. Without effect when setting up was given up."""
    if not Domain.objects.select_for_update().filter(pk=domain.pk, stage=Stage.STARTING).exists():
        return
    domain.stage, domain.stage_problem = Stage.CLAIM, ""
    domain.claim_token = secrets.token_urlsafe(24)
    domain.claim_reason = reason
    domain.claim_proven_at = None
    domain.next_check_at = timezone.now()
    fields = ("stage", "stage_problem", "claim_token", "claim_reason", "claim_proven_at", "next_check_at")
    domain.save(update_fields=fields)
    changes.record("domain.claim_required", about=subject(domain), actor=None, after={"reason": reason.value})
    for held in _held_nearby(domain):
        changes.record("domain.claimed_nearby", about=subject(held), actor=None, after={"name": domain.name})


def look(domain: Domain) -> bool:
    """Ask the DNS for the proof; True when it is there, and then setting up goes on."""
    with slow_work.place(customer=domain.customer_id):
        return domain.stage != Stage.CLAIM or look_at([domain]) == {domain.pk}


def look_at(domains: Sequence[Domain]) -> set[str]:
    """Ask the DNS for the proofs of several claims at once; the ids of those that are proven, which then go on."""
    records = {domain.pk: claims.challenge(domain.parsed, domain.claim_token) for domain in domains}
    asked = [q for d in domains for q in (question_for(records[d.pk]), *further_questions(records[d.pk], d.parsed))]
    seen: dict[Question, list[Answer]] = {}
    for answer in look_up(asked):
        seen.setdefault(answer.question, []).append(answer)
    return {domain.pk for domain in domains if _is_settled(domain, records[domain.pk], seen)}


def _is_settled(domain: Domain, record: Record, seen: Mapping[Question, list[Answer]]) -> bool:
    answers = seen.get(question_for(record), [])
    _store_look(domain, record, answers, seen)
    if not claims.is_proven(domain.parsed, domain.claim_token, answers):
        return False
    return _accept(domain, what="domain.claim_proven", actor=None, because="")


@transaction.atomic
def _store_look(
    domain: Domain, record: Record, answers: Sequence[Answer], seen: Mapping[Question, list[Answer]]
) -> None:
    """What the page shows of the proof: not there, wrong, or that we could not look."""
    now = timezone.now()
    further = [a for question in further_questions(record, domain.parsed) for a in seen.get(question, [])]
    found = judge(record, answers, verified_before=None, now=now, further=further)
    if not Domain.objects.filter(pk=domain.pk, stage=Stage.CLAIM).update(last_dns_check=now):
        return
    known = {"state": found.state, "found": list(found.found), "code": found.code, "sentence": found.sentence}
    RecordCheck.objects.update_or_create(domain=domain, key=record.key, defaults=known | {"checked_at": now})


def approve(*, domain: Domain, because: str, actor: User) -> None:
    """Staff vouch for the claim. Raises Refused without a reason or when nothing is claimed."""
    if domain.stage != Stage.CLAIM:
        raise Refused("There is no claim to approve: this domain is not waiting for a proof.")
    if not because.strip():
        raise Refused("Say why the claim may be approved without the record; it stays in the history.")
    if not _accept(domain, what="domain.claim_approved", actor=actor, because=because.strip()):
        raise Refused("The claim is settled already, somebody else has proven theirs, or the domain is being deleted.")


def _accept(domain: Domain, *, what: str, actor: User | None, because: str) -> bool:
    """False when the claim that was looked at is no longer the domain's, or somebody else has proven theirs first."""
    try:
        return _settle(domain, what=what, actor=actor, because=because)
    except IntegrityError:
        Domain.objects.filter(pk=domain.pk, stage=Stage.CLAIM).update(stage_problem=TOO_LATE)
        return False


@transaction.atomic
def _settle(domain: Domain, *, what: str, actor: User | None, because: str) -> bool:
    claim = {"pk": domain.pk, "stage": Stage.CLAIM, "claim_token": domain.claim_token}
    locked = Domain.objects.select_for_update().filter(**claim).first()
    if locked is None:
        return False
    locked.stage, locked.claim_proven_at = Stage.STARTING, timezone.now()
    locked.save(update_fields=("stage", "claim_proven_at"))
    domain.stage, domain.claim_proven_at = locked.stage, locked.claim_proven_at
    after = {"reason": locked.claim_reason}
    changes.record(what, about=subject(locked), actor=actor, because=because, after=after)
    set_up_soon(locked)
    return True


def tell_holders(claimed: Domain) -> None:
    """The customers whose domains lie under or over the claimed one learn of the claim, not of the claimant."""
    for held in _held_nearby(claimed):
        tell(
            held.customer,
            f"Somebody wants to add {claimed}",
            f"Somebody else asked to add {claimed}, which belongs together with your domain {held}.\n\n"
            "They must first publish a record in its DNS, which only its owner can. If that is not you or a colleague, "
            "look at who may edit your DNS, and write to our support.\n\n"
            f"We send at most {settings.UNSOLICITED_MAILS_PER_DAY} mails like this a day. "
            "The history of your domain lists every such request.\n",
            unsolicited=True,
        )


def _held_nearby(claimed: Domain) -> QuerySet[Domain]:
    related = finding.related_domains(claimed.parsed).exclude(customer_id=claimed.customer_id)
    return related.select_related("customer")
