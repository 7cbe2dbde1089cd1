"""Stores every change of a DNS answer. An unchanged answer stores nothing; a failed lookup changes nothing.

When something changed, it also asks for the zone's serial and nameservers: they often explain the change.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from domains.checking.core.judgement import State
from domains.dns.core import Answer, LookupStatus, Question, question_for
from domains.dns.services import look_up
from domains.history.core import serial_of
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from domains.providers.core import provider_of
from inbound_admin.lib.freshness import not_newer, oldest_kept

Answers = Mapping[Question, Sequence[Answer]]
_Key = tuple[str, str, str]  # name, type, resolver


def record_answers(domains: Sequence[Domain], seen: Answers, *, now: datetime) -> int:
    """Store what changed in the answers to the domains' own questions; return the number of changed domains.

    Call it before this check's results are stored: the previous check says how long the old answer was seen.
    """
    standing = _current_answers(domains)
    changed = [d for d in domains if _changes(_answers(_questions(d), seen), standing.get(d.pk, {}))]
    if not changed:
        return 0
    of_zones = _ask_zones(changed)
    for domain in changed:
        zone = _zone_questions(domain)
        own, seen_now = standing.get(domain.pk, {}), {**seen, **of_zones}
        new = _changes(_answers([*_questions(domain), *zone], seen_now), own)
        over = {(a.question.name, a.question.type, a.resolver) for a in new} | _no_longer_asked(domain, seen_now, own)
        _store(domain, new, [own[key] for key in over if key in own], _serial(zone, of_zones), now)
    return len(changed)


def new_nameservers(domain: Domain, *, since: datetime) -> str:
    """Return the zone's nameservers if all others were replaced after `since`, else "". Call after `record_answers`."""
    rows = ObservedAnswer.objects.filter(domain=domain, type="NS", name=domain.hosted.zone, status=LookupStatus.FOUND)
    new = rows.filter(until=None, since__gt=since).first()
    old = rows.filter(until=new.since, resolver=new.resolver).first() if new else None
    if new is None or old is None or not set(old.values).isdisjoint(new.values):
        return ""
    return ", ".join(name.rstrip(".") for name in new.values[:2])


def delete_old_answers(*, now: datetime) -> int:
    """Delete answers that ended more than DNS_HISTORY_DAYS ago. Current answers stay, however old they are."""
    before = oldest_kept(settings.DNS_HISTORY_DAYS, now=now)
    return ObservedAnswer.objects.filter(until__lt=before).delete()[0]


def _questions(domain: Domain) -> list[Question]:
    return [question_for(record) for record in domain.records]


def _zone_questions(domain: Domain) -> list[Question]:
    return [Question(domain.hosted.zone, "NS"), Question(domain.hosted.zone, "SOA")]


def _answers(questions: Iterable[Question], seen: Answers) -> dict[_Key, Answer]:
    """Return the successful answers. SOA is left out: a serial changes for unrelated reasons, so it is only stored with
    other changes.
    """
    return {
        (answer.question.name, answer.question.type, answer.resolver): answer
        for question in questions
        for answer in seen.get(question, ())
        if answer.status is not LookupStatus.FAILED and question.type != "SOA"
    }


def _current_answers(domains: Sequence[Domain]) -> dict[str, dict[_Key, ObservedAnswer]]:
    found: dict[str, dict[_Key, ObservedAnswer]] = {}
    for row in ObservedAnswer.objects.filter(domain__in=domains, until=None):
        found.setdefault(row.domain_id, {})[row.name, row.type, row.resolver] = row
    return found


def _changes(answers: Mapping[_Key, Answer], standing: Mapping[_Key, ObservedAnswer]) -> list[Answer]:
    return [answer for key, answer in answers.items() if not _is_same(standing.get(key), answer)]


def _is_same(row: ObservedAnswer | None, answer: Answer) -> bool:
    return row is not None and (row.status, tuple(row.values)) == (answer.status, _without_nul(answer.values))


def _without_nul(values: Iterable[str]) -> tuple[str, ...]:
    """PostgreSQL cannot store NUL."""
    return tuple(value.replace("\x00", "\ufffd") for value in values)


def _ask_zones(domains: Sequence[Domain]) -> dict[Question, list[Answer]]:
    found: dict[Question, list[Answer]] = {}
    for answer in look_up([question for domain in domains for question in _zone_questions(domain)]):
        found.setdefault(answer.question, []).append(answer)
    return found


def _serial(zone: Sequence[Question], of_zones: Answers) -> dict[str, int | None]:
    """Return the serial by resolver, since each may have a different one."""
    answers = [answer for question in zone if question.type == "SOA" for answer in of_zones.get(question, ())]
    return {answer.resolver: serial_of(answer.values[0]) for answer in answers if answer.values}


def _no_longer_asked(domain: Domain, seen: Answers, standing: Iterable[_Key]) -> set[_Key]:
    """Return the answers to end: records of an earlier setup, and resolvers that were not asked this time although
    others were.
    """
    wanted = [*_questions(domain), *_zone_questions(domain)]
    by = {(q.name, q.type): {answer.resolver for answer in seen.get(q, ())} for q in wanted}
    return {key for key in standing if key[:2] not in by or (by[key[:2]] and key[2] not in by[key[:2]])}


@transaction.atomic
def _store(
    domain: Domain,
    new: Sequence[Answer],
    over: Sequence[ObservedAnswer],
    serials: Mapping[str, int | None],
    now: datetime,
) -> None:
    """Store nothing if the domain was deleted meanwhile, or if a newer check has been stored.

    Of two simultaneous checks, the first one's rows stay.
    """
    if not Domain.objects.select_for_update(no_key=True).filter(pk=domain.pk).exists():
        return
    if domain.record_checks.exclude(not_newer("checked_at", now)).exists():
        return
    _end(over, _last_checks(domain, now), now)
    _update_provider(domain, new)
    ObservedAnswer.objects.bulk_create(
        [_row(domain, answer, serials.get(answer.resolver), now) for answer in new], ignore_conflicts=True
    )


def _update_provider(domain: Domain, new: Iterable[Answer]) -> None:
    """Update the DNS host by the nameservers. Instructions use that company's terms."""
    servers = next((answer.values for answer in new if answer.question.type == "NS" and answer.values), ())
    if servers and (company := provider_of(servers)) != domain.provider:
        domain.provider = company
        Domain.objects.filter(pk=domain.pk).update(provider=company)


def _end(rows: Sequence[ObservedAnswer], looked: Mapping[tuple[str, str], datetime], now: datetime) -> None:
    for row in rows:
        ended = ObservedAnswer.objects.filter(pk=row.pk, until=None)
        ended.update(until=now, last_seen=looked.get((row.name, row.type)))


def _last_checks(domain: Domain, now: datetime) -> dict[tuple[str, str], datetime]:
    """Return the last successful check by name and type. A failed check does not count."""
    conclusive = domain.record_checks.filter(checked_at__lt=now).exclude(state=State.COULD_NOT_CHECK)
    checked = dict(conclusive.values_list("key", "checked_at"))
    times = {(r.name, r.type): checked[r.key] for r in domain.records if r.key in checked}
    return times | ({(domain.hosted.zone, "NS"): max(times.values())} if times else {})


def _row(domain: Domain, answer: Answer, serial: int | None, now: datetime) -> ObservedAnswer:
    return ObservedAnswer(
        domain=domain,
        name=answer.question.name,
        type=answer.question.type,
        resolver=answer.resolver,
        status=answer.status,
        values=list(_without_nul(answer.values)),
        ttl=answer.ttl,
        serial=serial,
        since=now,
    )
