"""Looking at DNS and at Amazon, many domains at a time, and storing what was seen."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.core.checking import Judgement, Overall, State, judge, judge_aspects, overall
from domains.core.observing import Answer, Question, further_questions, question_for
from domains.core.records import Record
from domains.core.schedule import jitter_for, next_check
from domains.models import Domain, RecordCheck, Stage
from domains.selectors import finding
from domains.services import claiming, reading
from domains.services.looking import look_up
from domains.services.queue import check_soon
from domains.services.subjects import subject
from inbound_admin.lib import aws
from inbound_admin.lib.errors import RateLimited

AT_ONCE = 200  # domains in one round of look-ups: enough to keep the sockets busy, few enough to store often
WATCHED_EVERY = timedelta(seconds=10)

Seen = dict[Question, list[Answer]]


def check_now(*, domain: Domain) -> str:
    """What a person asked for: looks at once and says what came of it. Raises RateLimited when asked again too soon."""
    now = timezone.now()
    _not_too_often(domain, now)
    Domain.objects.filter(pk=domain.pk).update(watched_from=now)
    domain.watched_from = now
    if domain.stage == Stage.CLAIM:
        proven = claiming.look(domain)
        return "The proof is there. We set the domain up now." if proven else "We looked: the proof is not there yet."
    if domain.stage != Stage.READY:
        return "The domain is still being set up with Amazon."
    before = domain.state
    with aws.patience(settings.AWS_PAGE_PATIENCE_SECONDS):
        check([domain], now=now)
    news = "" if domain.state != before else "Nothing has changed. "
    return f"We looked just now. {news}{domain.summary}"


def can_check_in(domain: Domain, now: datetime) -> int:
    """Seconds until a person may ask again; 0 is now."""
    if domain.last_dns_check is None:
        return 0
    wait = domain.last_dns_check + timedelta(seconds=settings.CHECK_NOW_EVERY_SECONDS) - now
    return max(0, round(wait.total_seconds()))


def watched(domain: Domain) -> None:
    """Somebody has the page open: what is pending is looked at more often, however many people watch."""
    now = timezone.now()
    fresh = domain.last_dns_check and domain.last_dns_check > now - WATCHED_EVERY
    if fresh or domain.is_held or domain.stage not in (Stage.READY, Stage.CLAIM) or domain.state == State.VERIFIED:
        return
    Domain.objects.filter(pk=domain.pk, next_check_at__gt=now).update(next_check_at=now)
    check_soon()


def check_due(*, now: datetime) -> int:
    """Look at all that is due; returns how many. Held domains are left alone."""
    done = 0
    while due := list(finding.domains_due(now)[:AT_ONCE]):
        for domain in due:
            if domain.stage == Stage.CLAIM:
                claiming.look(domain)
                _schedule_claim(domain, now)
        check([domain for domain in due if domain.stage == Stage.READY], now=now)
        done += len(due)
    return done


def check(domains: Sequence[Domain], *, now: datetime) -> None:
    """Look at DNS and Amazon for domains that are set up, and store records, states and the time of the next look."""
    if not domains:
        return
    reading.read(domains, now=now)
    records = {domain.pk: domain.records for domain in domains}
    before = _verified_before(domains)
    seen = _ask([question_for(record) for own in records.values() for record in own])
    judged = {d.pk: _judge(d, records[d.pk], seen, {}, before, now) for d in domains}
    unclear = [
        question
        for domain in domains
        for record, judgement in zip(records[domain.pk], judged[domain.pk], strict=True)
        if judgement.state is not State.VERIFIED
        for question in further_questions(record, domain.parsed)
    ]
    further = _ask(unclear)
    for domain in domains:
        own = _judge(domain, records[domain.pk], seen, further, before, now)
        _save(domain, own, now)


def _not_too_often(domain: Domain, now: datetime) -> None:
    wait = can_check_in(domain, now)
    if wait:
        sentence = f"We looked a moment ago. You can ask again in {wait} seconds."
        raise RateLimited(sentence, retry_after=wait)


def _schedule_claim(domain: Domain, now: datetime) -> None:
    due = next_check(State.WAITING, changed_at=domain.watched_from, now=now, jitter=jitter_for(domain.name))
    Domain.objects.filter(pk=domain.pk, stage=Stage.CLAIM).update(next_check_at=due)


def _verified_before(domains: Sequence[Domain]) -> dict[tuple[str, str], datetime | None]:
    rows = RecordCheck.objects.filter(domain__in=domains).values_list("domain_id", "key", "verified_at")
    return {(domain_id, key): verified_at for domain_id, key, verified_at in rows}


def _ask(questions: Sequence[Question]) -> Seen:
    found: Seen = {}
    for answer in look_up(questions):
        found.setdefault(answer.question, []).append(answer)
    return found


def _judge(
    domain: Domain,
    records: Sequence[Record],
    seen: Seen,
    further: Seen,
    before: dict[tuple[str, str], datetime | None],
    now: datetime,
) -> list[Judgement]:
    return [
        judge(
            record,
            seen.get(question_for(record), []),
            verified_before=before.get((domain.pk, record.key)),
            now=now,
            further=[a for question in further_questions(record, domain.parsed) for a in further.get(question, [])],
        )
        for record in records
    ]


@transaction.atomic
def _save(domain: Domain, judgements: Sequence[Judgement], now: datetime) -> None:
    result = overall(judge_aspects(judgements, domain.ses_statuses), judgements)
    RecordCheck.objects.bulk_create(
        [_row(domain, judgement, now) for judgement in judgements],
        update_conflicts=True,
        unique_fields=("domain", "key"),
        update_fields=("state", "found", "code", "sentence", "checked_at", "verified_at"),
    )
    keys = [judgement.key for judgement in judgements]
    RecordCheck.objects.filter(domain=domain).exclude(key__in=keys).delete()
    _move(domain, result, now)


def _row(domain: Domain, judgement: Judgement, now: datetime) -> RecordCheck:
    return RecordCheck(
        domain=domain,
        key=judgement.key,
        state=judgement.state,
        found=list(judgement.found),
        code=judgement.code,
        sentence=judgement.sentence,
        checked_at=now,
        verified_at=judgement.last_verified,
    )


def _move(domain: Domain, result: Overall, now: datetime) -> None:
    """The new state, its moment, and the time of the next look; a change of what we *know* goes into the log."""
    if domain.state != result.state:
        domain.state_since = now
    domain.state, domain.summary, domain.last_dns_check = result.state, result.sentence, now
    domain.failed_checks = domain.failed_checks + 1 if result.state is State.COULD_NOT_CHECK else 0
    if result.state is State.VERIFIED and domain.verified_at is None:
        domain.verified_at = now
    domain.next_check_at = next_check(
        result.state,
        changed_at=domain.watched_from,
        now=now,
        failures=domain.failed_checks,
        jitter=jitter_for(domain.name),
    )
    if result.state is not State.COULD_NOT_CHECK and domain.known_state != result.state:
        before, after = {"state": domain.known_state}, {"state": result.state.value}
        changes.record("domain.state", about=subject(domain), actor=None, before=before, after=after)
        domain.known_state = result.state
    domain.save(
        update_fields=(
            "state",
            "known_state",
            "state_since",
            "summary",
            "last_dns_check",
            "failed_checks",
            "verified_at",
            "next_check_at",
        )
    )
