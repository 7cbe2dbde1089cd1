"""Checks the DNS records and SES status of domains in batches, stores the results, and announces changes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import services as audit_services
from domains.announcements import services as announcements_services
from domains.checking.core.judgement import (
    Judgement,
    NextActor,
    Overall,
    State,
    has_unchecked,
    is_signed,
    judge,
    judge_aspects,
    judge_domain,
    with_receiving,
)
from domains.checking.core.schedule import EVERY_FEW_MINUTES, jitter_for, next_check
from domains.checking.core.sentences import naming_subdomains
from domains.checking.selectors import has_pending_records, last_checks
from domains.conflicts import services as conflicts_services
from domains.dns.core import Question, further_questions
from domains.domain_list.selectors import domain_subject, domains_due
from domains.history import services as history_services
from domains.identity_status import services as identity_status_services
from domains.jobs import queue_checks
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.mta_sts import services as mta_sts_services
from domains.nameservers import services as nameservers_services
from domains.nameservers.services import AnswersByQuestion, HostLookup
from domains.ownership import services as ownership_services
from domains.ownership.core import KEY, PROOF_UNCHECKED
from domains.ownership_claims import services as ownership_claims_services
from domains.policies import services as policies_services
from domains.receiving import services as receiving_services
from domains.records.core import Need, Record, is_inbound
from domains.sending_status.core import with_sending
from domains.wildcards import services as wildcards_services
from domains.wildcards.core import Standing
from domains.zone_causes import core as zone_causes
from domains.zone_causes import services as zone_causes_services
from inbound_admin.lib import aws, isolation, slow_work
from inbound_admin.lib.errors import RateLimited, Refused, aws_sentence
from inbound_admin.lib.freshness import is_outdated

IN_PROGRESS = {
    Stage.STARTING: "The domain is still being set up in Amazon SES.",
    Stage.DELETING: "The domain is being deleted.",
}
NOT_STORED = "The domain changed during the check, so its result wasn't stored. Check again."
BATCH_SIZE = 200  # domains per round of lookups: enough to keep the sockets busy, few enough to save often
WATCHED_FOR = timedelta(minutes=15)  # after the domain was added, changed or checked by a person
WATCHED_EVERY = timedelta(seconds=3)  # while it is that recent, and its page is open
OLD_EVERY, SETTLED_EVERY = timedelta(minutes=1), timedelta(minutes=15)  # later, and once nothing is pending
FAILED_EVERY = timedelta(hours=1)  # after an error in our code
PENDING_EVERY, VERIFIED_EVERY = timedelta(minutes=1), timedelta(hours=30)  # the longest time between SES reads

SAVED_FIELDS = (
    *("state", "known_state", "state_since", "summary", "last_dns_check", "failed_checks", "verified_at", "proven_at"),
    *("next_check_at", "policies", "mx_facts", "receiving_state", "mta_sts", "mta_sts_at", "mta_sts_block"),
)


def check_now(*, domain: Domain) -> str:
    """Check a domain at a person's request and describe the result.

    Raises RateLimited if the last check was too recent, Refused if the domain is on hold or in another region.
    """
    if domain.is_held:
        raise Refused("This domain is on hold, so it can't be checked. Contact support.")
    if domain.region != settings.AWS_REGION:
        raise Refused(f"{domain} belongs to the region {domain.region}, which is managed separately.")
    if domain.stage in IN_PROGRESS:
        return IN_PROGRESS[Stage(domain.stage)]
    with slow_work.slot(customer=domain.customer_id):
        now = timezone.now()  # after the wait for a slot: DNS is read now
        _reserve_check(domain, now)
        return _check_and_describe(domain, now)


def _check_and_describe(domain: Domain, now: datetime) -> str:
    if domain.stage == Stage.CLAIM:
        return _check_claim_and_describe(domain)
    before = domain.state
    with aws.max_wait(settings.AWS_PAGE_PATIENCE_SECONDS):
        check([domain], now=now)
    if domain.stage == Stage.READY and not domain.record_checks.filter(checked_at__gte=now).exists():
        return NOT_STORED
    if mta_sts_services.fetch_announced(domain, now=now):  # the summary says so
        check([domain], now=timezone.now(), read_ses=False)
    news = "" if domain.state != before else "Nothing has changed. "
    problem = "" if domain.is_gone else aws_sentence(domain.ses_problem, to=None)
    return f"Checked just now. {news}{domain.summary} {problem}".rstrip()


def _check_claim_and_describe(domain: Domain) -> str:
    if ownership_claims_services.check_claim(domain):
        return "Ownership is proven. The domain is being set up."
    seen = domain.record_checks.filter(key=KEY).first()
    return f"Checked just now. {seen.sentence if seen else ''}".rstrip()


def can_check_in(domain: Domain, now: datetime) -> int:
    """Return the seconds until a person may check again; 0 means now."""
    last = domain.last_dns_check or now - timedelta(days=1)
    return max(0, round((last + timedelta(seconds=settings.CHECK_NOW_EVERY_SECONDS) - now).total_seconds()))


def schedule_for_open_page(domain: Domain) -> None:
    """Make the check due while somebody has the page open, less often once nothing is pending."""
    now = timezone.now()
    if domain.is_held or domain.stage not in (Stage.READY, Stage.CLAIM):
        return
    if domain.last_dns_check and domain.last_dns_check > now - _open_page_interval(domain, now):
        return
    is_ahead = domain.next_check_at is not None and domain.next_check_at > now
    if is_ahead and Domain.objects.filter(pk=domain.pk, next_check_at__gt=now).update(next_check_at=now):
        domain.next_check_at = now
        queue_checks()


def _open_page_interval(domain: Domain, now: datetime) -> timedelta:
    if not has_pending_records(domain):
        return SETTLED_EVERY
    return WATCHED_EVERY if domain.watched_from > now - WATCHED_FOR else OLD_EVERY


def check_due(*, now: datetime) -> int:
    """Check all domains that are due and return their number. Held domains are skipped.

    A domain whose check fails unexpectedly is logged and checked again later; the others are checked.
    """
    done, began, due_at = 0, timezone.now(), now
    while due := list(domains_due(due_at)[:BATCH_SIZE]):
        claims = [domain for domain in due if domain.stage == Stage.CLAIM]
        for domain in claims:
            _schedule_claim(domain, now)  # first, so that a claim whose check fails is not due again at once
        isolation.together("claims", claims, ownership_claims_services.check_claims)
        ready = [domain for domain in due if domain.stage == Stage.READY]
        isolation.together(
            "domains", ready, partial(check, now=now, read_ses=False), postpone=partial(_postpone, now=now)
        )
        done += len(due)
        now = due_at + (timezone.now() - began)  # of the next lookups, so that they don't count as older ones
    return done


def _postpone(domain: Domain, *, now: datetime) -> None:
    Domain.objects.filter(pk=domain.pk).update(next_check_at=now + FAILED_EVERY)


def check(domains: Sequence[Domain], *, now: datetime, read_ses: bool = True) -> None:
    """Check domains in DNS and SES. Store their records, states and the time of the next check.

    `now`: when this check began. Without `read_ses`, SES is asked only about domains whose status may have changed.
    """
    if not domains:
        return
    nameservers_services.update_zones(domains)
    stored = last_checks(domains)
    before = {key: row.verified_at for key, row in stored.items()}
    seen = _query_records(domains, before)
    policies_services.update_policies(domains, seen)
    judged = {d.pk: _judge(d, seen, {}, before, now) for d in domains}  # without what conflicts with correct records
    unclear = [
        (domain.hosted.zone, question)
        for domain in domains
        for record, judgement in zip(domain.records, judged[domain.pk], strict=True)
        if judgement.state is not State.VERIFIED
        for question in further_questions(record, domain.hosted, judgement.found)
    ]
    further = nameservers_services.query_other_places(unclear)
    zones = zone_causes_services.query_zones(domains, judged, seen.public)
    known = {key: row.conflict for key, row in stored.items() if row.conflict}
    conflicts = conflicts_services.query_conflicts(domains, judged, known, every=read_ses, now=now)
    to_read = [d for d in domains if read_ses or _needs_ses_read(d, judged[d.pk], now)]
    individually = {d.pk for d in to_read if not (d.dkim_zone or d.own_dkim_key or is_signed(judged[d.pk]))}
    keys = {d.pk: d.dkim_tokens for d in domains}
    identity_status_services.read_statuses(to_read, now=now, individually=individually)
    replaced = {d.pk for d in domains if d.dkim_tokens != keys[d.pk]}  # nobody ever published the new keys
    before = {(pk, key): at for (pk, key), at in before.items() if pk not in replaced or not key.startswith("dkim-")}
    history_services.record_answers(domains, seen.all, now=now)
    proofs = wildcards_services.proofs_by_ses(domains)
    for domain in domains:  # judged again: SES's answer changes which records are required
        found = conflicts.judge(domain, _judge(domain, seen, further, before, now))
        _save(domain, zones.explain(domain, found), now, seen, proofs.get(domain.pk))


def _query_records(domains: Sequence[Domain], before: dict[tuple[str, str], datetime | None]) -> HostLookup:
    """Ask resolvers for records that were correct before. Ask the domain's own nameservers first for the rest."""
    pairs = [(domain, record) for domain in domains for record in domain.checked_records]
    known = [record for domain, record in pairs if before.get((domain.pk, record.key))]
    unseen = [(domain.hosted.zone, record) for domain, record in pairs if not before.get((domain.pk, record.key))]
    return nameservers_services.query_hosts_first(unseen, known)


def _needs_ses_read(domain: Domain, judgements: Sequence[Judgement], now: datetime) -> bool:
    """Verified domains are read in the daily read. Pending ones are read if their status may have changed or is old."""
    if domain.last_ses_check is None or domain.ses_problem:
        return True
    settled = domain.state == State.VERIFIED and all(judgement.state is State.VERIFIED for judgement in judgements)
    if domain.last_ses_check < now - (VERIFIED_EVERY if settled else PENDING_EVERY):
        return True
    aspects = judge_aspects(judgements, domain.ses_statuses)
    return any(aspect.state is State.SPREADING for aspect in aspects)


def _reserve_check(domain: Domain, now: datetime) -> None:
    """Let one of several concurrent requests check. Raises RateLimited for the others."""
    latest = now - timedelta(seconds=settings.CHECK_NOW_EVERY_SECONDS)
    free = Domain.objects.filter(Q(last_dns_check=None) | Q(last_dns_check__lte=latest), pk=domain.pk)
    if not free.update(last_dns_check=now, watched_from=now):
        domain.refresh_from_db(fields=("last_dns_check",))
        wait = max(1, can_check_in(domain, now))
        sentence = f"We checked a moment ago. You can check again in {wait} second{'' if wait == 1 else 's'}."
        raise RateLimited(sentence, retry_after=wait)
    domain.last_dns_check = domain.watched_from = now


def _schedule_claim(domain: Domain, now: datetime) -> None:
    due = next_check(State.WAITING, changed_at=domain.watched_from, now=now, jitter=jitter_for(domain.name))
    Domain.objects.filter(pk=domain.pk, stage=Stage.CLAIM).update(next_check_at=due)


def _judge(
    domain: Domain,
    seen: HostLookup,
    further: AnswersByQuestion,
    before: dict[tuple[str, str], datetime | None],
    now: datetime,
) -> list[Judgement]:
    return [
        judge(
            record,
            seen.answers_for_record(record),
            verified_before=before.get((domain.pk, record.key)),
            now=now,
            further=[a for question in _asked_further(domain, record, seen) for a in further.get(question, [])],
            names=domain.published.names,
        )
        for record in domain.records
    ]


def _asked_further(domain: Domain, record: Record, seen: HostLookup) -> tuple[Question, ...]:
    found = [value for answer in seen.answers_for_record(record) for value in answer.values]
    return further_questions(record, domain.hosted, found)


@transaction.atomic
def _save(
    domain: Domain, judgements: Sequence[Judgement], now: datetime, seen: HostLookup, proof: Standing | None
) -> None:
    """Save nothing if the domain was deleted, held or changed during the check, or if a newer check has been saved."""
    if domain.proven_at is None:
        lock = ownership_services.lock_names if proof is Standing.OWN else ownership_services.lock_zone
        lock(domain.parsed)
    ready = Domain.objects.filter(pk=domain.pk, stage=Stage.READY, held_at=None)
    locked = ready.select_for_update(of=("self",)).select_related("customer").first()
    if locked is None:
        return
    known = {row.key: row for row in RecordCheck.objects.filter(domain=domain)}
    if not is_outdated(now, *(row.checked_at for row in known.values())):
        locked.policies = domain.policies
        if locked.checked_records != domain.checked_records:
            return
        if proof is Standing.SHARED and locked.proven_at is None:
            ownership_claims_services.ask_for_challenge(locked)
            domain.stage = locked.stage
        else:
            _save_results(locked, domain, judgements, known, now, seen, proof)
    for name in SAVED_FIELDS:
        setattr(domain, name, getattr(locked, name))


def _save_results(
    locked: Domain,
    domain: Domain,
    judgements: Sequence[Judgement],
    known: Mapping[str, RecordCheck],
    now: datetime,
    seen: HostLookup,
    proof: Standing | None,
) -> None:
    asked_before = locked.records
    ownership_claims_services.record_proof(locked, proof)
    domain.mx_facts = locked.mx_facts  # of the last check, for a lookup that fails now
    locked.mx_facts = domain.mx_facts = receiving_services.mx_facts(domain, seen)
    mta_sts_services.record_announcement(locked, judgements, now)
    receiving_services.update_receiving_state(locked, now)
    known_before, is_proven = locked.known_state, locked.proven_at is not None
    identity = _overall(domain, judgements, is_proven=is_proven)
    result = with_receiving(identity, (locked.receiving, *locked.receiving_below))
    own = [each for each in judgements if not is_inbound(each.key)]  # the inbound MX does not count for verification
    if locked.verified_at is None and _overall(domain, own, is_proven=is_proven).state is State.VERIFIED:
        locked.verified_at = now
        announcements_services.send_notices(locked, now=now)
    _save_records(domain, judgements, known, now)
    _store_state(locked, result, now, is_due=locked.records != asked_before or has_unchecked(judgements))
    announcements_services.announce_domain(locked, known_before, identity, judgements, now)


def _overall(domain: Domain, judgements: Sequence[Judgement], *, is_proven: bool) -> Overall:
    """An identity that was deleted in SES needs action, whatever DNS shows."""
    judged = judge_domain(judge_aspects(judgements, domain.ses_statuses), judgements)
    causes = {each.key for each in judgements if each.need is Need.REQUIRED and each.state is judged.state}
    receiving = [each.name if is_inbound(each.key) else "" for each in domain.records if each.key in causes]
    result = replace(judged, sentence=naming_subdomains(judged.sentence, receiving, domain.name))
    if result.state is State.VERIFIED and not is_proven:
        return replace(result, state=State.COULD_NOT_CHECK, next_actor=NextActor.US, sentence=PROOF_UNCHECKED)
    if not domain.is_gone:
        cause = zone_causes.cause_of(judgements)
        result = zone_causes.summarised(result, cause, was_verified=domain.verified_at is not None) if cause else result
        return with_sending(result, domain.name, domain.rejecting_mail_from, domain.lost_own_key)
    return replace(result, state=State.WRONG, next_actor=NextActor.YOU, sentence=domain.ses_problem)


def _save_records(
    domain: Domain, judgements: Sequence[Judgement], known: Mapping[str, RecordCheck], now: datetime
) -> None:
    """`verified_at` and the last known result survive failed lookups, including those of a concurrent check."""
    right_once = {key: row.verified_at for key, row in known.items() if row.verified_at}
    RecordCheck.objects.bulk_create(
        [_row(domain, judgement, known.get(judgement.key), now) for judgement in judgements],
        update_conflicts=True,
        unique_fields=("domain", "key"),
        update_fields=("state", "found", "code", "sentence", "checked_at", "verified_at", "last_known", "conflict"),
    )
    RecordCheck.objects.filter(domain=domain).exclude(key__in=[each.key for each in judgements]).delete()
    announcements_services.announce_records(domain, {key: known[key].state for key in right_once}, judgements, now)


def _row(domain: Domain, judgement: Judgement, before: RecordCheck | None, now: datetime) -> RecordCheck:
    return RecordCheck(
        domain=domain,
        key=judgement.key,
        state=judgement.state,
        found=list(judgement.found),
        code=judgement.code,
        sentence=judgement.sentence,
        checked_at=now,
        verified_at=judgement.last_verified or (before.verified_at if before else None),
        last_known=before.known_after(judgement.state) if before else None,
        conflict=judgement.conflict,
    )


def _failures(domain: Domain, result: Overall, now: datetime) -> int:
    """Return the number of failed checks in a row. One that a person caused soon after another starts at 1 again."""
    if result.state is not State.COULD_NOT_CHECK:
        return 0
    is_early = domain.last_dns_check is not None and now - domain.last_dns_check < EVERY_FEW_MINUTES
    return 1 if is_early else domain.failed_checks + 1


def _store_state(domain: Domain, result: Overall, now: datetime, *, is_due: bool) -> None:
    """Set the new state and the time of the next check. A change of the known state is timestamped and logged.

    `is_due`: this check changed the required records, so the next one is due at once.
    """
    planned = domain.next_check_at
    domain.failed_checks = _failures(domain, result, now)
    domain.state, domain.summary = result.state, result.sentence
    if not is_outdated(now, domain.last_dns_check):  # a newer check may be under way, and has reserved its time
        domain.last_dns_check = now
    if result.state is not State.COULD_NOT_CHECK and domain.known_state != result.state:
        before, after = {"state": domain.known_state}, {"state": result.state.value}
        audit_services.record("domain.state", about=domain_subject(domain), actor=None, before=before, after=after)
        domain.known_state, domain.state_since = result.state, now
    domain.next_check_at = next_check(
        result.state,
        changed_at=domain.watched_from,
        now=now,
        failures=domain.failed_checks,
        jitter=jitter_for(domain.name),
        lost_at=domain.state_since if domain.verified_at and result.state in announcements_services.LOST else None,
    )
    if result.state is State.COULD_NOT_CHECK and planned is not None and planned > now:
        domain.next_check_at = min(planned, domain.next_check_at)  # a person's check delays no automatic one
    domain.next_check_at = now if is_due else domain.next_check_at
    domain.save(update_fields=SAVED_FIELDS)
