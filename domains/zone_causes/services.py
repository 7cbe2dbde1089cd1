"""Asks what may be wrong with the zones of domains that lack all their records, or that a resolver fails to find: of
these, one question per zone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domains.checking.core.judgement import Judgement, State
from domains.diagnosis.core.observations import has_replied
from domains.dns import services as dns_services
from domains.dns.core import Answer, LookupStatus, Question, question_for
from domains.history import services as history_services
from domains.models.domains import Domain
from domains.nameservers.services import AnswersByQuestion
from domains.zone_causes.core import (
    AT_OTHERS,
    DNSSEC,
    MOVED,
    ZoneAnswers,
    ZoneCause,
    cause_in,
    is_servfail,
    is_unexplained,
    with_broken_dnssec,
    with_cause,
)


@dataclass(frozen=True)
class ZonesSeen:
    answers: Mapping[str, ZoneAnswers]

    def explain(self, domain: Domain, judgements: Sequence[Judgement]) -> list[Judgement]:
        """Return the judgements with the zone's cause, if there is one. Call it after `history.record_answers`."""
        if domain.is_gone:
            return list(judgements)
        was_correct = any(each.last_verified for each in judgements)
        cause = cause_in(self.answers, _zones(domain), was_correct=was_correct)
        if is_unexplained(judgements):
            cause = cause or _moved(domain, judgements)
            return with_cause(judgements, cause) if cause else list(judgements)
        if cause is None or cause.code != DNSSEC:
            return list(judgements)
        return with_broken_dnssec(judgements, cause, was_verified=domain.verified_at is not None)


def query_zones(
    domains: Sequence[Domain], judged: Mapping[str, Sequence[Judgement]], public: AnswersByQuestion
) -> ZonesSeen:
    """Ask the resolvers for the nameservers of each zone. Those that report an error are asked without validation.

    `public`: the resolvers' answers for the records.
    """
    present = [domain for domain in domains if not domain.is_gone]
    asked = [each for each in present if is_unexplained(judged[each.pk]) or _is_refused_by_some(each, public)]
    questions = list(dict.fromkeys(Question(zone, "NS") for domain in asked for zone in _zones(domain)))
    plain = _by_zone(dns_services.look_up(questions) if questions else [])
    refused = [
        question
        for question in questions
        if any(a.status is LookupStatus.FAILED and has_replied(a) for a in plain.get(question.name, ()))
    ]
    unchecked = _by_zone(dns_services.look_up_unvalidated(refused) if refused else [])
    above = [Question(_above(each.name), "NS") for each in refused if any(map(is_servfail, plain[each.name]))]
    upper = _by_zone(dns_services.look_up(above) if above else [])
    return ZonesSeen(
        {zone: ZoneAnswers(some, unchecked.get(zone, ()), upper.get(_above(zone), ())) for zone, some in plain.items()}
    )


def _is_refused_by_some(domain: Domain, public: AnswersByQuestion) -> bool:
    """Return whether a resolver reports a server failure for each record of the domain that it was asked for."""
    answers = [answer for record in domain.records for answer in public.get(question_for(record), ())]
    failing = {answer.resolver for answer in answers if is_servfail(answer)}
    return bool(failing.difference(answer.resolver for answer in answers if not is_servfail(answer)))


def _above(zone: str) -> str:
    return zone.partition(".")[2]


def _zones(domain: Domain) -> tuple[str, ...]:
    """Return the registered zone, and the delegated one that has the records."""
    return tuple(dict.fromkeys((domain.parsed.zone, domain.hosted.zone)))


def _by_zone(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.question.name, []).append(answer)
    return found


def _moved(domain: Domain, judgements: Sequence[Judgement]) -> ZoneCause | None:
    """Return the cause if all nameservers changed since the records were correct. Failed lookups don't show that."""
    last = max((each.last_verified for each in judgements if each.last_verified), default=None)
    if last is None or not any(each.state is State.AT_RISK for each in judgements):
        return None
    servers = history_services.new_nameservers(domain, since=last)
    return ZoneCause(MOVED, AT_OTHERS.format(zone=domain.hosted.zone, servers=servers)) if servers else None
