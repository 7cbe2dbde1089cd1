"""Checks and approves claims: a TXT record that is unique to the claim proves it, or staff approve it with a reason.

`has_earlier_records` says whether records of an earlier setup are still published for an unproven domain. SES issues
the same tokens for the same domain again, so such records would verify it for anyone who adds it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import owners_of
from audit import services as audit_services
from domains.checking.core.comparison import FAILED_CODE
from domains.checking.core.judgement import Judgement, State, judge
from domains.checking.core.sentences import describe
from domains.dns.core import Answer, LookupStatus, Question, further_questions, question_for
from domains.dns.services import look_up
from domains.domain_list.selectors import domain_subject
from domains.jobs import queue_checks, queue_set_up
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.ownership import core as ownership_core
from domains.ownership import services as ownership_services
from domains.ownership.core import BEING_REMOVED, FOUND_UNCHECKED, PUBLIC_REASONS, TOO_LATE, WHY, ClaimReason
from domains.ownership.services import UNDONE
from domains.records.core import Record, mail_from_candidates
from domains.wildcards import services as wildcards_services
from domains.wildcards.core import WILDCARD_CODE, Standing
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import Problem, Refused
from inbound_admin.lib.freshness import not_newer
from inbound_admin.lib.seen import refuse_if_changed
from notifications.alerts import services as alerts_services
from notifications.email import services as email_services

log = structlog.get_logger(__name__)
UNCHECKED = "We couldn't check the TXT record. It may be published already; we'll try again shortly."
PROVEN = ("stage", "stage_problem", "claim_proven_at", "proven_at", "identity_deletion_wanted", "next_check_at")


@transaction.atomic
def require_proof(domain: Domain, reason: ClaimReason) -> None:
    """Stop the setup until the claim is proven. No effect if the domain is no longer being set up."""
    if Domain.objects.select_for_update().filter(pk=domain.pk, stage=Stage.STARTING).exists():
        ownership_services.open_claim(domain, reason)


def check_claim(domain: Domain) -> bool:
    """Look up the proof. Return True if it is published; then the setup continues."""
    with slow_work.slot(customer=domain.customer_id):
        return domain.stage != Stage.CLAIM or check_claims([domain]) == {domain.pk}


def check_claims(domains: Sequence[Domain]) -> set[str]:
    """Look up the proofs of several claims together. Return the ids of proven ones, whose setup continues."""
    records = {domain.pk: ownership_core.challenge(domain.parsed, domain.claim_token) for domain in domains}
    questions = [q for d in domains for q in (question_for(records[d.pk]), *further_questions(records[d.pk], d.parsed))]
    seen: dict[Question, list[Answer]] = {}
    asked_at = timezone.now()
    for answer in look_up(questions):
        seen.setdefault(answer.question, []).append(answer)
    found = {d: records[d.pk] for d in domains if _is_found(d, seen.get(question_for(records[d.pk]), []))}
    standings = wildcards_services.standings_of_challenges(found)
    return {d.pk for d in domains if _check_answers(d, records[d.pk], seen, standings.get(d.pk), asked_at)}


def _is_found(domain: Domain, answers: Sequence[Answer]) -> bool:
    return ownership_core.is_proven(domain.parsed, domain.claim_token, answers)


def _check_answers(
    domain: Domain,
    record: Record,
    seen: Mapping[Question, list[Answer]],
    standing: Standing | None,
    asked_at: datetime,
) -> bool:
    further = [a for question in further_questions(record, domain.parsed) for a in seen.get(question, [])]
    answers = seen.get(question_for(record), [])
    found = judge(record, answers, verified_before=None, now=asked_at, further=further)
    _store_check(domain, _by_standing(found, record, standing), asked_at)
    if standing is not Standing.OWN:
        return False
    return _accept(domain, what="domain.claim_proven", actor=None, because="")


def _by_standing(found: Judgement, record: Record, standing: Standing | None) -> Judgement:
    """A value that was found proves nothing unless it stands at its own name."""
    if standing in (None, Standing.OWN):
        return found
    is_shared = standing is Standing.SHARED
    state, code = (State.WRONG, WILDCARD_CODE) if is_shared else (State.COULD_NOT_CHECK, FAILED_CODE)
    said = FOUND_UNCHECKED if standing is Standing.UNKNOWN else describe(code, record, found.found)
    return replace(found, state=state, code=code, sentence=said, last_verified=None)


@transaction.atomic
def _store_check(domain: Domain, found: Judgement, now: datetime) -> None:
    """Store what the page shows about the proof: missing, wrong, or check failed. A free name is no longer "held".

    Store nothing if a newer check has begun: it stores its own result.
    """
    claim = Domain.objects.filter(pk=domain.pk, stage=Stage.CLAIM)
    unchecked = FOUND_UNCHECKED if found.sentence == FOUND_UNCHECKED else UNCHECKED
    shown = {FAILED_CODE: unchecked, WILDCARD_CODE: found.sentence}
    domain.summary = shown.get(found.code, "")
    if not claim.filter(not_newer("last_dns_check", now)).update(last_dns_check=now, summary=domain.summary):
        return
    if domain.is_held_by_another and not ownership_services.is_held_by_another(domain):
        claim.filter(stage_problem=TOO_LATE).update(stage_problem="")
        domain.stage_problem = ""
    known = {"state": found.state, "found": list(found.found), "code": found.code, "sentence": found.sentence}
    before = RecordCheck.objects.filter(domain=domain, key=found.key).first()
    moment = {"checked_at": now, "last_known": before.known_after(found.state) if before else None}
    RecordCheck.objects.update_or_create(domain=domain, key=found.key, defaults=known | moment)


def record_proof(domain: Domain, proof: Standing | None) -> None:
    """Prove a domain by its own records that SES confirmed. The caller has locked row and zone, and saves the row."""
    if proof is not Standing.OWN or domain.proven_at is not None:
        return
    ownership_services.prove(domain)
    audit_services.record("domain.proven", about=domain_subject(domain), actor=None)
    ownership_services.resolve_alerts(domain)


def ask_for_challenge(domain: Domain) -> None:
    """Take back the setup: a wildcard or an alias answered SES, so whoever controls its target would be verified."""
    ownership_services.revert_to_claim(domain, ClaimReason.WILDCARD)
    domain.summary = WHY[ClaimReason.WILDCARD]
    domain.save(update_fields=("summary",))
    announce_undone(domain)


def announce_undone(domain: Domain) -> None:
    """Alert the owners: a claim neither sends nor receives, and the alerts about what it was have ended."""
    why = (
        f"{WHY[ClaimReason(domain.claim_reason)]} Publish the record shown on the page of {domain} to set it up again."
    )
    alerts_services.observe(kind=UNDONE, about=domain_subject(domain), firing=True, why=why, severity="high")


def shown_claim(domain: Domain) -> dict[str, Any]:
    """Return what the page shows beside the button that approves it, for `inbound_admin.lib.seen`."""
    return {"customer_id": domain.customer_id, "claim_token": domain.claim_token}


def approve_claim(*, domain: Domain, because: str, actor: User, seen: str = "") -> None:
    """Approve an unproven domain. `seen`: of the form.

    Raises Refused without a reason or if it is already proven, and ChangedMeanwhile.
    """
    if domain.stage != Stage.CLAIM and (domain.proven_at or domain.stage == Stage.DELETING):
        raise Refused("There is no claim to approve. This domain isn't waiting for proof of ownership.")
    if not because.strip():
        raise Refused("Enter the reason for approving the claim without the record. It's kept in the change log.")
    if not _accept(domain, what="domain.claim_approved", actor=actor, because=because.strip(), seen=seen):
        raise Refused(
            "The claim is already settled, another account has proven ownership, or the domain is being deleted."
        )


def _accept(domain: Domain, *, what: str, actor: User | None, because: str, seen: str = "") -> bool:
    """Return False if the row has changed since it was read, or somebody else proved the name first."""
    try:
        return _settle(domain, what=what, actor=actor, because=because, seen=seen)
    except IntegrityError:
        late = ownership_services.is_held_by_another(domain)
        problem = TOO_LATE if late else BEING_REMOVED
        Domain.objects.filter(pk=domain.pk, stage=Stage.CLAIM).update(stage_problem=problem)
        return False


@transaction.atomic
def _settle(domain: Domain, *, what: str, actor: User | None, because: str, seen: str) -> bool:
    """Mark it as proven, so that it can't be displaced and doesn't expire. A claim is set up now. Another domain is set
    up already, or waits for its records.
    """
    ownership_services.lock_names(domain.parsed)
    is_claim, after = domain.stage == Stage.CLAIM, {}
    claim = {"stage": Stage.CLAIM, "claim_token": domain.claim_token}
    unclaimed = {"stage__in": (Stage.STARTING, Stage.READY), "proven_at": None}
    rows = Domain.objects.filter(pk=domain.pk, **(claim if is_claim else unclaimed))
    locked = rows.select_for_update(of=("self",)).select_related("customer").first()
    if locked is None:
        return False
    refuse_if_changed(seen, shown_claim(locked))
    ownership_services.prove(locked)
    if is_claim:
        locked.stage, locked.claim_proven_at = Stage.STARTING, locked.proven_at
        locked.stage_problem, locked.identity_deletion_wanted = "", False
        after = {"reason": PUBLIC_REASONS[ClaimReason(locked.claim_reason)]}
        queue_set_up(locked)
    else:
        locked.next_check_at = timezone.now()  # its state says that the proof is unknown
        queue_checks()
    locked.save(update_fields=PROVEN)
    domain.stage, domain.claim_proven_at, domain.proven_at = locked.stage, locked.claim_proven_at, locked.proven_at
    audit_services.record(what, about=domain_subject(locked), actor=actor, because=because, after=after)
    ownership_services.resolve_alerts(locked)
    return True


def notify_holders(claimed: Domain) -> None:
    """Notify the customers whose domains are below or above the claimed one, without naming the claimant."""
    for held in ownership_services.held_nearby(claimed):
        _email_owners(
            held.customer,
            f"Request to add {claimed}",
            f"Another account asked to add {claimed}, which is related to your domain {held}.\n\n"
            "They must first publish a record in its DNS. If this wasn't you or a colleague, "
            "check who can edit your DNS, and contact support.\n\n"
            f"We send at most {settings.UNSOLICITED_MAILS_PER_DAY} emails like this a day. "
            "The Activity tab of your domain lists every such request.\n",
        )


def _email_owners(customer: Customer, title: str, text: str) -> None:
    """Email the customer's owners once, within their daily limit: anybody can cause it. A failure is only logged."""
    try:
        email_services.send_unsolicited(title=title, text=text, to=[owner.email for owner in owners_of(customer)])
    except (SMTPException, OSError) as problem:
        log.error("mail not sent", title=title, customer=customer.id, problem=str(problem))


_OURS_MX = re.compile(r"[0-9]+ (inbound-smtp\.[a-z0-9-]+\.amazonaws|feedback-smtp\.[a-z0-9-]+\.amazonses)\.com")


class EarlierRecordsUnknown(Problem):
    """DNS did not answer, and a failed lookup does not prove absence."""

    code = "DNS_UNREACHABLE"
    status = 503


def has_earlier_records(domain: Domain) -> bool:
    """Return True for ownership, inbound and MAIL FROM records of any account, and DKIM of ours.
    Raises EarlierRecordsUnknown.
    """
    questions = _questions(domain)
    answers = look_up(questions)
    if any(_is_earlier_record(domain, answer) for answer in answers if answer.status is LookupStatus.FOUND):
        return True
    answered = {answer.question for answer in answers if answer.status is not LookupStatus.FAILED}
    if not answered.issuperset(questions):
        raise EarlierRecordsUnknown(
            f"The DNS of {domain} doesn't answer, so we can't tell whether the domain is already in use. "
            "We'll try again automatically. If this continues, check your nameservers."
        )
    return False


def _questions(domain: Domain) -> Sequence[Question]:
    questions = [Question(f"_amazonses.{domain.name}", "TXT"), Question(domain.name, "MX")]
    questions += [Question(name, "MX") for name in mail_from_candidates(domain.parsed)]
    return questions + [question_for(record) for record in domain.records if record.type == "CNAME"]


def _is_earlier_record(domain: Domain, answer: Answer) -> bool:
    """A wildcard answers at any name, so an alias counts only with its expected target."""
    if answer.question.type == "TXT":
        return True
    if answer.question.type == "MX":
        return any(_OURS_MX.fullmatch(value) for value in answer.values)
    return any(answer.question == question_for(record) and record.value in answer.values for record in domain.records)
